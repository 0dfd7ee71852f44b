#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon as a process: one per namespace, its files, its signals, its clients, conntrack."""

import errno
import os
import random
import select
import signal
import socket
import struct
import subprocess
import unittest

import control
from sandbox import DIRECTORY, Sandbox, daemon_path, wait_until

CLIENTS = 64
NOBODY = 65534


def setUpModule() -> None:
    if not os.access(daemon_path(), os.X_OK):
        raise unittest.SkipTest(f"{daemon_path()} is not built")
    if os.geteuid() != 0:
        raise unittest.SkipTest("not run as root")


class DaemonTest(unittest.TestCase):
    def setUp(self) -> None:
        self.sandbox = Sandbox()
        self.addCleanup(self.sandbox.close)

    def connect(self) -> socket.socket:
        client = self.sandbox.connect()
        self.addCleanup(client.close)
        return client

    def assert_serves(self, client: socket.socket) -> None:
        answer = control.get_info(client)
        self.assertEqual(answer.error, 0, answer.message)

    def assert_refused(self, done: subprocess.CompletedProcess, status: int, text: str) -> None:
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")


class Arguments(DaemonTest):
    def test_hooks_that_do_not_exist_are_refused_by_name(self) -> None:
        for hook in ("ebpf", "tcx", "", "netfilterx"):
            self.assert_refused(self.sandbox.run_daemon("--hook", hook), 2, f"'{hook}'")
        self.assert_refused(self.sandbox.run_daemon("--nonsense"), 2, "Usage:")
        self.assert_refused(self.sandbox.run_daemon("more"), 2, "'more'")

    def test_help_and_version_need_no_privileges(self) -> None:
        nobody = ("setpriv", f"--reuid={NOBODY}", "--clear-groups")
        for option, text in (("--help", "Usage: bpf-iptablesd"), ("--version", "bpf-iptablesd ")):
            done = self.sandbox.run_daemon(option, prefix=nobody)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(text, done.stdout)


class Privileges(DaemonTest):
    def test_only_root_can_start_it(self) -> None:
        nobody = ("setpriv", f"--reuid={NOBODY}", "--clear-groups")
        self.assert_refused(self.sandbox.run_daemon(prefix=nobody), 1, "only root")

    def test_missing_capabilities_are_named(self) -> None:
        without = ("setpriv", "--bounding-set=-net_admin")
        self.assert_refused(self.sandbox.run_daemon(prefix=without), 1, "CAP_NET_ADMIN")
        self.assertFalse(self.sandbox.path(DIRECTORY).exists())

    def test_only_root_is_served(self) -> None:
        self.sandbox.start_daemon()
        # Even if somebody opens the door: the peer's identity is what counts.
        self.sandbox.output("sh", "-c", f"chmod 711 {DIRECTORY} && chmod 666 {DIRECTORY}/*.sock")
        (path,) = self.sandbox.files(".sock")
        inside = path[path.index(DIRECTORY):]
        code = ("import socket,struct\n"
                "s = socket.socket(socket.AF_UNIX)\n"
                f"s.connect({inside!r})\n"
                "print(struct.unpack('=IiII', s.recv(16, socket.MSG_WAITALL))[1])\n"
                "print(s.recv(1000).decode())\n")
        output = self.sandbox.output("setpriv", f"--reuid={NOBODY}", "--clear-groups",
                                     "/usr/bin/python3", "-c", code)
        self.assertEqual(output.splitlines()[0], str(-errno.EPERM))
        self.assertIn("only root", output)
        self.assert_serves(self.connect())


class Directory(DaemonTest):
    def test_it_and_the_socket_are_for_root_only(self) -> None:
        self.sandbox.output("mkdir", "-m", "755", DIRECTORY)
        self.sandbox.start_daemon()
        self.assertEqual(self.sandbox.path(DIRECTORY).stat().st_mode & 0o7777, 0o700)
        for path in self.sandbox.files(""):
            self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600, path)

    def assert_not_trusted(self, prepare: str, text: str) -> None:
        self.sandbox.output("sh", "-ec", f"rm -rf {DIRECTORY}; {prepare}")
        self.assert_refused(self.sandbox.run_daemon(), 1, text)

    def test_one_that_others_could_use_is_refused(self) -> None:
        self.assert_not_trusted(f"mkdir /run/other; ln -s other {DIRECTORY}", "not a directory")
        self.assert_not_trusted(f"touch {DIRECTORY}", "not a directory")
        self.assert_not_trusted(f"mkdir {DIRECTORY}; chown {NOBODY} {DIRECTORY}", f"user {NOBODY}")
        self.assert_not_trusted(f"mkdir {DIRECTORY}; chmod 770 {DIRECTORY}", "mode 0770")
        self.assert_not_trusted(f"mkdir {DIRECTORY}; chmod 1777 {DIRECTORY}", "mode 1777")


