# SPDX-License-Identifier: GPL-2.0-or-later
"""Nanoseconds per packet of the loaded program alone, by BPF_PROG_TEST_RUN."""

import contextlib
import subprocess
from typing import NamedTuple

from measure import rules
from measure.namespace import Failure, Namespace, input_program, namespace
from measure.report import Figure, difference, figure, print_table, ratio, write_csv
from measure.tools import Bench

DROP, ACCEPT = 0, 1
Key = tuple[str, int, str]  # family, number of rules, shape

SHAPES = ("last", "first", "none", "one field")


class Case(NamedTuple):
    family: str
    rules: int
    shape: str
    program: int
    packet: rules.Packet
    verdict: int

    def argument(self) -> str:
        return f"{self.program},{self.verdict},{self.packet.argument()}"

    def key(self) -> Key:
        return self.family, self.rules, self.shape


def load(bench: Bench, place: Namespace, family: rules.Family, text: str) -> int:
    """Starts a daemon with these rules; returns the id of the family's program."""
    daemon = bench.start_daemon(place)
    place.run(bench.command(f"bpf-{family.iptables}-restore"), text=text)
    return input_program(daemon.pid, family.protocol)


def five_field_cases(family: rules.Family, count: int, program: int) -> list[Case]:
    packets = rules.five_fields(family, count)
    none = packets[-1]._replace(source=family.elsewhere)
    return [Case(family.name, count, "last", program, packets[-1], DROP),
            Case(family.name, count, "first", program, packets[0], DROP),
            Case(family.name, count, "none", program, none, ACCEPT)]


def one_field_case(count: int, program: int) -> Case:
    packet = rules.five_fields(rules.IPV4, 1)[0]._replace(source=rules.blocklist(count)[-1])
    return Case(rules.IPV4.name, count, "one field", program, packet, DROP)


def make_cases(bench: Bench, counts: list[int], stack: contextlib.ExitStack) -> list[Case]:
    cases = []
    for count in counts:
        for family in rules.FAMILIES:
            program = load(bench, stack.enter_context(namespace()), family,
                           rules.five_field_text(family, count))
            cases += five_field_cases(family, count, program)
        program = load(bench, stack.enter_context(namespace()), rules.IPV4,
                       rules.blocklist_text(count))
        cases.append(one_field_case(count, program))
    return cases


def measure(bench: Bench, cases: list[Case], rounds: int) -> list[list[float | None]]:
    """The floor's costs in each round, then each case's."""
    done = subprocess.run(
        [bench.program("packet_cost"), *bench.settle_arguments(), str(rounds),
         *(case.argument() for case in cases)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(done.stderr.strip())
    by_round = [[None if word == "-" else float(word) for word in line.split()]
                for line in done.stdout.splitlines()]
    return [list(costs) for costs in zip(*by_round)]


def show(counts: list[int], floors: list[float | None],
         costs: dict[Key, list[float | None]]) -> None:
    floor = figure(floors).text()
    rows = [[f"{count:,}"] + [difference(costs["IPv4", count, shape], floors).text()
                              for shape in SHAPES] for count in counts]
    print_table("Nanoseconds per packet by BPF_PROG_TEST_RUN, less those of an empty program "
                f"({floor}); five fields per rule,\nthe packet hits the last rule, the "
                "first, none; and a blocklist of source addresses (one field), the last hit:",
                ["rules", *SHAPES], rows)
    rows = []
    for count in counts:
        ipv4, ipv6 = (costs[family.name, count, "last"] for family in rules.FAMILIES)
        rows.append([f"{count:,}", difference(ipv4, floors).text(),
                     difference(ipv6, floors).text(), ratio(ipv6, ipv4, floors).text(2)])
    print_table("The same by family; five fields per rule, the last hit:",
                ["rules", "IPv4", "IPv6", "IPv6 / IPv4"], rows)


def csv_row(key: Key, net: Figure, floor: Figure) -> list[object]:
    return [*key, *(round(value, 2) for value in net), round(floor.median, 2)]


def run(bench: Bench) -> None:
    counts = [1, 2, 3, 10, 100, 1000, 10000] + ([] if bench.quick else [100000])
    with contextlib.ExitStack() as stack:
        cases = make_cases(bench, counts, stack)
        floors, *measured = measure(bench, cases, 5 if bench.quick else 11)
    costs = {case.key(): values for case, values in zip(cases, measured)}
    show(counts, floors, costs)
    write_csv(bench.results / "packet_cost.csv",
              ["family", "rules", "shape", "net_ns", "low", "high", "rounds", "floor_ns"],
              [csv_row(key, difference(values, floors), figure(floors))
               for key, values in costs.items()])
