#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside libxdp's dispatcher: it stays, others join and leave it, and no packet is lost to the filter."""

import json
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "hooks"))
from hooks_test import Daemon, command
from driver import Driver, Refused
from network import Namespace, build, die_with_parent, wait_until

OBJECTS = build() / "tests" / "e2e" / "devices"
DISPATCHER = OBJECTS / "dispatcher.bpf.o"
IMPOSTOR = OBJECTS / "impostor.bpf.o"
OTHER = OBJECTS / "other.bpf.o"
ACCEPTED, DROPPED = 7000, 7001

SEND = f"""
import itertools, socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in itertools.cycle(({ACCEPTED}, {DROPPED})):
    try:
        sender.sendto(b"hello", ("10.0.0.1", port))
    except OSError:
        pass # nobody listens there
"""


def genuine_dispatcher() -> Path:
    """libxdp's own, of Debian's package libxdp1."""
    files = subprocess.run(["dpkg", "--listfiles", "libxdp1"], capture_output=True, text=True,
                           check=True).stdout.split()
    return Path(next(name for name in files if name.endswith("/xdp-dispatcher.o")))


def attach(namespace: Namespace, path: Path, mode: str = "xdpdrv") -> None:
    """Puts a program on veth0, in one step where there is one already, as libxdp does."""
    namespace.output("ip", "-force", "link", "set", "dev", "veth0", mode, "obj", str(path), "sec",
                     "xdp")


def detach(namespace: Namespace, mode: str = "xdpdrv") -> None:
    namespace.ip(f"link set dev veth0 {mode} off")


def attached(namespace: Namespace) -> dict[str, object]:
    """The XDP program of veth0: id and name; {} if there is none."""
    link = json.loads(namespace.output("ip", "-json", "-details", "link", "show", "veth0"))[0]
    return link.get("xdp", {}).get("prog", {})


def member_count(namespace: Namespace) -> int:
    program = json.loads(namespace.output("bpftool", "--json", "prog", "show", "id",
                                          str(attached(namespace)["id"])))
    for number in program["map_ids"]:
        dump = json.loads(namespace.output("bpftool", "--json", "map", "dump", "id", str(number)))
        if "formatted" in dump[0]:
            return dump[0]["formatted"]["value"]
    raise AssertionError(f"no counter in {program}")


class Link(unittest.TestCase):
    """veth0 inside leads to veth0 outside."""

    def setUp(self) -> None:
        self.inside, self.outside = Namespace(), Namespace()
        self.addCleanup(self.inside.close)
        self.addCleanup(self.outside.close)
        self.inside.ip(f"link add veth0 type veth peer name veth0 netns {self.outside.pid}",
                       "address add 10.0.0.1/24 dev veth0", "link set veth0 up")
        self.outside.ip("address add 10.0.0.2/24 dev veth0", "link set veth0 up")


class DispatcherTest(Link):
    def driver(self, mode: str) -> Driver:
        driver = Driver(self.inside, mode)
        self.addCleanup(driver.kill)
        return driver

    def test_the_dispatcher_stays_and_we_are_at_tc(self) -> None:
        for path in DISPATCHER, genuine_dispatcher():
            for mode in "xdpdrv", "xdpgeneric":
                with self.subTest(f"{path.name} {mode}"):
                    attach(self.inside, path, mode)
                    before = attached(self.inside)
                    self.assertEqual(before["name"], "xdp_dispatcher")
                    driver = self.driver("xdp")
                    status = driver.devices()["veth0"]
                    self.assertEqual(status.state, "tc")
                    for part in "libxdp's dispatcher", f"id {before['id']})":
                        self.assertIn(part, status.reason)
                    self.assertEqual([report.name for report in driver.reports], ["veth0"])
                    self.assertEqual(attached(self.inside), before)
                    driver.close()
                    detach(self.inside, mode)

    def test_a_program_that_is_only_called_so_is_refused(self) -> None:
        attach(self.inside, IMPOSTOR)
        before = attached(self.inside)
        self.assertEqual(before["name"], "xdp_dispatcher")
        with self.assertRaisesRegex(Refused, "already has an XDP program .*'xdp_dispatcher'"):
            self.driver("xdp")
        self.assertEqual(attached(self.inside), before)

    def test_switch_to_xdp_leaves_us_at_tc(self) -> None:
        driver = self.driver("tc")
        attach(self.inside, DISPATCHER)
        before = attached(self.inside)
        driver.ask("switch xdp again")
        self.assertEqual(driver.states(), {"lo": "tc", "veth0": "tc"})
        self.assertEqual([report.name for report in driver.reports], ["veth0"])
        self.assertEqual(attached(self.inside), before)
        driver.ask("reset")
        self.outside.run("ping", "-c", "1", "-W", "1", "10.0.0.1")
        self.assertGreater(driver.counters()["ingress again"], 0)

    def test_when_the_dispatcher_has_gone_a_switch_takes_its_place(self) -> None:
        attach(self.inside, DISPATCHER)
        driver = self.driver("xdp")
        detach(self.inside)
        driver.ask("switch xdp")
        self.assertEqual(driver.states()["veth0"], "native")
        self.assertEqual(driver.devices()["veth0"].reason, "")

    def test_a_later_device_with_a_dispatcher(self) -> None:
        self.inside.ip(f"link set veth0 netns {self.outside.pid} name later")
        driver = self.driver("xdp")
        self.outside.output("ip", "link", "set", "dev", "later", "xdpdrv", "obj", str(DISPATCHER),
                            "sec", "xdp")
        self.outside.ip(f"link set later netns {self.inside.pid} name veth0")
        wait_until(lambda: driver.states().get("veth0") == "tc", f"{driver.devices()}")
        self.assertIn("libxdp's dispatcher", driver.devices()["veth0"].reason)
        self.assertEqual(attached(self.inside)["name"], "xdp_dispatcher")


