#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What rules see of connections, beside the kernel's own iptables with its own connection tracking:
the same packets by way of INPUT, OUTPUT and FORWARD, one after the other.
"""

import unittest
from typing import Callable

from firewall import HOOKS, Daemon
from conversation import STRANGER, WAYS, Stage, Talk, Way
from network import Row, wait_until
from on_devices import OnDevices
from packets import TCP
from packets_ipv6 import HOP_BY_HOP, assemble, options_extension

OPEN = "A:S B:SA A:A "
CLOSE = "A:FA B:A B:FA A:A "
STATES = {
    "SYN_SENT": "A:S ", "SYN_SENT2": "A:S B:S ", "SYN_RECV": "A:S B:SA ", "ESTABLISHED": OPEN,
    "FIN_WAIT": OPEN + "A:FA ", "CLOSE_WAIT": OPEN + "A:FA B:A ",
    "LAST_ACK": OPEN + "A:FA B:A B:FA ",
    "TIME_WAIT": OPEN + CLOSE, "CLOSE": OPEN + "B:R ",
}

TCP_SCRIPTS = {
    "open, talk, close": OPEN + "A:PA100 B:A B:PA50 A:A " + CLOSE,
    "closed by the server": OPEN + "B:FA A:A A:FA B:A",
    "closed in three steps": OPEN + "A:FA B:FA A:A",
    "simultaneous open": "A:S B:S A:SA^ B:SA^ A:A B:A A:PA10 B:A",
    "simultaneous close": OPEN + "A:FA B:FA A:A B:A",
    "half close": OPEN + "A:FA B:A B:PA500 A:A B:PA500 A:A B:FA A:A B:PA10 A:R",
    "everything twice": "A:S A:S^ B:SA B:SA^ A:A A:A^ A:PA10 A:PA10^ B:A "
                        "A:FA A:FA^ B:A B:FA B:FA^ A:A A:A^",
    "closed port": "A:S B:RA-5000000 A:S^ B:RA-5000000 A:S^ B:SA A:A",
    "nobody answers for long": "A:S A:S^ A:S^ A:S^ B:SA A:A",
    "answer that was not wanted": "A:S B:SA A:R B:SA^ A:R^",
    "same ports out of TIME_WAIT": OPEN + CLOSE + "A=900000 A:S B:SA A:A A:PA10 B:A " + CLOSE,
    "same ports from the other side": OPEN + CLOSE + "B=900000 B:S A:SA B:A B:PA10 A:A",
    "same ports after a reset": OPEN + "A:R A=900000 A:S B:SA A:A A:PA10 B:A",
    "same ports after the peer's reset": OPEN + "B:R A=900000 A:S B:SA A:A",
    "same ports while in use": OPEN + "A:PA10 B:A A:S+800000 B:A A:R A=900000 A:S B:SA A:A",
    "SYN of the peer while in use": OPEN + "B:S A:A B:A",
    "picked up in the middle": "A:PA10 B:A B:PA10 A:A A:PA10 " + CLOSE,
    "picked up by the server's data": "B:PA10 A:A A:PA10 B:A B:R",
    "begun with SYN/ACK": "A:SA B:A A:A B:A",
    "begun with SYN/ACK of the server": "B:SA A:A B:A",
    "begun with FIN": "A:FA B:A A:A", "begun with RST": "A:R B:A", "begun with RST/ACK": "B:RA A:A",
    "first SYN dropped": "A!:S B:SA A:S^ B:SA A:A A:PA10",
    "SYN/ACK dropped": "A:S B!:SA A:S^ B:SA^ A:A",
    "last packet of the handshake dropped": "A:S B:SA A!:A A:PA10 B:A",
    "data dropped": OPEN + "A!:PA10 A:PA10^ B:A B!:PA10 B:PA10^ A:A",
    "FIN dropped": OPEN + "A!:FA B:A A:FA^ B:A B!:FA B:FA^ A:A",
    "RST dropped": OPEN + "A!:R A:A B:A A:PA10",
    "flags that no TCP sends": OPEN + "A:SF A:0 A:FPU A:SR A:SFRPAU B:FS A:PA10 B:A",
    "no flags at all": "A:0 A:FPU A:SF A:S B:SA",
    "ECN and urgent data": "A:SEC B:SAE A:A A:PAU10 B:AE A:PAC10 B:A",
    "out of the window": OPEN + "A:PA10+100000 A:A-50000 B:PA10+90000 A:PA10 B:A B:PA10 A:A",
    "far back": OPEN + "A:PA1000 B:A A:PA10-70000 A:PA10-1000 B:A",
    "kept alive": OPEN + "A:A-1 B:A A:PA1-1 B:A B:A-1 A:A",
    "resets in the window but not exact": OPEN + "A:PA10 B:A A:R+5 A:PA10 B:A B:R+5 B:A A:A",
    "resets far away": OPEN + "A:PA10 B:A A:R-50000 A:R+100000 B:R-50000 A:PA10 B:A",
    "split handshake": "A:S B:A B:S A:SA^ B:A A:A",
    **{f"RST of {who} in {state}": f"{packets}{who}:R A:A B:A {who}:R^"
       for state, packets in STATES.items() for who in "AB"},
    **{f"RST/ACK of {who} in {state}": f"{packets}{who}:RA A:PA5 B:A"
       for state, packets in STATES.items() for who in "AB"},
    **{f"SYN in {state}": f"{packets}A=900000 A:S B:SA A:A" for state, packets in STATES.items()},
    **{f"FIN in {state}": f"{packets}A:FA B:A B:FA" for state, packets in STATES.items()},
}


def udp_answered(talk: Talk) -> None:
    for who in "AABAB":
        talk.udp(who)


def udp_unanswered(talk: Talk) -> None:
    for who in "AAA":
        talk.udp(who)
    talk.udp("B")


def udp_dropped(talk: Talk) -> None:
    talk.udp("A", dropped=True)
    talk.udp("B")
    talk.udp("A")
    talk.udp("B", dropped=True)
    talk.udp("B")


def echo(talk: Talk) -> None:
    talk.echo("B", reply=True)
    talk.echo("A")
    talk.echo("B", reply=True, shift=1)
    talk.echo("A", reply=True)
    talk.echo("B", reply=True)
    talk.echo("A")
    talk.echo("B")


def echo_dropped(talk: Talk) -> None:
    talk.echo("A", dropped=True)
    talk.echo("B", reply=True)
    talk.echo("A")
    talk.echo("B", reply=True)


def errors_about_udp(talk: Talk) -> None:
    talk.udp("A")
    for name in talk.ERRORS:
        talk.error("B", name)
        talk.error("B", name, source=STRANGER[talk.family])
    talk.udp("B")
    for name in talk.ERRORS:
        talk.error("A", name)
    talk.error("B", "port unreachable", dropped=True)
    talk.udp("A")


def errors_about_tcp(talk: Talk) -> None:
    talk.tcp("A:S")
    talk.error("B", "port unreachable")
    talk.tcp("A:S^ B:SA A:A A:PA100")
    talk.error("B", "too big")
    talk.tcp("B:A B:PA100")
    talk.error("A", "too big")
    talk.tcp("A:A A:R")
    talk.error("B", "time exceeded")


def errors_about_echo(talk: Talk) -> None:
    talk.echo("A")
    talk.error("B", "port unreachable")
    talk.echo("B", reply=True)
    talk.error("A", "time exceeded")
    talk.error("B", "too big")


def quotes_cut_short(talk: Talk) -> None:
    begin = {4: 20, 6: 40}[talk.family]
    talk.udp("A")
    for size in (0, 10, begin, begin + 3, begin + 4, begin + 8):
        talk.error("B", "port unreachable", size=size)
    talk.udp("B")
    talk.tcp("A:S B:SA A:A A:PA100")
    for size in (begin + 3, begin + 4, begin + 8, begin + 20):
        talk.error("B", "too big", size=size)
    talk.echo("A")
    for size in (begin + 4, begin + 7, begin + 8):
        talk.error("B", "time exceeded", size=size)


def quotes_of_others(talk: Talk) -> None:
    """Of packets that there were not, and errors for somebody else than who sent them."""
    talk.udp("A", dropped=True)
    talk.error("B", "port unreachable")
    talk.tcp("A:S")
    begin = {4: 20, 6: 40}[talk.family]
    quoted = talk.sent["A"]
    wrong_port = quoted[:begin + 1] + bytes((quoted[begin + 1] ^ 1,)) + quoted[begin + 2:]
    talk.error("B", "port unreachable", quoted=wrong_port)
    stranger = talk.packet(STRANGER[talk.family], talk.address["B"], TCP, quoted[begin:], 64)
    talk.error("B", "port unreachable", quoted=stranger)
    # Sent to the far end, though the near one has sent what it quotes.
    talk.error("A", "port unreachable", quoted=quoted)
    talk.error("B", "port unreachable", quoted=quoted)


def quotes_with_options(talk: Talk) -> None:
    """What stands between the quoted addresses and ports."""
    talk.udp("A")
    begin = {4: 20, 6: 40}[talk.family]
    plain = talk.sent["A"]
    if talk.family == 4:
        quoted = talk.packet(talk.address["A"], talk.address["B"], 17, plain[begin:], 9,
                             options=b"\1\1\1\0")
    else:
        first, payload = assemble([options_extension(HOP_BY_HOP, b"")], 17, plain[begin:])
        quoted = talk.packet(talk.address["A"], talk.address["B"], first, payload, 9)
    talk.error("B", "port unreachable", quoted=quoted)


def queries_of_other_kinds(talk: Talk) -> None:
    for kind in {4: (13, 14, 15, 16, 17, 18, 9, 30), 6: (139, 140, 144, 200)}[talk.family]:
        talk.message("A", kind, 0, talk.number.to_bytes(2, "big") + b"\0\0", bytes(12),
                     f"type {kind}")
        talk.message("B", kind, 0, talk.number.to_bytes(2, "big") + b"\0\0", bytes(12),
                     f"type {kind}")


OTHERS = (udp_answered, udp_unanswered, udp_dropped, echo, echo_dropped, errors_about_udp,
          errors_about_tcp, errors_about_echo, quotes_cut_short, quotes_of_others,
          quotes_with_options, queries_of_other_kinds)
FAMILIES = (4, 6)


class Reference:
    """The kernel's iptables, which plays each conversation once."""

    def __init__(self) -> None:
        self.stage = Stage(Row(), ours=False)
        self.results: dict[tuple[str, str, int], list[str]] = {}

    def result(self, name: str, play: Callable[[Talk], None], way: Way, family: int,
               number: int) -> list[str]:
        key = (name, way.name, family)
        if key not in self.results:
            talk = Talk(self.stage, way, family, number)
            play(talk)
            self.results[key] = talk.result()
        return self.results[key]


