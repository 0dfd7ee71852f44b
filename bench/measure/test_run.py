# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets by BPF_PROG_TEST_RUN: what bench/packet_cost.c measures, and how it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from measure import rules
from measure.namespace import Failure, Namespace, input_program
from measure.report import Figure, difference, figure, ratio
from measure.tools import Bench

DROP, ACCEPT, ANY = 0, 1, -1

# enum nf_inet_hooks
HOOKS = {"INPUT": 1, "FORWARD": 2, "OUTPUT": 3}


class Program(NamedTuple):
    identity: int
    daemon: int  # process


@dataclass
class Case:
    program: Program
    packets: Sequence[str]  # as packet_parse() in bench/packet.h reads them
    verdict: int
    remembered: bool = False  # flows that were judged before are, as ever; else all are new
    rotated: bool = True  # each packet once, in turn; else one packet again and again
    hook: str = "INPUT"
    costs: list[float | None] = field(default_factory=list)  # of each round
    floors: list[float | None] = field(default_factory=list)

    def text(self) -> str:
        manner = "rotated" if self.rotated else "repeated"
        daemon = 0 if self.remembered else self.program.daemon
        return "\n".join([f"case {self.program.identity} {HOOKS[self.hook]} {self.verdict} "
                          f"{manner} {daemon}", *self.packets, ""])

    def total(self) -> Figure:
        return figure(self.costs)

    def net(self) -> Figure:
        return difference(self.costs, self.floors)

    def ratio(self, other: "Case") -> Figure:
        return ratio(self.costs, other.costs, self.floors)


def load(bench: Bench, place: Namespace, family: rules.Family, text: str) -> Program:
    """Starts a daemon with these rules."""
    daemon = bench.start_daemon(place)
    place.run(bench.command(f"bpf-{family.iptables}-restore"), text=text)
    return Program(input_program(daemon.pid, family.protocol), daemon.pid)


def run_program(bench: Bench, place: Namespace, rounds: int, cases: Sequence[Case]) -> list[str]:
    return place.run(bench.program("packet_cost"), *bench.settle_arguments(), str(rounds),
                     text="".join(case.text() for case in cases)).splitlines()


def measure(bench: Bench, place: Namespace, cases: Sequence[Case], rounds: int) -> None:
    """In turn; the devices of @place are those that packets come from and go to."""
    for line in run_program(bench, place, rounds, cases):
        repeated, rotated, *costs = [None if word == "-" else float(word)
                                     for word in line.split()]
        for case, cost in zip(cases, costs, strict=True):
            case.costs.append(cost)
            case.floors.append(rotated if case.rotated else repeated)


def with_verdict(bench: Bench, place: Namespace, case: Case, verdict: int) -> list[str]:
    """Those of the packets for which the program returns it."""
    verdicts = run_program(bench, place, 0, [case])
    if len(verdicts) != len(case.packets):
        raise Failure("packet_cost did not judge every packet")
    return [packet for packet, given in zip(case.packets, verdicts) if int(given) == verdict]
