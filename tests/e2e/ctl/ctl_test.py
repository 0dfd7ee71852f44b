#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bpf-iptablesctl: what it says of connections beside what conntrack(8) says of the same ones in a
network whose firewall is the kernel's, and what becomes of connections that it ends."""

import json
import re
import unittest

from controlled import (FAILED, NO_DAEMON, USAGE, ControlledTest, ConversingNetwork, command,
                        connections, ctl, ctl_output)
from network import Namespace, build

ACCEPT_ALL = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT
COMMIT
"""

# What belongs to no connection has to begin one.
STRICT = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -p tcp --syn -m conntrack --ctstate NEW -j ACCEPT
-A FORWARD -p tcp -m conntrack --ctstate NEW -j DROP
COMMIT
"""

# What the tests expect of a connection's remaining time, by the kernel's defaults
# (nf_conntrack_proto_tcp.c, nf_conntrack_proto_udp.c, nf_conntrack_proto_icmp.c), in seconds.
TIMEOUTS = {
    "ESTABLISHED": 432000, "SYN_SENT": 120, "CLOSE_WAIT": 60, "TIME_WAIT": 120,
    "udp": 30, "icmp": 30, "icmpv6": 30,
}

LINE = re.compile(r"(?P<protocol>\w+) +(?P<number>\d+) (?P<timeout>\d+) (?P<rest>.*)")


def parse(text: str) -> dict[str, tuple[int, str]]:
    """Of lines as conntrack(8) writes them: for each tuple the timeout and the state."""
    parsed = {}
    for line in text.splitlines():
        found = LINE.fullmatch(line)
        if not found:
            raise AssertionError(f"this line is not understood: {line}")
        # The kernel's own: marks and how often it is referred to.
        rest = re.sub(r" (mark|use)=\d+", "", found["rest"])
        state = re.match(r"[A-Z_0-9]+(?= )", rest)
        parsed[f"{found['protocol']} {found['number']} {rest}"] = (
            int(found["timeout"]), state[0] if state else found["protocol"])
    return parsed


def converse(network: ConversingNetwork) -> list[str]:
    """Connections of all kinds and states; those with a short life come last."""
    said = []
    for number, address in ((4, "10.2.0.2"), (6, "2001:db8:2::2")):
        def ask(*words: str) -> None:
            said.append(network.ask(*words))
        own = 20000 + 10 * number
        ask("tcp", f"open{number}", address, "7100", str(own))
        ask("send", f"open{number}", "hello")
        ask("tcp", f"half{number}", address, "7100", str(own + 1))
        ask("shutdown", f"half{number}")
        ask("tcp", f"closed{number}", address, "7100", str(own + 2))
        ask("send", f"closed{number}", "bye")
        ask("shutdown", f"closed{number}", "read")
        ask("syn", f"syn{number}", address, "7009", str(own + 3))
        ask("udp", f"answered{number}", address, "7101", str(own + 4))
        ask("send", f"answered{number}", "hello")
        ask("udp", f"unanswered{number}", address, "7102", str(own + 5))
        ask("send", f"unanswered{number}", "hello")
        said.append(network.client.output("ping", "-n", "-q", "-c", "1", "-e", str(own), address)
                    .partition("received")[0])
    return said


