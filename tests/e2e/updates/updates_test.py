#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Updates under load: while packets flow as fast as they can, rulesets are replaced. Each packet is
judged by one of them, and none is missing in the counters or counted twice."""

import os
import re
import socket
import subprocess
import time
import unittest

from load import BUILD, IPV4, IPV6, LENGTH, Family, Load, Process, wait_until
from table import Table, read_table, unpack_counters

import control

DATAPATH_FLIPS = 20000
SOCKET_REPLACEMENTS = 3000
FRONTEND_ROUNDS = 60

DEEP = 12


def make_tables(family: Family) -> tuple[str, str]:
    """Each packet must hit each rule with an inverted protocol of INPUT... or OUTPUT... once."""
    hit = f"{family.source} ! -p tcp".strip()
    deep = "\n".join([
        "*filter", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
        *(f":INPUT-{number} - [0:0]" for number in range(DEEP)), ":OUTPUT-0 - [0:0]",
        f"-A INPUT {hit}", f"-A INPUT {hit} -j INPUT-0",
        *(f"-A INPUT-{number} {hit} -j INPUT-{number + 1}" for number in range(DEEP - 1)),
        *(f"-A INPUT-{number} {hit}" for number in range(DEEP)),
        "-A INPUT -p udp -j DROP",
        f"-A OUTPUT {hit} -j OUTPUT-0", f"-A OUTPUT-0 {hit}", f"-A OUTPUT {hit}", "COMMIT", ""])
    flat = "\n".join([
        "*filter", ":INPUT ACCEPT [0:0]", ":OUTPUT DROP [0:0]", ":INPUT-goto - [0:0]",
        f"-A INPUT {hit} -g INPUT-goto", "-A INPUT -j ACCEPT",
        *[f"-A INPUT-goto {hit}"] * 5, "-A INPUT-goto -p udp -j DROP",
        *(f"-A OUTPUT -p tcp --dport {port} -j ACCEPT" for port in range(80)),
        f"-A OUTPUT {hit} -j ACCEPT", "COMMIT", ""])
    return deep, flat


def setUpModule() -> None:
    if os.geteuid() != 0:
        raise unittest.SkipTest("not run as root")


def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


class LoadTest(unittest.TestCase):
    family = IPV4

    def setUp(self) -> None:
        self.load = Load(self.family)
        self.addCleanup(self.load.close)

    def expected(self) -> tuple[tuple[int, int], ...]:
        return tuple((packets, packets * LENGTH) for packets in self.load.expected())

    def assert_totals(self, totals) -> None:
        """Waits for the last packets, which may be on their way."""
        try:
            wait_until(lambda: totals() == self.expected(), "all packets are counted")
        except AssertionError:
            self.assertEqual(totals(), self.expected(), "(packets, bytes) at (INPUT, OUTPUT)")

    def assert_nothing_got_through(self) -> None:
        self.assertEqual(self.load.received(), 0, "datagrams got through to UDP")

    def report(self, text: str) -> None:
        lost = sum(map(self.load.lost, self.load.sent))
        print(f"{text}; {sum(self.load.expected())} packets judged, {lost} lost on the way", flush=True)


class Datapath(LoadTest):
    def test_thousands_of_flips(self) -> None:
        flipper = Process(self.load.firewall, "flip-ipv6" if self.family is IPV6 else "flip")
        self.addCleanup(flipper.close)

        def totals() -> tuple[tuple[int, int], ...]:
            numbers = tuple(map(int, flipper.ask("totals").split()[1:]))
            return numbers[:2], numbers[2:]

        self.assertEqual(flipper.read(), "ready")
        flipper.ask("flip 1")
        self.load.start()
        started = time.monotonic()
        self.assertEqual(flipper.ask(f"flip {DATAPATH_FLIPS}"), f"flipped {DATAPATH_FLIPS}")
        seconds = time.monotonic() - started
        self.load.stop()
        self.assert_totals(totals)
        # The ruleset in force has been read while packets came in: now its final counters.
        flipper.ask("flip 2")
        self.assertEqual(totals(), self.expected())
        self.assert_nothing_got_through()
        walks = flipper.ask("walks").split()[1]
        flipper.finish()
        self.report(f"{DATAPATH_FLIPS} flips in {seconds:.1f} s, up to {walks} walks seen at once on a "
                    "processor")


class DatapathIpv6(Datapath):
    family = IPV6


class DaemonTest(LoadTest):
    def setUp(self) -> None:
        super().setUp()
        self.load.firewall.start_daemon()

    def command(self, name: str, *arguments: str, text: str | None = None) -> str:
        """@name: what follows iptables in the command's."""
        name = ("bpf-ip6tables" if self.family is IPV6 else "bpf-iptables") + name
        command = self.load.firewall.command(str(BUILD / "src" / "frontend" / name), *arguments)
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{name} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def restore(self, text: str, *arguments: str) -> None:
        self.command("-restore", *arguments, text=text)

    def saved(self, chain: str, target: str = "") -> tuple[int, int]:
        """Packets and bytes of the chain's rule for the load with this target."""
        rule = f"-A {chain}{self.family.source}{target}"
        text = self.command("-save", "-c")
        found = re.findall(rf"^\[(\d+):(\d+)\] {re.escape(rule)}$", text, re.MULTILINE)
        self.assertEqual(len(found), 1, f"{rule}: in\n{text}")
        return int(found[0][0]), int(found[0][1])


