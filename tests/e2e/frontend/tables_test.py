#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The filter table is the daemon's, all other tables are the kernel's, and the commands cannot be told
from iptables'."""

import fcntl
import os
import subprocess
import time
import unittest

from fake_daemon import GET_ENTRIES, SET_REPLACE, TABLE_IN_USE, USUAL, Answer, Request
from family import IPV6
from fixture import FrontendTest, without_time

# NETWORK and HOST: see family.py.
SEVERAL_TABLES = """*nat
:PREROUTING ACCEPT [0:0]
-A POSTROUTING -s NETWORK -j MASQUERADE
-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080
COMMIT
*filter
:INPUT DROP [3:180]
:services - [0:0]
[7:420] -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -j services
-A services -p udp -m multiport --dports 53,123 -j ACCEPT
COMMIT
*mangle
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
"""

# Commands whose exit status, output and errors are compared, one after the other.
COMMANDS = [
    ["-S"],
    ["-A", "INPUT", "-p", "tcp", "-m", "tcp", "--dport", "22", "-j", "ACCEPT"],
    ["-I", "INPUT", "-i", "lo", "-j", "ACCEPT"],
    ["-N", "chain"],
    ["-N", "chain"],
    ["-A", "chain", "-m", "comment", "--comment", "a b", "-j", "RETURN"],
    ["-A", "FORWARD", "-j", "chain"],
    ["-X", "chain"],
    ["-C", "INPUT", "-i", "lo", "-j", "ACCEPT"],
    ["-C", "INPUT", "-i", "eth0", "-j", "ACCEPT"],
    ["-D", "INPUT", "-i", "eth0", "-j", "ACCEPT"],
    ["-D", "INPUT", "7"],
    ["-R", "INPUT", "1", "-i", "lo+", "-j", "ACCEPT"],
    ["-A", "INPUT", "-j", "NOWHERE"],
    ["-A", "NOWHERE", "-j", "DROP"],
    ["-A", "INPUT", "-p", "tcp", "--dport", "70000", "-j", "DROP"],
    ["-A", "INPUT", "--no-such-option"],
    ["-t", "nosuchtable", "-L"],
    ["-t", "filter", "-L", "-n", "-v", "-x"],
    ["-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "SNAT", "--to-source", "HOST"],
    ["-t", "nat", "-S"],
    ["-t", "nat", "-L", "nowhere"],
    ["-P", "FORWARD", "DROP"],
    ["-P", "FORWARD", "REJECT"],
    ["-E", "chain", "renamed"],
    ["-Z", "INPUT", "1"],
    ["-L", "-n", "-v", "--line-numbers"],
    ["-F"],
    ["-X"],
    ["-S"],
]


class TablesTest(FrontendTest):
    def test_commands_as_iptables(self) -> None:
        reference = self.namespace("reference")
        daemon = self.start_daemon()
        for arguments in COMMANDS:
            self.assert_same_as_legacy(reference, "iptables", *map(self.family.rules, arguments))
        self.assertIn(SET_REPLACE, daemon.operations(), "what the daemon was asked")
        self.assertNotIn("filter", self.served.table_names(self.family.names), "tables in the served kernel")

    def test_restore_and_save_of_several_tables(self) -> None:
        reference = self.namespace("reference")
        self.start_daemon()
        for arguments in ([], ["--counters"], ["--noflush"], ["--test"]):
            self.assert_same_as_legacy(reference, "iptables-restore", *arguments, text=self.family.rules(SEVERAL_TABLES))
            self.assert_same_as_legacy(reference, "iptables-save", "-c")
        self.assert_same_as_legacy(reference, "iptables-save", "-t", "filter")
        self.assert_same_as_legacy(reference, "iptables-save", "-t", "nat")

        kernel = self.legacy(self.served, "iptables-save").stdout
        self.assertIn(self.family.rules("-A POSTROUTING -s NETWORK -j MASQUERADE"), kernel, "nat in the served kernel")
        self.assertIn("-j TCPMSS", kernel, "mangle in the served kernel")
        self.assertNotIn("*filter", kernel, "filter in the served kernel")

    def test_kernel_filter_table_stays_as_it_is(self) -> None:
        rules = self.family.rules("*filter\n-A INPUT -s OTHER/FULL -j DROP\nCOMMIT\n")
        self.legacy(self.served, "iptables-restore", text=rules)
        before = without_time(self.legacy(self.served, "iptables-save").stdout)
        self.start_daemon()
        self.assert_result(self.ours("iptables-save"), 0, stdout="")
        self.assert_result(self.ours("iptables", "-A", "INPUT", "-j", "ACCEPT"), 0)
        self.assert_result(self.ours("iptables-restore", text=self.family.rules(SEVERAL_TABLES)), 0)
        self.assert_result(self.ours("iptables", "-F"), 0)
        self.assertNotIn(self.family.rules("OTHER"), self.ours("iptables-save").stdout)

        after = without_time(self.legacy(self.served, "iptables-save", "-t", "filter").stdout)
        self.assertEqual(after, before, "the kernel's own filter table")

    def test_failure_of_one_table_leaves_the_others_as_iptables_does(self) -> None:
        reference = self.namespace("reference")
        self.start_daemon()
        text = self.family.rules(SEVERAL_TABLES) + "*filter\n-A INPUT -j NOWHERE\nCOMMIT\n"
        self.assert_same_as_legacy(reference, "iptables-restore", text=text)
        self.assert_same_as_legacy(reference, "iptables-save")

    def test_save_without_table_before_any_use(self) -> None:
        daemon = self.start_daemon()
        self.assert_result(self.ours("iptables-save"), 0, stdout="", stderr="")
        self.assertEqual(set(daemon.operations()), {TABLE_IN_USE}, "what the daemon was asked")

    def test_order_of_tables_in_save(self) -> None:
        for order in (["nat", "filter"], ["filter", "nat"], ["raw", "filter", "mangle"],
                      ["raw", "nat", "filter", "mangle", "security"]):
            with self.subTest(order=order):
                reference = self.namespace("reference")
                self.served = self.namespace("served")
                self.backend = self.namespace("backend")
                self.start_daemon()
                for table in order:
                    self.assert_same_as_legacy(reference, "iptables", "-t", table, "-S")
                self.assert_same_as_legacy(reference, "iptables-save")

    def large_network(self, number: int) -> str:
        if self.family is IPV6:
            return f"fd00:{number + 1:x}::/32"
        return f"10.{number >> 8}.{number & 255}.0/24"

    def test_large_table(self) -> None:
        self.start_daemon()
        rules = [f"-A INPUT -s {self.large_network(i)} -p tcp -m tcp --dport {i + 1} -j DROP"
                 for i in range(20000)]
        text = "\n".join(["*filter", *rules, "COMMIT", ""])
        self.assert_result(self.ours("iptables-restore", text=text), 0, stderr="")
        saved = self.ours("iptables-save")
        got = [line for line in saved.stdout.splitlines() if line.startswith("-A")]
        self.assertEqual(got, rules, "rules that were saved")

    def test_one_connection_for_all_of_a_command(self) -> None:
        daemon = self.start_daemon()
        self.assert_result(self.ours("iptables", "-A", "INPUT", "-p", "udp", "--dport", "1"), 0)
        # The launcher's, to see that the daemon is there; the library goes on with it.
        self.assertEqual(daemon.connections, 1, "connections to the daemon")

    def test_table_that_changes_between_two_questions(self) -> None:
        """A size that is out of date is answered with EAGAIN, and libiptc begins anew."""
        def change(request: Request) -> Answer:
            nonlocal changed
            if request.operation != GET_ENTRIES or changed:
                return USUAL
            changed = True
            self.environment["XTABLES_LOCKFILE"] += ".other"  # the command holds the first one
            self.legacy(self.backend, "iptables", "-A", "INPUT", "-s", self.family.rules("HOST"))
            return Answer(daemon.usual(request).error, "the table has changed")

        changed = False
        daemon = self.start_daemon(change)
        self.assert_result(self.ours("iptables", "-S", "INPUT"), 0, stderr="",
                           stdout=self.family.rules("-P INPUT ACCEPT\n-A INPUT -s HOST/FULL\n"))

    def test_option_of_ipset_goes_to_the_kernel(self) -> None:
        created = self.served.run(["ipset", "create", "blocked", "hash:ip", "family",
                                   "inet6" if self.family is IPV6 else "inet"])
        if created.status != 0:
            self.skipTest(f"no ipset here: {created.stderr.strip()}")
        self.start_daemon()
        rule = ["POSTROUTING", "-m", "set", "--match-set", "blocked", "src", "-j", "ACCEPT"]
        self.assert_result(self.ours("iptables", "-t", "nat", "-A", *rule), 0, stdout="", stderr="")
        listed = self.legacy(self.served, "iptables", "-t", "nat", "-S", "POSTROUTING").stdout
        self.assertIn(" ".join(["-A", *rule]), listed)
        absent = self.ours("iptables", "-t", "nat", "-A", "POSTROUTING", "-m", "set", "--match-set",
                           "absent", "src")
        self.assert_result(absent, 2)
        self.assert_says(absent, "Set absent doesn't exist.")


class TablesIpv6Test(TablesTest):
    family = IPV6


class LockTest(FrontendTest):
    HELD = "Another app is currently holding the xtables lock."

    # Always with -w and a limit: without it, iptables 1.8.9 waits for ever and 1.8.11 does not wait.
    def test_lock_that_is_held(self) -> None:
        self.start_daemon()
        restored = "*filter\n-A INPUT -j DROP\nCOMMIT\n"
        with open(self.lock, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for result in (self.ours("iptables", "-w", "1", "-A", "INPUT", "-j", "DROP"),
                           self.ours("iptables-restore", "-w", "1", text=restored)):
                self.assert_result(result, 4, stdout="")
                self.assert_says(result, self.HELD)
                self.assert_says(result, "Stopped waiting after 1s.")
        self.assertEqual(self.legacy(self.backend, "iptables", "-S", "INPUT").stdout,
                         "-P INPUT ACCEPT\n", "the table after commands that got no lock")

    def test_default_lock_file(self) -> None:
        self.start_daemon()
        del self.environment["XTABLES_LOCKFILE"]
        self.lock.touch()
        with open(self.lock) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = self.run_replaced({"/run/xtables.lock": self.lock},
                                       [self.command("iptables"), "-w", "1", "-L"])
        self.assert_result(result, 4, stdout="")
        self.assert_says(result, self.HELD)

    def test_waiting_for_the_lock(self) -> None:
        self.start_daemon()
        command = self.served.command([str(self.command("iptables")), "-w", "-S", "INPUT"])
        with open(self.lock, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(command, env=self.environment, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(process.kill)
            self.await_waiter(process, os.fstat(lock.fileno()).st_ino)
        stdout, stderr = process.communicate(timeout=20)
        self.assertEqual((process.returncode, stdout, stderr), (0, "-P INPUT ACCEPT\n", ""))

    def await_waiter(self, process: subprocess.Popen, inode: int) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            self.assertIsNone(process.poll(), "it did not wait for the lock")
            with open("/proc/locks") as locks:
                if any("->" in line and f":{inode} " in line for line in locks):
                    return
            time.sleep(0.01)
        self.fail("nobody has come to wait for the lock")


if __name__ == "__main__":
    unittest.main(verbosity=2)
