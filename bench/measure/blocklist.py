# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a packet with a blocklist of sources, as against a flood: of what comes from a listed
source, and of what does not. The rules are plain `-s SOURCE -j DROP`; some peers have sets."""

import contextlib
import random
import socket
import struct

from measure import rules
from measure.firewalls import IPSET, LEGACY, NFT_SET, OURS, Firewall, installed
from measure.live_traffic import Section
from measure.tools import Bench
from measure.traffic import (RANDOM_ADDRESSES, RANDOM_ADDRESS, RANDOM_PORT, Flow, Rule, Ruleset,
                             Traffic, hits, misses, shuffled)

DESTINATION = "192.168.1.2"


def prefixes(count: int) -> list[str]:
    """Of 10.0.0.0/8 and on, with 22 to 28 bits, that do not overlap."""
    draw = random.Random(1)
    lengths = [draw.randrange(22, 29) for _ in range(count)]
    return [f"{socket.inet_ntoa(struct.pack('!I', 0x0A000000 + (number << 10)))}/{length}"
            for number, length in enumerate(lengths)]


def traffics(name: str, ruleset: Ruleset, sources: list[str]) -> list[Traffic]:
    """The ports of the flood are random, so that no two of its packets are of one flow."""
    flood = [Flow(source, DESTINATION, flags=RANDOM_PORT) for source in sources]
    return [hits(f"{name}: attack, one source", ruleset, [Flow(sources[-1], DESTINATION)]),
            hits(f"{name}: attack, all sources", ruleset, shuffled(flood)),
            misses(f"{name}: good, one flow", ruleset, [Flow(RANDOM_ADDRESSES, DESTINATION)]),
            misses(f"{name}: good, random flows", ruleset,
                   [Flow(RANDOM_ADDRESSES, DESTINATION, flags=RANDOM_ADDRESS | RANDOM_PORT)])]


def add(section: Section, name: str, blocked: list[str], firewalls: list[Firewall]) -> None:
    ruleset = Ruleset("INPUT", "DROP", [Rule(source) for source in blocked], name=name)
    section.add([section.cell(firewall, ruleset) for firewall in firewalls],
                traffics(name, ruleset, [source.split("/")[0] for source in blocked]))


def run(bench: Bench) -> None:
    firewalls = installed([OURS, LEGACY, IPSET, NFT_SET])
    with contextlib.ExitStack() as stack:
        section = Section(bench, "blocklist", stack)
        for count in (1000, 100000) if bench.quick else (1000, 10000, 100000):
            add(section, "addresses", rules.blocklist(count), firewalls)
            if not bench.quick:
                add(section, "prefixes", prefixes(count), firewalls)
        section.measure(3 if bench.quick else 7)
    section.show("Nanoseconds per packet above the floor; a blocklist of so many sources:")
    section.write()
