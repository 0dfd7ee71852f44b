# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a packet that is dropped on its device, beside what netfilter's hooks make of it and
the least that a program there can cost: by 1,000 rules of five fields, by a blocklist, by the
policy."""

import contextlib

from measure import blocklist, device_conntrack, device_report, device_rest, rules
from measure.device_firewalls import HASH_MAP, OURS_TC, OURS_XDP, TC_DROP, XDP_DROP
from measure.firewalls import (EMPTY_PROGRAM, IPSET, LEGACY, NFT_MAP, NFT_RULES, NFT_SET, OURS,
                               Firewall, installed)
from measure.live_traffic import Section
from measure.tools import Bench
from measure.traffic import Flow, Rule, Ruleset, five_fields, misses, shapes

FLOW = Flow("192.168.0.2", "192.168.1.2")


def add_five_fields(section: Section, quick: bool) -> None:
    ruleset = Ruleset("INPUT", "DROP", five_fields(1000))
    firewalls = installed([OURS_XDP, OURS_TC, OURS, LEGACY, NFT_RULES, NFT_MAP, EMPTY_PROGRAM,
                           TC_DROP])
    wanted = ("uniform", "random") if quick else ("last", "uniform", "none", "random")
    section.add([section.cell(firewall, ruleset) for firewall in firewalls],
                [traffic for traffic in shapes(ruleset) if traffic.name in wanted])


def add_no_rules(section: Section) -> None:
    """What is there around the rules: the chain selector above all."""
    ruleset = Ruleset("INPUT", "DROP", name="none")
    section.add([section.cell(firewall, ruleset) for firewall in (OURS_XDP, OURS_TC, OURS)],
                [misses("no rules", ruleset, [FLOW])])


def drop(bench: Bench) -> None:
    with contextlib.ExitStack() as stack:
        section = Section(bench, "devices", stack, floor=XDP_DROP)
        add_five_fields(section, bench.quick)
        add_no_rules(section)
        section.measure(3 if bench.quick else 11)
    device_report.show("Nanoseconds per packet that INPUT drops; five fields per rule:", [section])
    device_report.write([section])


def add_blocklist(section: Section, count: int, firewalls: list[Firewall]) -> None:
    ruleset = Ruleset("INPUT", "DROP", [Rule(source) for source in rules.blocklist(count)],
                      name="addresses")
    attacks = [traffic for traffic in blocklist.traffics("addresses", ruleset,
                                                         rules.blocklist(count))
               if "attack" in traffic.name]
    section.add([section.cell(firewall, ruleset) for firewall in firewalls], attacks)


def block(bench: Bench) -> None:
    firewalls = installed([OURS_XDP, OURS_TC, OURS, HASH_MAP, IPSET, NFT_SET, LEGACY])
    with contextlib.ExitStack() as stack:
        section = Section(bench, "devices-blocklist", stack, floor=XDP_DROP)
        for count in (100000,) if bench.quick else (1000, 10000, 100000):
            add_blocklist(section, count, firewalls)
        section.measure(3 if bench.quick else 11)
    device_report.show("Nanoseconds per packet of a flood from blocked sources, so many of them:",
                       [section])
    device_report.write([section])


def run(bench: Bench) -> None:
    drop(bench)
    block(bench)
    device_conntrack.run(bench)
    device_rest.run(bench)
