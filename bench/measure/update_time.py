# SPDX-License-Identifier: GPL-2.0-or-later
"""How long commands take, beside iptables-legacy, in turn on the same machine."""

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from measure import rules
from measure.firewalls import LEGACY, installed
from measure.namespace import Failure, Namespace, namespace
from measure.report import figure, print_table, write_csv
from measure.tools import Bench

COUNTS = {rules.IPV4: (1, 1000, 10000), rules.IPV6: (10000,)}


# What is measured of appending so many rules one by one, if not all of it: how many appends behind
# how many rules.
APPENDS = 10000
SAMPLE, SAMPLED = 20, range(500, APPENDS, 1000)


class Operation(NamedTuple):
    name: str
    rules: int
    text: str  # what is restored beforehand
    changed: str  # differs: a table that is the same as before need not be compiled
    arguments: tuple[str, ...] = ()  # none: restores one text and the other in turn
    rounds: int = 15


class Cost(NamedTuple):
    """Milliseconds."""
    wall: float
    command: float  # CPU time of the command: user space, and the kernel's filter
    daemon: float  # CPU time of the daemon


@dataclass
class Side:
    name: str
    place: Namespace
    programs: dict[str, str]
    daemon: int = 0  # pid
    costs: list[Cost] = field(default_factory=list)  # of the operation at hand


def legacy_side(place: Namespace, family: rules.Family) -> Side:
    return Side(LEGACY.name, place, {"restore": f"{family.iptables}-legacy-restore",
                                     "command": f"{family.iptables}-legacy"})


def our_side(bench: Bench, place: Namespace, family: rules.Family) -> Side:
    daemon = bench.start_daemon(place)
    return Side("bpf-iptables", place,
                {"restore": bench.command(f"bpf-{family.iptables}-restore"),
                 "command": bench.command(f"bpf-{family.iptables}")}, daemon.pid)


def another_rule(family: rules.Family) -> str:
    return rules.five_field_rule(
        family, rules.Packet(family.elsewhere, family.destination(0), 1000, 2000))


def operations(family: rules.Family, quick: bool) -> Iterator[Operation]:
    rule = another_rule(family)
    few = 3 if quick else 5

    def operation(name: str, count: int, text: str, *arguments: str,
                  rounds: int = 5 if quick else 15) -> Operation:
        return Operation(f"{family.name}: {name}", count, text,
                         text.replace("COMMIT", f"-A INPUT {rule}\nCOMMIT"), arguments, rounds)

    for count in COUNTS[family]:
        text = rules.five_field_text(family, count)
        yield operation(f"append 1 rule to {count:,}", count, text, "-A", "INPUT", *rule.split())
        yield operation(f"restore {count:,}", count, text)
    yield operation("list -n -v -x of 10,000", 10000, rules.five_field_text(family, 10000),
                    "-L", "-n", "-v", "-x")
    if family == rules.IPV4:
        yield operation("restore 100,000 (one field)", 100000, rules.blocklist_text(100000),
                        rounds=few)
        yield operation("restore 100,000 (five fields)", 100000,
                        rules.five_field_text(family, 100000), rounds=1 if quick else few)


def daemon_time(side: Side) -> float:
    if not side.daemon:
        return 0
    return int(Path(f"/proc/{side.daemon}/schedstat").read_text().split()[0]) / 1e6


