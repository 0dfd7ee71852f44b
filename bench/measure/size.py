# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a packet against the number of rules, at each hook; five fields per rule."""

import contextlib

from measure.firewalls import IPTABLES_NFT, NFT_RULES, PEERS, Firewall, installed
from measure.live_traffic import Section
from measure.tools import Bench
from measure.traffic import Ruleset, five_fields, shapes

TARGETS = {"INPUT": "DROP", "FORWARD": "ACCEPT", "OUTPUT": "DROP"}

COUNTS = [1, 2, 3, 10, 100, 1000, 10000, 100000]
QUICK = {"INPUT": ([1, 100, 10000], ["last", "uniform", "skewed", "random"]),
         "FORWARD": ([100, 10000], ["last", "uniform"]),
         "OUTPUT": ([100, 10000], ["last", "uniform"])}

# A millisecond and more per packet, with as many rules: it shows nothing new.
TOO_SLOW = {(IPTABLES_NFT, 100000), (NFT_RULES, 100000)}


def measurable(firewalls: list[Firewall], count: int) -> list[Firewall]:
    for firewall in firewalls:
        if (firewall, count) in TOO_SLOW:
            print(f"{firewall.name} is left out at {count:,} rules: it is too slow")
    return [firewall for firewall in firewalls if (firewall, count) not in TOO_SLOW]


def measure_hook(bench: Bench, section: Section, hook: str, firewalls: list[Firewall]) -> None:
    counts, names = QUICK[hook] if bench.quick else (COUNTS, None)
    for count in counts:
        ruleset = Ruleset(hook, TARGETS[hook], five_fields(count))
        cells = [section.cell(firewall, ruleset) for firewall in measurable(firewalls, count)]
        section.add(cells, [traffic for traffic in shapes(ruleset)
                            if names is None or traffic.name in names])


def run(bench: Bench) -> None:
    firewalls = installed(PEERS)
    sections = []
    for hook in TARGETS:
        with contextlib.ExitStack() as stack:
            section = Section(bench, "size", stack)
            measure_hook(bench, section, hook, firewalls)
            section.measure(3 if bench.quick else 7)
            sections.append(section)
            section.show(f"Nanoseconds per packet at {hook}, less those with a program that has "
                         "the verdict at once (floor);\nfive fields per rule:")
    sections[0].write(sections[1:])