class HandshakesTest(OnDevices, unittest.TestCase):
    maxDiff = None
    reference: Reference

    @classmethod
    def setUpClass(cls) -> None:
        cls.reference = Reference()
        cls.addClassCleanup(cls.reference.stage.close)

    def compare(self, stage: Stage, number: int, name: str, play: Callable[[Talk], None]) -> None:
        for way in WAYS:
            for family in FAMILIES:
                expected = self.reference.result(name, play, way, family, number)
                talk = Talk(stage, way, family, number)
                play(talk)
                with self.subTest(name, way=way.name, family=family):
                    self.assertEqual("\n".join(talk.result()), "\n".join(expected))

    def check_assured(self, stage: Stage, number: int) -> None:
        """UDP that goes on for two seconds after it was answered is assured, and not before."""
        talks = [Talk(each, way, family, number) for way in WAYS for family in FAMILIES
                 for each in (stage, self.reference.stage)]
        for talk in talks:
            talk.udp("A")
            talk.udp("B")
            talk.udp("A")
            for line in talk.result():
                self.assertNotIn("ASSURED", line)
        for talk in talks:
            talk.text = ["A udp"]
            wait_until(lambda: (talk.udp("A", again=True),
                                talk.stage.labels(talk.family))[1].get(10, {})
                       .get("ctstatus ASSURED"), f"{talk.way.name} is assured")

    def check(self, hook: str) -> None:
        row = Row()
        self.addCleanup(row.close)
        daemon = Daemon(row.firewall, "--hook", hook)
        self.addCleanup(daemon.close)
        stage = Stage(row, ours=True)
        self.addCleanup(stage.close)
        number = 0
        for name, script in TCP_SCRIPTS.items():
            number += 1
            self.compare(stage, number, name, lambda talk: talk.tcp(script))
        for play in OTHERS:
            number += 1
            self.compare(stage, number, play.__name__, play)
        # The reference has both hooks' conversations.
        self.check_assured(stage, number + 1 + HOOKS.index(hook))
        self.assertEqual(daemon.stop(), "")


if __name__ == "__main__":
    unittest.main()