class Lifetime(DaemonTest):
    def test_a_second_one_is_refused_and_told_who_is_there(self) -> None:
        daemon = self.sandbox.start_daemon()
        client = self.connect()
        self.assert_refused(self.sandbox.run_daemon(), 1, f"process {daemon.pid}")
        self.assert_serves(client)
        self.assert_serves(self.connect())

    def test_another_namespace_has_its_own(self) -> None:
        self.sandbox.start_daemon()
        inner = self.sandbox.command("unshare", "--net", "timeout", "--preserve-status", "-s", "TERM",
                                     "20", str(daemon_path()))
        with subprocess.Popen(inner, stdout=subprocess.PIPE, text=True) as process:
            self.assertEqual(process.stdout.readline(), "bpf-iptablesd: ready\n")
            self.assertEqual(len(self.sandbox.files(".sock")), 2)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(), 0)
        self.assert_serves(self.connect())

    def test_signals_end_it_and_leave_nothing(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            daemon = self.sandbox.start_daemon()
            client = self.connect()
            client.sendall(control.header(control.SET_REPLACE, 1000) + b"half")
            self.assertEqual(len(self.sandbox.files(".sock")), 1)
            self.assertEqual(daemon.stop(number), 0)
            self.assertEqual(self.sandbox.files(""), [])

    def test_a_killed_one_is_in_nobodys_way(self) -> None:
        daemon = self.sandbox.start_daemon()
        self.assertEqual(daemon.stop(signal.SIGKILL), -signal.SIGKILL)
        self.assertEqual(len(self.sandbox.files(".sock")), 1)
        self.sandbox.start_daemon()
        self.assertEqual(len(self.sandbox.files(".sock")), 1)
        self.assert_serves(self.connect())

    def test_what_is_no_socket_is_not_replaced(self) -> None:
        self.sandbox.start_daemon().stop(signal.SIGKILL)
        (path,) = self.sandbox.files(".sock")
        os.unlink(path)
        os.mkdir(path)
        self.assert_refused(self.sandbox.run_daemon(), 1, "not a socket")
        self.assertEqual(self.sandbox.files(".lock"), [])


class Clients(DaemonTest):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.sandbox.start_daemon()

    def test_as_many_as_stated_are_served_and_more_wait(self) -> None:
        clients = [self.connect() for _ in range(CLIENTS)]
        for client in clients:
            self.assert_serves(client)
        waiting = self.connect()
        waiting.sendall(control.header(control.TABLE_IN_USE, 0))
        self.assert_serves(clients[0])
        self.assertEqual(select.select([waiting], [], [], 0)[0], [])
        clients[5].close()
        self.assertEqual(control.receive_answer(waiting).payload, b"\1")
        for client in clients[:5] + clients[6:]:
            self.assert_serves(client)

    def test_hanging_and_dying_clients_harm_no_other(self) -> None:
        client = self.connect()
        for data in (b"\0", control.header(control.GET_INFO, 84)[:-1],
                     control.header(control.SET_REPLACE, control.MAX_LENGTH),
                     control.header(control.SET_REPLACE, 100000) + bytes(99999)):
            hanging = self.connect()
            hanging.sendall(data)
            dying = self.connect()
            dying.sendall(data)
            dying.close()
            self.assert_serves(client)
            self.assert_serves(self.connect())

    def test_one_that_hangs_in_a_message_is_dropped(self) -> None:
        client = self.connect()
        hanging = self.connect()
        hanging.sendall(control.header(control.GET_INFO, 84))
        self.assertEqual(hanging.recv(1), b"")
        self.assert_serves(client)

    def test_dying_after_the_request_is_too_late(self) -> None:
        client = self.connect()
        payload = control.make_table([control.make_standard(control.ACCEPT)],
                                     control.number_of_entries(client))
        dying = self.connect()
        dying.sendall(control.header(control.SET_REPLACE, len(payload)) + payload)
        dying.close()
        wait_until(lambda: control.number_of_entries(client) == 5, "the table is replaced")

    def test_hostile_requests_change_nothing(self) -> None:
        seed = int(os.environ.get("BPF_IPTABLES_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"seed {seed} (BPF_IPTABLES_SEED)")
        generator = random.Random(seed)
        client = self.connect()
        for family in (control.IPV4, control.IPV6):
            self.assertEqual(control.replace(client, self.undone(family), family).error, 0)
        before = control.get_info(client).payload
        for _ in range(300):
            self.send_hostile(generator, generator.choice([control.IPV4, control.IPV6]))
        self.assertEqual(control.get_info(client).payload, before)
        self.assertEqual(control.number_of_entries(client, control.IPV6), 5)
        self.assertIsNone(self.daemon.process.poll())

    def undone(self, family: int) -> list[bytes]:
        return [control.make_standard(control.DROP, family=family)]

    def send_hostile(self, generator: random.Random, family: int) -> None:
        """A table with a few wrong bytes, or cut short; it may be right by chance, so is undone."""
        table = control.make_table([control.conntrack_rule(family)], 5, family)
        payload = bytearray(table[:generator.choice([len(table), generator.randrange(len(table))])])
        for _ in range(generator.randrange(1, 4)):
            if payload:
                payload[generator.randrange(len(payload))] = generator.choice([0, 1, 127, 128, 255])
        with self.sandbox.connect() as client:
            operation = generator.choice([control.SET_REPLACE] * 4 + [*range(9), 255])
            if control.ask(client, operation, bytes(payload), family).error == 0:
                answer = control.replace(client, self.undone(family), family)
                self.assertEqual(answer.error, 0, answer.message)

    def test_those_out_of_step_are_told_and_dismissed(self) -> None:
        for wrong in (control.header(control.GET_INFO, 84, magic=1),
                      control.header(control.GET_INFO, 84, version=99),
                      control.header(control.SET_REPLACE, control.MAX_LENGTH + 1)):
            client = self.connect()
            client.sendall(wrong + bytes(100))
            answer = control.receive_answer(client)
            self.assertLess(answer.error, 0)
            self.assertNotEqual(answer.message, "")
            self.assertEqual(client.recv(1), b"")


class Conntrack(DaemonTest):
    """Connection tracking is on in the namespace exactly while a rule needs it."""

    family = control.IPV4
    host = "127.0.0.1"
    table = "ip bpf-iptables"
    other_table = "ip6 bpf-iptables"

    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.sandbox.start_daemon()

    def socket_family(self) -> str:
        return "socket.AF_INET6" if self.family == control.IPV6 else "socket.AF_INET"

    def is_tracked(self) -> bool:
        code = ("import socket\n"
                f"socket.socket({self.socket_family()}, socket.SOCK_DGRAM).sendto(b'x', ('{self.host}', 9))\n"
                "print(open('/proc/sys/net/netfilter/nf_conntrack_count').read())\n")
        self.sandbox.run("conntrack", "--flush")
        return int(self.sandbox.output("/usr/bin/python3", "-c", code)) > 0

    def tables(self) -> set[str]:
        return set(self.sandbox.output("nft", "list", "tables").splitlines())

    def switch(self, on: bool) -> None:
        answer = control.replace(self.connect(), [control.conntrack_rule(self.family)] if on else [],
                                 self.family)
        self.assertEqual(answer.error, 0, answer.message)

    def assert_off(self) -> None:
        """The kernel takes its hooks away a little later."""
        self.assertNotIn(f"table {self.table}", self.tables())
        wait_until(lambda: not self.is_tracked(), "connections are not tracked any more")

    def test_on_and_off(self) -> None:
        self.assertFalse(self.is_tracked())
        for _ in range(3):
            self.switch(True)
            self.assertTrue(self.is_tracked())
            self.switch(True)
            self.assertTrue(self.is_tracked())
            self.switch(False)
            self.assert_off()

    def test_a_refused_table_leaves_it_as_it_was(self) -> None:
        client = self.connect()
        answer = control.ask(client, control.SET_REPLACE,
                             control.make_table([control.conntrack_rule(self.family)], 99, self.family),
                             self.family)
        self.assertEqual(answer.error, -errno.EAGAIN)
        self.assertFalse(self.is_tracked())

    def test_a_clean_stop_switches_it_off(self) -> None:
        self.switch(True)
        self.daemon.stop()
        self.assert_off()

    def test_flushing_nftables_does_not_switch_it_off(self) -> None:
        self.sandbox.output("nft", "add table ip user")
        self.switch(True)
        self.sandbox.output("nft", "flush ruleset")
        self.assertEqual(self.tables(), {f"table {self.table}"})
        self.assertTrue(self.is_tracked())
        self.assertNotEqual(self.sandbox.run("nft", f"delete table {self.table}").returncode, 0)

    def test_tables_of_the_user_stay(self) -> None:
        self.sandbox.output("nft", f"add table ip user; add table {self.other_table}")
        mine = self.tables()
        self.switch(True)
        self.switch(False)
        self.assertEqual(self.tables(), mine)

    def test_it_stays_on_for_those_who_want_it_too(self) -> None:
        kind = self.table.split()[0]
        self.sandbox.output("nft", f"add table {kind} user; add chain {kind} user c; "
                            f"add rule {kind} user c ct state new")
        self.switch(True)
        self.switch(False)
        self.assertTrue(self.is_tracked())

    def test_what_a_killed_daemon_left_is_taken_over(self) -> None:
        self.switch(True)
        self.daemon.stop(signal.SIGKILL)
        self.assertIn(f"table {self.table}", self.tables())
        self.sandbox.start_daemon()
        self.assert_off()
        self.switch(True)
        self.assertTrue(self.is_tracked())

    def test_a_rule_is_refused_when_it_cannot_be_switched_on(self) -> None:
        owner = subprocess.Popen(
            self.sandbox.command("nft", "-i"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, text=True)
        try:
            owner.stdin.write(f"add table {self.table} {{ flags owner; }}\n")
            owner.stdin.flush()
            wait_until(lambda: f"table {self.table}" in self.tables(), "nft has made its table")
            client = self.connect()
            answer = control.replace(client, [control.conntrack_rule(self.family)], self.family)
            self.assertEqual(answer.error, -errno.EPERM)
            self.assertIn("another process owns", answer.message)
            self.assertIn(f"'{self.table}'", answer.message)
            self.assertEqual(control.number_of_entries(client, self.family), 4)
        finally:
            owner.kill()
            owner.communicate()


class ConntrackIpv6(Conntrack):
    family = control.IPV6
    host = "::1"
    table = "ip6 bpf-iptables"
    other_table = "ip bpf-iptables"


class Families(DaemonTest):
    """Two tables that know nothing of each other, in one daemon."""

    FAMILIES = (control.IPV4, control.IPV6)

    def setUp(self) -> None:
        super().setUp()
        self.sandbox.start_daemon()

    def table(self, family: int) -> bytes:
        """The entries, with their counters."""
        client = self.connect()
        size = struct.unpack_from("=I", control.get_info(client, family).payload, 80)[0]
        request = struct.pack("=32sI4x", b"filter", size)
        answer = control.ask(client, control.GET_ENTRIES, request, family)
        self.assertEqual(answer.error, 0, answer.message)
        return answer.payload

    def ping(self, host: str) -> int:
        return self.sandbox.run("ping", "-c", "1", "-W", "1", host).returncode

    def test_a_change_of_one_leaves_the_other(self) -> None:
        for one, other in (self.FAMILIES, self.FAMILIES[::-1]):
            before = self.table(other)
            answer = control.replace(self.connect(), [control.make_standard(control.DROP, family=one)], one)
            self.assertEqual(answer.error, 0, answer.message)
            self.assertEqual(control.number_of_entries(self.connect(), one), 5)
            self.assertEqual(self.table(other), before)

    def test_each_judges_and_counts_its_own_packets(self) -> None:
        hosts = {control.IPV4: "127.0.0.1", control.IPV6: "::1"}
        wait_until(lambda: self.ping("::1") == 0, "the loopback interface has its address")
        for one, other in (self.FAMILIES, self.FAMILIES[::-1]):
            client = self.connect()
            control.replace(client, [control.make_standard(control.DROP, family=one)], one)
            before = self.table(other)
            self.assertNotEqual(self.ping(hosts[one]), 0, hosts[one])
            self.assertEqual(self.table(other), before, "the other family's counters")
            self.assertEqual(self.ping(hosts[other]), 0, hosts[other])
            self.assertNotEqual(self.table(other), before, "the other family's counters")
            self.assertEqual(control.replace(client, [], one).error, 0)

    def test_a_table_of_one_is_none_of_the_other(self) -> None:
        client = self.connect()
        for one, other in (self.FAMILIES, self.FAMILIES[::-1]):
            table = control.make_table([control.make_standard(control.DROP, family=one)], 4, one)
            answer = control.ask(client, control.SET_REPLACE, table, other)
            self.assertEqual(answer.error, -errno.EINVAL)
            self.assertEqual(control.number_of_entries(client, other), 4)


if __name__ == "__main__":
    unittest.main()