def peak_memory(side: Side) -> float:
    """MiB, shared memory with the eBPF programs included."""
    for line in Path(f"/proc/{side.daemon}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failure("the daemon's memory is not known")


def timed(side: Side, name: str, command: list[str], input_path: Path) -> Cost:
    before = daemon_time(side)
    with input_path.open() as file:
        start = time.monotonic()
        process = subprocess.Popen(side.place.command(*command), stdin=file,
                                   stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failure(f"{side.name}, {name}: status {process.returncode}")
    return Cost(wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, daemon_time(side) - before)


def measure(sides: list[Side], operation: Operation, directory: Path) -> None:
    path = directory / "rules"
    for side in sides:
        side.costs = []
        side.place.run(side.programs["restore"], text=operation.text)
    for number in range(operation.rounds):
        path.write_text(operation.text if number % 2 else operation.changed)
        for side in sides:
            program = side.programs["command" if operation.arguments else "restore"]
            side.costs.append(timed(side, operation.name, [program, *operation.arguments], path))
    path.unlink()


APPEND_ALL = "while read -r rule; do \"$0\" -A INPUT $rule || exit 1; done"


def append_one_by_one(sides: list[Side], quick: bool, directory: Path) -> None:
    """All of it with nothing beforehand; else samples, as many times as they stand for."""
    path = directory / "rules"
    lines = [rules.five_field_rule(rules.IPV4, rule)
             for rule in rules.five_fields(rules.IPV4, APPENDS)]
    starts, count = (SAMPLED, SAMPLE) if quick else ([0], APPENDS)
    for side in sides:
        side.costs = []
    for start, side in itertools.product(starts, sides):
        side.place.run(side.programs["restore"], text=rules.restore_text(lines[:start]))
        path.write_text("\n".join([*lines[start:start + count], ""]))
        side.costs.append(timed(side, "append one by one",
                                ["sh", "-c", APPEND_ALL, side.programs["command"]], path))
    path.unlink()
    times = APPENDS / count / len(starts)
    for side in sides:
        total = map(sum, zip(*side.costs))
        side.costs = [Cost(*(value * times for value in total))]


def make_sides(bench: Bench, family: rules.Family, stack: contextlib.ExitStack) -> list[Side]:
    sides = [our_side(bench, stack.enter_context(namespace()), family)]
    if installed([LEGACY]):
        sides.append(legacy_side(stack.enter_context(namespace()), family))
    return sides


def table_row(name: str, sides: list[Side]) -> list[str]:
    walls = [figure([cost.wall for cost in side.costs]) for side in sides]
    daemon = figure([cost.daemon for cost in sides[0].costs])
    ratio = figure([ours.wall / other.wall for side in sides[1:]
                    for ours, other in zip(sides[0].costs, side.costs)])
    return [name, *(wall.text(1) for wall in walls), ratio.text(2), daemon.text(1),
            f"{peak_memory(sides[0]):.0f}"]


def csv_row(name: str, count: int, side: Side) -> list[object]:
    daemon = figure([cost.daemon for cost in side.costs])
    return ["update", name, count, side.name,
            *(round(value, 2) for value in figure([cost.wall for cost in side.costs])),
            round(figure([cost.command for cost in side.costs]).median, 2),
            *([round(daemon.median, 2), round(peak_memory(side), 1)] if side.daemon else ["", ""])]


def run(bench: Bench) -> None:
    table: list[list[str]] = []
    rows: list[list[object]] = []

    def note(name: str, count: int, sides: list[Side]) -> None:
        table.append(table_row(name, sides))
        rows.extend(csv_row(name, count, side) for side in sides)

    bench.results.mkdir(parents=True, exist_ok=True)
    for family in rules.FAMILIES:
        with contextlib.ExitStack() as stack:
            sides = make_sides(bench, family, stack)
            for operation in operations(family, bench.quick):
                measure(sides, operation, bench.results)
                note(operation.name, operation.rules, sides)
            if family == rules.IPV4:
                append_one_by_one(sides, bench.quick, bench.results)
                samples = f" (from {SAMPLE * len(SAMPLED)} of them)" if bench.quick else ""
                note(f"IPv4: append {APPENDS:,} one by one{samples}", APPENDS, sides)
    print_table("Milliseconds that a command takes, how many times the other's that is, the "
                "daemon's CPU time in it, and the\nmost memory (MiB) that the daemon has had so "
                "far, what it shares with the eBPF programs included:",
                ["command", *(side.name for side in sides), "ratio", "daemon CPU", "daemon MiB"],
                table)
    write_csv(bench.results / "update_time.csv",
              ["section", "command", "rules", "firewall", "wall_ms", "low", "high", "rounds",
               "command_cpu_ms", "daemon_cpu_ms", "daemon_peak_mib"], rows)
