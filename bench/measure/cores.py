# SPDX-License-Identifier: GPL-2.0-or-later
"""Throughput of two CPUs that send to the same firewall at once, beside that of one of them.

It is taken from the CPU time of a packet, so that other work on the machine does not count. The
floor, an empty program, shows what the machine itself can do: two CPUs may be one core."""

import contextlib
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from measure import records
from measure.firewalls import FLOOR, LEGACY, NFT_MAP, OURS, installed
from measure.live_traffic import Cell, Section, Sender, Sent, received_and_passed
from measure.namespace import Failure
from measure.report import Figure, difference, figure, print_table
from measure.tools import Bench
from measure.traffic import Ruleset, five_fields, hits, shuffled

RULES = 1000


@dataclass
class Throughput:
    cell: Cell
    alone: list[float | None] = field(default_factory=list)  # nanoseconds between packets
    together: list[float | None] = field(default_factory=list)

    def costs(self) -> dict[str, list[float | None]]:
        return {"one CPU": self.alone, "two CPUs": self.together}

    def ratios(self) -> Figure:
        return figure([alone / together for alone, together in zip(self.alone, self.together)])


def cost(bench: Bench, sender: Sender, cpu: int, flows: Path) -> float:
    done = Sent(sender.place.run(*sender.command(bench, cpu, "all", flows)))
    if done.cost is None:
        raise Failure("nothing could be sent")
    return done.cost


def cost_beside(bench: Bench, senders: list[tuple[Sender, int]], flows: Path) -> float:
    """Of the first sender, while the second one sends, too."""
    (measured, cpu), (other, other_cpu) = senders
    process = other.place.start(*other.command(bench, other_cpu, "load", flows))
    taken = cost(bench, measured, cpu, flows)
    other.place.finish(process)
    return taken


def measure(bench: Bench, throughput: Throughput, flows: Path) -> None:
    cell = throughput.cell
    senders = list(zip(cell.senders, (bench.cpu, bench.other_cpu())))
    _, passed = received_and_passed(cell)
    alone = [1 / cost(bench, sender, cpu, flows) for sender, cpu in senders]
    together = [1 / cost_beside(bench, order, flows) for order in (senders, senders[::-1])]
    if received_and_passed(cell)[1] != passed:
        raise Failure(f"{cell.firewall.name}: packets were not dropped")
    throughput.alone.append(1 / statistics.mean(alone))
    throughput.together.append(1 / sum(together))


def show(throughputs: list[Throughput]) -> None:
    print_table(f"Nanoseconds between packets that the machine drops at INPUT, {RULES:,} rules, "
                "all hit; with one CPU busy and with two,\nand how many times the throughput that is:",
                ["firewall", "one", "two", "times"],
                [[throughput.cell.firewall.name, figure(throughput.alone).text(),
                  figure(throughput.together).text(), throughput.ratios().text(2)]
                 for throughput in throughputs])


def csv_rows(throughputs: list[Throughput]) -> Iterator[list[object]]:
    floor = throughputs[0].costs()
    for throughput in throughputs:
        cell = throughput.cell
        for name, costs in throughput.costs().items():
            yield [*records.row("cores", cell.ruleset.name, cell.ruleset.hook, name, RULES,
                                cell.firewall.name, figure(costs), difference(costs, floor[name])),
                   round(throughput.ratios().median, 3)]


def run(bench: Bench) -> None:
    if bench.other_cpu() is None:
        print("cores is left out: there is only one CPU")
        return
    ruleset = Ruleset("INPUT", "DROP", five_fields(RULES))
    traffic = hits("uniform", ruleset, shuffled([rule.flow() for rule in ruleset.rules]))
    firewalls = installed([FLOOR, OURS, NFT_MAP] + ([] if bench.quick else [LEGACY]))
    with contextlib.ExitStack() as stack:
        section = Section(bench, "cores", stack)
        flows = section.write_flows(traffic)
        throughputs = [Throughput(section.cell(firewall, ruleset, senders=2))
                       for firewall in firewalls]
        for _ in range(3 if bench.quick else 9):
            for throughput in throughputs:
                measure(bench, throughput, flows)
    show(throughputs)
    records.write(bench.results / "cores.csv", csv_rows(throughputs), ["times_one_cpu"])
