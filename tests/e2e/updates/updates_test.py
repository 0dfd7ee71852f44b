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

from load import BUILD, LENGTH, Load, Process, wait_until
from table import Table, read_table, unpack_counters

import control

DATAPATH_FLIPS = 20000
SOCKET_REPLACEMENTS = 3000
FRONTEND_ROUNDS = 60

HIT = "! -p tcp"  # what each packet is
DEEP = 12

# Each packet must hit each such rule of INPUT... or OUTPUT... once.
TABLE_A = "\n".join([
    "*filter", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]",
    *(f":INPUT-{number} - [0:0]" for number in range(DEEP)), ":OUTPUT-0 - [0:0]",
    f"-A INPUT {HIT}", f"-A INPUT {HIT} -j INPUT-0",
    *(f"-A INPUT-{number} {HIT} -j INPUT-{number + 1}" for number in range(DEEP - 1)),
    *(f"-A INPUT-{number} {HIT}" for number in range(DEEP)),
    "-A INPUT -p udp -j DROP",
    f"-A OUTPUT {HIT} -j OUTPUT-0", f"-A OUTPUT-0 {HIT}", f"-A OUTPUT {HIT}", "COMMIT", ""])
TABLE_B = "\n".join([
    "*filter", ":INPUT ACCEPT [0:0]", ":OUTPUT DROP [0:0]", ":INPUT-goto - [0:0]",
    f"-A INPUT {HIT} -g INPUT-goto", "-A INPUT -j ACCEPT",
    *[f"-A INPUT-goto {HIT}"] * 5, "-A INPUT-goto -p udp -j DROP",
    *(f"-A OUTPUT -p tcp --dport {port} -j ACCEPT" for port in range(80)),
    f"-A OUTPUT {HIT} -j ACCEPT", "COMMIT", ""])


def setUpModule() -> None:
    if os.geteuid() != 0:
        raise unittest.SkipTest("not run as root")


def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


class LoadTest(unittest.TestCase):
    def setUp(self) -> None:
        self.load = Load()
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
        flipper = Process(self.load.firewall, "flip")
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


class DaemonTest(LoadTest):
    def setUp(self) -> None:
        super().setUp()
        self.load.firewall.start_daemon()

    def command(self, name: str, *arguments: str, text: str | None = None) -> str:
        command = self.load.firewall.command(str(BUILD / "src" / "frontend" / name), *arguments)
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{name} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def restore(self, text: str, *arguments: str) -> None:
        self.command("bpf-iptables-restore", *arguments, text=text)

    def saved(self, rule: str) -> tuple[int, int]:
        """A rule's packets and bytes."""
        text = self.command("bpf-iptables-save", "-c")
        found = re.findall(rf"^\[(\d+):(\d+)\] {re.escape(rule)}$", text, re.MULTILINE)
        self.assertEqual(len(found), 1, f"{rule}: in\n{text}")
        return int(found[0][0]), int(found[0][1])


class ControlSocket(DaemonTest):
    """Tables replaced by those who know the protocol, faster than any command can."""

    def replace(self, client: socket.socket, table: Table, before: Table) -> list[tuple[int, int]]:
        """Packets and bytes that the table @before has counted at INPUT and at OUTPUT."""
        answer = control.ask(client, control.SET_REPLACE, table.request(before.n_entries))
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
        for text in (TABLE_A, TABLE_B):
            self.restore(text)
            tables.append(read_table(client))
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


class Frontend(DaemonTest):
    """Counters of rules that stay, while the unmodified iptables changes what is around them."""

    def start(self) -> None:
        self.restore("*filter\n:swap - [0:0]\n-A INPUT\n-A INPUT -j swap\n-A INPUT -p udp -j DROP\n"
                     "-A OUTPUT\nCOMMIT\n")
        self.load.start()

    def test_rules_that_stay_keep_their_counters(self) -> None:
        self.start()
        for number in range(FRONTEND_ROUNDS):
            lines = [f"-A swap -p tcp --dport {port}" for port in range(1 + number * 7 % 100)]
            self.restore("\n".join(["*filter", ":swap - [0:0]", *lines, "COMMIT", ""]), "--noflush")
            self.command("bpf-iptables", "-I", "OUTPUT", "-p", "tcp", "-j", "DROP")
            self.command("bpf-iptables", "-D", "OUTPUT", "1")
        self.load.stop()
        self.assert_totals(lambda: (self.saved("-A INPUT"), self.saved("-A OUTPUT")))
        self.assertEqual(self.saved("-A INPUT -j swap"), self.saved("-A INPUT"))
        self.assert_nothing_got_through()
        self.report(f"{3 * FRONTEND_ROUNDS} commands")

    def read_and_zero(self, chain: str) -> tuple[int, int]:
        """The first rule's packets and bytes: what is listed is what is taken off."""
        lines = self.command("bpf-iptables", "-L", chain, "-Z", "-n", "-v", "-x").splitlines()
        packets, size = lines[2].split()[:2]
        return int(packets), int(size)

    def test_zeroing_loses_nothing(self) -> None:
        self.start()
        zeroed = [(0, 0), (0, 0)]
        for _ in range(FRONTEND_ROUNDS):
            for side, chain in enumerate(("INPUT", "OUTPUT")):
                zeroed[side] = add(zeroed[side], self.read_and_zero(chain))
        self.load.stop()
        self.assert_totals(lambda: (add(zeroed[0], self.saved("-A INPUT")),
                                    add(zeroed[1], self.saved("-A OUTPUT"))))
        self.assertGreater(zeroed[0][0], 0)
        self.assert_nothing_got_through()
        self.report(f"zeroed {2 * FRONTEND_ROUNDS} times")


if __name__ == "__main__":
    unittest.main(verbosity=2)
