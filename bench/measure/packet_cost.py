# SPDX-License-Identifier: GPL-2.0-or-later
"""Nanoseconds per packet of the loaded program alone, by BPF_PROG_TEST_RUN."""

import contextlib
from typing import NamedTuple

from measure import records, rules
from measure.namespace import namespace
from measure.report import figure, print_table
from measure.test_run import ACCEPT, DROP, Case, Program, load, measure
from measure.tools import Bench

KNOWN = "known flow"
SHAPES = ("last", "first", "none", "one field", KNOWN)


class Key(NamedTuple):
    family: str
    rules: int
    shape: str


Cases = dict[Key, Case]


def repeated(program: Program, packet: rules.Packet, verdict: int,
             remembered: bool = False) -> Case:
    return Case(program, [packet.argument()], verdict, remembered, rotated=False)


def five_field_cases(family: rules.Family, count: int, program: Program) -> Cases:
    packets = rules.five_fields(family, count)
    none = packets[-1]._replace(source=family.elsewhere)
    return {Key(family.name, count, KNOWN): repeated(program, packets[-1], DROP, True),
            Key(family.name, count, "last"): repeated(program, packets[-1], DROP),
            Key(family.name, count, "first"): repeated(program, packets[0], DROP),
            Key(family.name, count, "none"): repeated(program, none, ACCEPT)}


def one_field_case(count: int, program: Program) -> Cases:
    packet = rules.five_fields(rules.IPV4, 1)[0]._replace(source=rules.blocklist(count)[-1])
    return {Key(rules.IPV4.name, count, "one field"): repeated(program, packet, DROP)}


def make_cases(bench: Bench, counts: list[int], stack: contextlib.ExitStack) -> Cases:
    cases: Cases = {}
    for count in counts:
        for family in rules.FAMILIES:
            program = load(bench, stack.enter_context(namespace()), family,
                           rules.five_field_text(family, count))
            cases |= five_field_cases(family, count, program)
        program = load(bench, stack.enter_context(namespace()), rules.IPV4,
                       rules.blocklist_text(count))
        cases |= one_field_case(count, program)
    return cases


def show(counts: list[int], cases: Cases) -> None:
    floor = figure(next(iter(cases.values())).floors).text()
    rows = [[f"{count:,}"] + [cases[Key("IPv4", count, shape)].net().text() for shape in SHAPES]
            for count in counts]
    print_table("Nanoseconds per packet by BPF_PROG_TEST_RUN, the same packet again and again, "
                f"less those of an empty\nprogram ({floor}); five fields per rule, the packet hits "
                "the last rule, the first, none; and a blocklist of\nsource addresses (one field), "
                "the last hit. All is judged anew, but for the last column, whose flow is\n"
                "remembered:", ["rules", *SHAPES], rows)
    rows = []
    for count in counts:
        ipv4, ipv6 = (cases[Key(family.name, count, "last")] for family in rules.FAMILIES)
        rows.append([f"{count:,}", ipv4.net().text(), ipv6.net().text(), ipv6.ratio(ipv4).text(2)])
    print_table("The same by family; five fields per rule, the last hit:",
                ["rules", "IPv4", "IPv6", "IPv6 / IPv4"], rows)


def csv_row(key: Key, case: Case) -> list[object]:
    ruleset, traffic = ("addresses", "last") if key.shape == "one field" else \
        ("five fields", key.shape)
    return [*records.row("packet", ruleset, "INPUT", traffic, key.rules, "bpf-iptables",
                         case.total(), case.net()), key.family]


def run(bench: Bench) -> None:
    counts = [1, 2, 3, 10, 100, 1000, 10000] + ([] if bench.quick else [100000])
    with contextlib.ExitStack() as stack:
        cases = make_cases(bench, counts, stack)
        measure(bench, stack.enter_context(namespace()), list(cases.values()),
                3 if bench.quick else 11)
    show(counts, cases)
    records.write(bench.results / "packet_cost.csv",
                  [csv_row(key, case) for key, case in cases.items()], ["family"])