class Listing(ControlledTest):
    def silent_port(self, network: ConversingNetwork) -> None:
        for name in ("iptables", "ip6tables"):
            network.server.output(command(False, name), "-A", "INPUT", "-p", "tcp", "--dport", "7009",
                                  "-j", "DROP")

    def play(self, ours: bool, *arguments: str) -> tuple[ConversingNetwork, list[str]]:
        network = self.network()
        self.silent_port(network)
        if ours:
            self.daemon(network.firewall, *arguments)
        self.restore(network.firewall, {"iptables": ACCEPT_ALL, "ip6tables": ACCEPT_ALL}, ours)
        return network, converse(network)

    def compare(self, hook: str) -> None:
        network, said = self.play(True, "--hook", hook)
        got = parse(ctl_output(network.firewall, "conntrack"))
        described = connections(network.firewall)
        reference, said_there = self.play(False)
        expected = {}
        for family in ("ipv4", "ipv6"):
            expected |= parse(reference.firewall.output("conntrack", "-L", "-f", family))

        self.assertEqual(said, said_there)
        self.assertEqual(sorted(got), sorted(expected))
        self.assertEqual({state for _, state in got.values()}, TIMEOUTS.keys())
        for line, (timeout, state) in got.items():
            # None is older than the test may take.
            self.assertLessEqual(timeout, TIMEOUTS[state], line)
            self.assertGreater(timeout, TIMEOUTS[state] - 30, line)
        self.assertEqual(len(described), len(got))
        self.compare_forms(described, got)

    def compare_forms(self, described: list[dict], lines: dict[str, tuple[int, str]]) -> None:
        """Text and JSON say the same."""
        for connection in described:
            text = f"{connection['protocol']} {connection['protocol_number']}"
            if connection["state"]:
                text += f" {connection['state']}"
            for name, mark in (("original", "" if connection["replied"] else " [UNREPLIED]"),
                               ("reply", " [ASSURED]" if connection["assured"] else "")):
                direction = dict(connection[name])
                text += f" src={direction.pop('source')} dst={direction.pop('destination')}"
                text += "".join(f" {key}={value}" for key, value in direction.items()) + mark
            self.assertIn(text, lines)
            self.assertEqual(connection["family"] == "ipv6", ":" in text)

    def test_tc(self) -> None:
        self.compare("tc")

    def test_xdp(self) -> None:
        self.compare("xdp")

    def test_filters_choose(self) -> None:
        network, _ = self.play(True, "--hook", "tc")
        place = network.firewall
        everything = connections(place)
        for arguments, choose in (
                (("-p", "tcp"), lambda c: c["protocol"] == "tcp"),
                (("-p", "58"), lambda c: c["protocol"] == "icmpv6"),
                (("-f", "ipv6"), lambda c: c["family"] == "ipv6"),
                (("-s", "10.1.0.0/16"), lambda c: c["original"]["source"] == "10.1.0.2"),
                (("-d", "2001:db8:2::2", "--dport", "7101"),
                 lambda c: c["original"]["destination"] == "2001:db8:2::2"
                 and c["original"].get("dport") == 7101),
                (("--sport", "20041"), lambda c: c["original"].get("sport") == 20041),
                (("--state", "TIME_WAIT"), lambda c: c["state"] == "TIME_WAIT"),
                (("--state", "UNREPLIED"), lambda c: not c["replied"]),
                (("--state", "ASSURED"), lambda c: c["assured"])):
            expected = {json.dumps(c["original"]) for c in everything if choose(c)}
            got = [json.dumps(c["original"]) for c in connections(place, *arguments)]
            with self.subTest(arguments):
                self.assertTrue(0 < len(expected) < len(everything))
                self.assertEqual(set(got), expected)
                self.assertEqual(len(got), len(expected))
                self.assertEqual(ctl_output(place, "conntrack", "count", *arguments),
                                 f"{len(expected)}\n")
        self.assertEqual(ctl_output(place, "conntrack", "count"), f"{len(everything)}\n")
        self.assertEqual(connections(place, "-s", "198.51.100.1"), [])


class Ending(ControlledTest):
    """Both connections work; the one that is deleted does so no more."""

    def begin(self, *arguments: str) -> ConversingNetwork:
        network = self.network()
        self.daemon(network.firewall, *arguments)
        self.restore(network.firewall, {"iptables": STRICT, "ip6tables": STRICT})
        for number, address in ((4, "10.2.0.2"), (6, "2001:db8:2::2")):
            for which in ("one", "two"):
                port = f"2{number}00{'12'[which == 'two']}"
                network.ask("tcp", f"{which}{number}", address, "7100", port)
                self.assertEqual(network.ask("send", f"{which}{number}", "hello"), "HELLO")
        return network

    def dropped(self, network: ConversingNetwork, name: str) -> int:
        """Packets that were NEW, but began nothing."""
        rules = network.firewall.output(command(True, name), "-S", "FORWARD", "-v")
        return int(re.search(r"--ctstate NEW -c (\d+) \d+ -j DROP", rules)[1])

    def test_a_deleted_connection_has_to_begin_again(self) -> None:
        for hook in ("tc", "xdp"):
            network = self.begin("--hook", hook)
            place = network.firewall
            for number, name in ((4, "iptables"), (6, "ip6tables")):
                self.assertEqual(self.dropped(network, name), 0)
                self.assertEqual(
                    ctl_output(place, "conntrack", "delete", "-p", "tcp", "--sport", f"2{number}001"),
                    "1 connections deleted\n")
                self.assertEqual(len(connections(place, "--sport", f"2{number}001")), 0)
                self.assertEqual(network.ask("send", f"one{number}", "again"), "TimeoutError")
                self.assertGreater(self.dropped(network, name), 0)
                self.assertEqual(network.ask("send", f"two{number}", "again"), "AGAIN")
            # The dropped packets have begun none, and those that are gone cannot be deleted.
            self.assertEqual(ctl_output(place, "conntrack", "count"), "2\n")
            self.assertEqual(ctl_output(place, "conntrack", "delete", "--sport", "24001"),
                             "0 connections deleted\n")

    def test_flush_ends_all(self) -> None:
        network = self.begin("--hook", "tc")
        place = network.firewall
        self.assertEqual(ctl_output(place, "conntrack", "count"), "4\n")
        self.assertEqual(ctl_output(place, "conntrack", "flush"), "all connections deleted\n")
        self.assertEqual(ctl_output(place, "conntrack", "count"), "0\n")
        self.assertEqual(ctl_output(place, "conntrack"), "")
        self.assertEqual(connections(place), [])
        for name in ("one4", "two6"):
            self.assertEqual(network.ask("send", name, "again"), "TimeoutError")
        network.ask("tcp", "new", "10.2.0.2", "7100", "24009")
        self.assertEqual(network.ask("send", "new", "hello"), "HELLO")
        self.assertEqual(ctl_output(place, "conntrack", "count"), "1\n")