class FilterTest(Link):
    """The daemon, while packets come without end. Of what it lets through, iptables counts all."""

    def start(self) -> Daemon:
        daemon = Daemon(self.inside, "--hook", "xdp")
        self.addCleanup(daemon.process.kill)
        self.inside.output(command(True, "iptables-restore"), text=(
            "*filter\n:INPUT ACCEPT [0:0]\n"
            f"-A INPUT -p udp --dport {ACCEPTED} -j ACCEPT\n"
            f"-A INPUT -p udp --dport {DROPPED} -j DROP\nCOMMIT\n"))
        self.inside.output(command(False, "iptables-restore"), text=(
            "*filter\n:INPUT ACCEPT [0:0]\n"
            f"-A INPUT -p udp --dport {ACCEPTED}\n-A INPUT -p udp --dport {DROPPED}\nCOMMIT\n"))
        return daemon

    def send(self) -> subprocess.Popen:
        sender = subprocess.Popen(self.outside.command(sys.executable, "-c", SEND),
                                  preexec_fn=die_with_parent)
        self.addCleanup(sender.wait)
        self.addCleanup(sender.kill)
        return sender

    def counted(self, ours: bool, port: int) -> int:
        saved = self.inside.output(command(ours, "iptables-save"), "-c", "-t", "filter")
        line = next(line for line in saved.splitlines() if f"--dport {port}" in line)
        return int(line[1:line.index(":")])

    def wait_for_packets(self) -> None:
        before = self.counted(False, ACCEPTED)
        wait_until(lambda: self.counted(False, ACCEPTED) > before + 100, "packets pass")

    def check(self) -> None:
        """Each packet that passed has been judged, once; none passed that must not."""
        wait_until(lambda: self.counted(True, ACCEPTED) == self.counted(False, ACCEPTED),
                   f"{self.counted(True, ACCEPTED)} have been accepted, "
                   f"{self.counted(False, ACCEPTED)} have passed")
        self.assertGreater(self.counted(True, DROPPED), 0)
        self.assertEqual(self.counted(False, DROPPED), 0)

    def test_others_join_and_leave_while_packets_come(self) -> None:
        attach(self.inside, DISPATCHER)
        daemon = self.start()
        sender = self.send()
        self.wait_for_packets()
        for _ in range(3):
            before = attached(self.inside)["id"]
            attach(self.inside, DISPATCHER)
            self.assertNotEqual(attached(self.inside)["id"], before)
            self.wait_for_packets()
        self.assertGreater(member_count(self.inside), 100)
        detach(self.inside)
        self.wait_for_packets()
        attach(self.inside, DISPATCHER)
        self.wait_for_packets()
        sender.kill()
        sender.wait()
        self.check()
        errors = daemon.stop()
        self.assertEqual(errors.count("device veth0 is filtered at TC: it has libxdp's dispatcher"),
                         1, errors)
        self.assertEqual(attached(self.inside)["name"], "xdp_dispatcher")

    def test_xdp_loader(self) -> None:
        """The real one makes a dispatcher if the kernel lets functions of eBPF programs be replaced,
        else it attaches the program itself."""
        loader = ("xdp-loader", "load", "--mode", "native", "--section", "xdp", "veth0", str(OTHER))
        self.inside.output(*loader)
        before = attached(self.inside)
        if before["name"] != "xdp_dispatcher":
            done = self.inside.run(str(build() / "src/daemon/bpf-iptablesd"), "--hook", "xdp")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"already has an XDP program (id {before['id']}, 'other')", done.stderr)
            self.assertEqual(attached(self.inside), before)
            return
        daemon = self.start()
        sender = self.send()
        for step in loader, ("xdp-loader", "unload", "veth0", "--all"), loader:
            self.wait_for_packets()
            self.inside.output(*step)
        self.wait_for_packets()
        sender.kill()
        sender.wait()
        self.check()
        daemon.stop()
        self.assertEqual(attached(self.inside)["name"], "xdp_dispatcher")

    def test_xdp_loader_does_not_get_ours_away(self) -> None:
        daemon = self.start()
        before = attached(self.inside)
        self.assertIn("bpf_iptables", before["name"])
        self.assertNotEqual(self.inside.run("xdp-loader", "load", "--section", "xdp", "veth0",
                                            str(OTHER)).returncode, 0)
        self.inside.run("xdp-loader", "unload", "veth0", "--all")
        self.assertEqual(attached(self.inside), before)
        sender = self.send()
        self.wait_for_packets()
        sender.kill()
        sender.wait()
        self.check()
        self.assertEqual(daemon.stop(), "")


if __name__ == "__main__":
    unittest.main()
