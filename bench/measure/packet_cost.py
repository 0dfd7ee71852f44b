# SPDX-License-Identifier: GPL-2.0-or-later
"""Nanoseconds per packet of the loaded program alone, by BPF_PROG_TEST_RUN."""

import contextlib
import subprocess
from typing import NamedTuple

from measure import rules
from measure.namespace import Failure, Namespace, input_program, namespace
from measure.report import Figure, difference, figure, print_table, write_csv
from measure.tools import Bench

DROP, ACCEPT = 0, 1
SHAPES = ("last", "first", "none", "one field")


class Case(NamedTuple):
    rules: int
    shape: str
    program: int
    packet: rules.Packet
    verdict: int

    def argument(self) -> str:
        return f"{self.program},{self.verdict},{self.packet.argument()}"


def load(bench: Bench, place: Namespace, text: str) -> int:
    """Starts a daemon with these rules; returns the id of its program."""
    daemon = bench.start_daemon(place)
    place.run(bench.command("bpf-iptables-restore"), text=text)
    return input_program(daemon.pid)


def five_field_cases(count: int, program: int) -> list[Case]:
    packets = rules.five_fields(count)
    none = packets[-1]._replace(source=rules.ELSEWHERE)
    return [Case(count, "last", program, packets[-1], DROP),
            Case(count, "first", program, packets[0], DROP),
            Case(count, "none", program, none, ACCEPT)]


def one_field_case(count: int, program: int) -> Case:
    packet = rules.five_fields(1)[0]._replace(source=rules.blocklist(count)[-1])
    return Case(count, "one field", program, packet, DROP)


def make_cases(bench: Bench, counts: list[int], stack: contextlib.ExitStack) -> list[Case]:
    cases = []
    for count in counts:
        place = stack.enter_context(namespace())
        cases += five_field_cases(count, load(bench, place, rules.five_field_text(count)))
        place = stack.enter_context(namespace())
        cases.append(one_field_case(count, load(bench, place, rules.blocklist_text(count))))
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


def show(counts: list[int], floor: Figure, nets: dict[tuple[int, str], Figure]) -> None:
    rows = [[f"{count:,}"] + [nets[count, shape].text() for shape in SHAPES] for count in counts]
    print_table("Nanoseconds per packet by BPF_PROG_TEST_RUN, less those of an empty program "
                f"({floor.text()}); five fields per rule,\nthe packet hits the last rule, the "
                "first, none; and a blocklist of source addresses (one field), the last hit:",
                ["rules", *SHAPES], rows)


def run(bench: Bench) -> None:
    counts = [1, 2, 3, 10, 100, 1000, 10000] + ([] if bench.quick else [100000])
    with contextlib.ExitStack() as stack:
        cases = make_cases(bench, counts, stack)
        floors, *costs = measure(bench, cases, 5 if bench.quick else 11)
    nets = {(case.rules, case.shape): difference(values, floors)
            for case, values in zip(cases, costs)}
    show(counts, figure(floors), nets)
    write_csv(bench.results / "packet_cost.csv",
              ["rules", "shape", "net_ns", "low", "high", "rounds", "floor_ns"],
              [[*case, *(round(value, 2) for value in net), round(figure(floors).median, 2)]
               for case, net in nets.items()])
