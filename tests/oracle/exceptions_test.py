#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The documentation names the exceptions that the oracle makes, all of them and no others; and those
that predict what the kernel does leave out no more than they say.
"""

import re
import unittest
from pathlib import Path

from case import Case
from exceptions import (EXEMPTIONS, HOOKS, Exceptions, are_options_accepted, is_untold,
                        without_translation)
from packets import UDP, fragments, ipv4, udp

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "hooks.md"
SECTION = re.compile(r"^## What the oracle leaves out\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| \*([^*]+)\* \|", re.MULTILINE)
STATELESS = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp\nCOMMIT\n"
STATEFUL = STATELESS.replace("-p udp", "-m state --state NEW")
OUTSIDE, OWN, BEYOND = "10.1.0.50", "10.1.0.1", "8.8.8.8"


def frame(packet: bytes) -> dict:
    return {"do": "frame", "at": "client", "hex": packet.hex()}


def datagram(destination: str, **header: int) -> bytes:
    return ipv4(OUTSIDE, destination, UDP, udp(OUTSIDE, destination, 1, 2), **header)


def kept(hook: str, text: str, *steps: dict) -> list[dict]:
    return Exceptions(hook).adapt(Case("case", {"filter": text}, list(steps))).steps


class Documentation(unittest.TestCase):
    def test_it_has_the_same_names(self) -> None:
        section = SECTION.search(DOCUMENT.read_text())
        self.assertIsNotNone(section)
        self.assertEqual(ROW.findall(section[1]), [exemption.name for exemption in EXEMPTIONS])


class LeavingOut(unittest.TestCase):
    def test_nothing_at_netfilters_hooks(self) -> None:
        steps = [frame(datagram(OWN, more_fragments=True)), frame(datagram(BEYOND, ttl=1))]
        self.assertEqual(kept(HOOKS[0], STATEFUL, *steps), steps)

    def test_fragments(self) -> None:
        whole = frame(datagram(OWN))
        for hook in HOOKS[1:]:
            for destination, stays in ((OWN, False), (BEYOND, True)):
                parts = [frame(part) for part in fragments(
                    OUTSIDE, destination, UDP, udp(OUTSIDE, destination, 1, 2, payload=b"x" * 40),
                    [16], identification=5)]
                self.assertEqual(kept(hook, STATELESS, *parts, whole),
                                 [*parts, whole] if stays else [whole])
                self.assertEqual(kept(hook, STATEFUL, *parts, whole), [whole])

    def test_packets_without_a_hop_left_only_while_tracked(self) -> None:
        last, own = frame(datagram(BEYOND, ttl=1)), frame(datagram(OWN, ttl=1))
        self.assertEqual(kept("xdp", STATELESS, last, own), [last, own])
        self.assertEqual(kept("xdp", STATEFUL, last, own), [own])

    def test_options_that_the_kernel_refuses(self) -> None:
        good = (b"\x01\x04\0\0\0\0", b"\x05\x02\0\0\x01\0", b"\x1e\x04abcd", b"\0" * 6)
        bad = (b"\x01\x04\0\1\0\0", b"\x05\x03\0\0\0\0", b"\x8a\x04abcd", b"\x1e\x05abcd",
               b"\0" * 14, b"\x1e\0" * 9 + b"\x01\x02\0\0")
        self.assertEqual([options for options in good if not are_options_accepted(options)], [])
        self.assertEqual([options for options in bad if are_options_accepted(options)], [])

    def test_translation_goes_and_the_other_states_stay(self) -> None:
        text = "*nat\n-A PREROUTING -j ACCEPT\nCOMMIT\n*filter\n" \
            "-A INPUT -m conntrack --ctstate DNAT,NEW -j DROP\n" \
            "-A INPUT -m conntrack --ctstate SNAT -j DROP\nCOMMIT\n"
        self.assertEqual(without_translation(text),
                         "*filter\n-A INPUT -m conntrack --ctstate NEW -j DROP\nCOMMIT\n")


class Senders(unittest.TestCase):
    def test_only_a_refusal_may_stay_untold(self) -> None:
        self.assertTrue(is_untold("EPERM", "ok"))
        self.assertTrue(is_untold(["ok", "EPERM"], ["ok", "ENOBUFS"]))
        for reference, ours in (("ok", "EPERM"), ("EHOSTUNREACH", "ok"), ("EPERM", "EACCES"),
                                (["EPERM"], ["ok", "ok"]), (["ok", "EPERM"], ["EPERM", "ok"])):
            self.assertFalse(is_untold(reference, ours), (reference, ours))


if __name__ == "__main__":
    unittest.main()