class ControlSocket(DaemonTest):
    """Tables replaced by those who know the protocol, faster than any command can."""

    def replace(self, client: socket.socket, table: Table, before: Table) -> list[tuple[int, int]]:
        """Packets and bytes that the table @before has counted at INPUT and at OUTPUT."""
        answer = control.ask(client, control.SET_REPLACE, table.request(before.n_entries),
                             self.family.number)
        self.assertEqual(answer.error, 0, answer.message)
        counters = unpack_counters(answer.payload)
        self.assertEqual(len(counters), before.n_entries)
        sides = []
        for chains in ("INPUT", "OUTPUT"):
            counted = before.counted(counters, chains)
            self.assertEqual(len(counted), 1, f"a packet was judged by a mixture: {counters}")
            sides += counted
        return sides

    def test_thousands_of_replacements(self) -> None:
        client = self.load.firewall.connect()
        self.addCleanup(client.close)
        tables = []
        for text in make_tables(self.family):
            self.restore(text)
            tables.append(read_table(client, self.family.number))
        totals = [(0, 0), (0, 0)]

        def replace(number: int) -> None:
            counted = self.replace(client, tables[number % 2], tables[1 - number % 2])
            for side in range(2):
                totals[side] = add(totals[side], counted[side])

        self.load.start()
        for number in range(SOCKET_REPLACEMENTS):
            replace(number)
        self.load.stop()

        def totals_now() -> tuple[tuple[int, int], ...]:
            # The table in force is B again after each two.
            replace(0)
            replace(1)
            return tuple(totals)

        self.assert_totals(totals_now)
        self.assert_nothing_got_through()
        self.report(f"{SOCKET_REPLACEMENTS} tables replaced")


class ControlSocketIpv6(ControlSocket):
    family = IPV6


class Frontend(DaemonTest):
    """Counters of rules that stay, while the unmodified iptables changes what is around them."""

    def start(self) -> None:
        source = self.family.source
        self.restore(f"*filter\n:swap - [0:0]\n-A INPUT{source}\n-A INPUT{source} -j swap\n"
                     f"-A INPUT -p udp -j DROP\n-A OUTPUT{source}\nCOMMIT\n")
        self.load.start()

    def test_rules_that_stay_keep_their_counters(self) -> None:
        self.start()
        for number in range(FRONTEND_ROUNDS):
            lines = [f"-A swap -p tcp --dport {port}" for port in range(1 + number * 7 % 100)]
            self.restore("\n".join(["*filter", ":swap - [0:0]", *lines, "COMMIT", ""]), "--noflush")
            self.command("", "-I", "OUTPUT", "-p", "tcp", "-j", "DROP")
            self.command("", "-D", "OUTPUT", "1")
        self.load.stop()
        self.assert_totals(lambda: (self.saved("INPUT"), self.saved("OUTPUT")))
        self.assertEqual(self.saved("INPUT", " -j swap"), self.saved("INPUT"))
        self.assert_nothing_got_through()
        self.report(f"{3 * FRONTEND_ROUNDS} commands")

    def read_and_zero(self, chain: str) -> tuple[int, int]:
        """The first rule's packets and bytes: what is listed is what is taken off."""
        lines = self.command("", "-L", chain, "-Z", "-n", "-v", "-x").splitlines()
        packets, size = lines[2].split()[:2]
        return int(packets), int(size)

    def test_zeroing_loses_nothing(self) -> None:
        self.start()
        zeroed = [(0, 0), (0, 0)]
        for _ in range(FRONTEND_ROUNDS):
            for side, chain in enumerate(("INPUT", "OUTPUT")):
                zeroed[side] = add(zeroed[side], self.read_and_zero(chain))
        self.load.stop()
        self.assert_totals(lambda: (add(zeroed[0], self.saved("INPUT")),
                                    add(zeroed[1], self.saved("OUTPUT"))))
        self.assertGreater(zeroed[0][0], 0)
        self.assert_nothing_got_through()
        self.report(f"zeroed {2 * FRONTEND_ROUNDS} times")


class FrontendIpv6(Frontend):
    family = IPV6


if __name__ == "__main__":
    unittest.main(verbosity=2)