class Commands(ControlledTest):
    def assert_refused(self, place: Namespace, status: int, reason: str, *arguments: str) -> None:
        done = ctl(place, *arguments)
        with self.subTest(arguments):
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertEqual(done.stdout, "")
            self.assertIn(reason, done.stderr)

    def test_at_netfilters_hooks_the_kernel_is_to_be_asked(self) -> None:
        place = Namespace()
        self.addCleanup(place.close)
        self.daemon(place)
        for arguments in ((), ("--json",), ("count",), ("flush",), ("delete", "-p", "tcp")):
            self.assert_refused(place, FAILED, "`conntrack -L`", "conntrack", *arguments)
        self.assertIn("hook        netfilter\n", ctl_output(place, "status"))
        self.assertIsNone(json.loads(ctl_output(place, "status", "--json"))["tracker"])

    def test_mistakes_are_named(self) -> None:
        place = Namespace()
        self.addCleanup(place.close)
        self.assert_refused(place, NO_DAEMON, "no bpf-iptablesd serves", "status")
        self.assert_refused(place, NO_DAEMON, "no bpf-iptablesd serves", "conntrack", "flush")
        daemon = self.daemon(place, "--hook", "tc")
        self.assert_refused(place, USAGE, "no command")
        self.assert_refused(place, USAGE, "'connections'", "connections")
        self.assert_refused(place, USAGE, "'flash'", "conntrack", "flash")
        self.assert_refused(place, USAGE, "'more'", "conntrack", "list", "more")
        self.assert_refused(place, USAGE, "'more'", "status", "more")
        self.assert_refused(place, USAGE, "--jason", "conntrack", "--jason")
        self.assert_refused(place, USAGE, "flush", "conntrack", "delete")
        self.assert_refused(place, USAGE, "delete", "conntrack", "flush", "-p", "tcp")
        self.assert_refused(place, FAILED, "source '10.0.0'", "conntrack", "delete", "-s", "10.0.0")
        self.assert_refused(place, FAILED, "source ''", "conntrack", "delete", "-s", "")
        self.assert_refused(place, FAILED, "protocol 'tcp&dport=1'", "conntrack", "-p", "tcp&dport=1")
        self.assert_refused(place, FAILED, "twice", "conntrack", "-p", "tcp", "-p", "udp")
        self.assert_refused(place, FAILED, "state 'established'", "conntrack", "--state", "established")
        full = place.run("sh", "-c", f"{build() / 'src/ctl/bpf-iptablesctl'} status > /dev/full")
        self.assertEqual(full.returncode, FAILED)
        self.assertEqual(daemon.stop(), "")
        self.assert_refused(place, NO_DAEMON, "no bpf-iptablesd serves", "status")

    def test_status(self) -> None:
        place = Namespace()
        self.addCleanup(place.close)
        self.daemon(place, "--hook", "tc", "--connections", "1000", "--half-open", "100")
        self.restore(place, {"iptables": STRICT})
        status = json.loads(ctl_output(place, "status", "--json"))
        self.assertEqual(status["hook"], "tc")
        self.assertEqual(status["families"], {"ipv4": {"rules": 3, "needs_connections": True},
                                              "ipv6": {"rules": 0, "needs_connections": False}})
        self.assertEqual(status["tracker"]["settled"], {"connections": 0, "capacity": 1000})
        self.assertEqual(status["tracker"]["half_open"], {"connections": 0, "capacity": 100})
        text = ctl_output(place, "status")
        self.assertIn("settled     0, room for 1000\n", text)
        self.assertIn("ipv4        3 rules", text)

    def test_help_and_version(self) -> None:
        place = Namespace()
        self.addCleanup(place.close)
        self.assertIn("conntrack delete", ctl_output(place, "--help"))
        self.assertRegex(ctl_output(place, "--version"), r"^bpf-iptablesctl \d")


if __name__ == "__main__":
    unittest.main()
