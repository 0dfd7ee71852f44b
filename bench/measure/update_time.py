# SPDX-License-Identifier: GPL-2.0-or-later
"""How long commands take, beside iptables-legacy, in turn on the same machine."""

import contextlib
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


class Operation(NamedTuple):
    name: str
    text: str  # what is restored beforehand
    changed: str  # differs: a table that is the same as before need not be compiled
    arguments: tuple[str, ...] = ()  # none: restores one text and the other in turn


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
    costs: dict[str, list[Cost]] = field(default_factory=dict)


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

    def operation(name: str, text: str, *arguments: str) -> Operation:
        return Operation(f"{family.name}: {name}", text,
                         text.replace("COMMIT", f"-A INPUT {rule}\nCOMMIT"), arguments)

    for count in COUNTS[family]:
        text = rules.five_field_text(family, count)
        yield operation(f"append 1 rule to {count:,}", text, "-A", "INPUT", *rule.split())
        yield operation(f"restore {count:,}", text)
    yield operation("list -n -v -x of 10,000", rules.five_field_text(family, 10000),
                    "-L", "-n", "-v", "-x")
    if family == rules.IPV4 and not quick:
        yield operation("restore 100,000 (one field)", rules.blocklist_text(100000))


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


def timed(side: Side, operation: Operation, input_path: Path) -> Cost:
    program = side.programs["command" if operation.arguments else "restore"]
    command = side.place.command(program, *operation.arguments)
    before = daemon_time(side)
    with input_path.open() as file:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=file, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failure(f"{side.name}, {operation.name}: status {process.returncode}")
    return Cost(wall * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, daemon_time(side) - before)


def measure(sides: list[Side], operation: Operation, rounds: int, directory: Path) -> None:
    path = directory / "rules"
    for side in sides:
        side.place.run(side.programs["restore"], text=operation.text)
    for number in range(rounds):
        path.write_text(operation.text if number % 2 else operation.changed)
        for side in sides:
            side.costs.setdefault(operation.name, []).append(timed(side, operation, path))
    path.unlink()


def make_sides(bench: Bench, family: rules.Family, stack: contextlib.ExitStack) -> list[Side]:
    sides = [our_side(bench, stack.enter_context(namespace()), family)]
    if installed([LEGACY]):
        sides.append(legacy_side(stack.enter_context(namespace()), family))
    return sides


def table_row(name: str, sides: list[Side], memory: float) -> list[str]:
    walls = [figure([cost.wall for cost in side.costs[name]]) for side in sides]
    daemon = figure([cost.daemon for cost in sides[0].costs[name]])
    return [name, *(wall.text(1) for wall in walls), daemon.text(1), f"{memory:.0f}"]


def csv_row(name: str, side: Side, memory: float) -> list[object]:
    costs = side.costs[name]
    daemon = figure([cost.daemon for cost in costs])
    return [side.name, name, *(round(value, 2) for value in figure([cost.wall for cost in costs])),
            round(figure([cost.command for cost in costs]).median, 2),
            *([round(daemon.median, 2), round(memory, 1)] if side.daemon else ["", ""])]


def run(bench: Bench) -> None:
    table: list[list[str]] = []
    rows: list[list[object]] = []
    bench.results.mkdir(parents=True, exist_ok=True)
    for family in rules.FAMILIES:
        with contextlib.ExitStack() as stack:
            sides = make_sides(bench, family, stack)
            for operation in operations(family, bench.quick):
                large = "100,000" in operation.name
                measure(sides, operation, 5 if bench.quick or large else 15, bench.results)
                memory = peak_memory(sides[0])
                table.append(table_row(operation.name, sides, memory))
                rows += [csv_row(operation.name, side, memory) for side in sides]
    print_table("Milliseconds that a command takes, the daemon's CPU time in it, and the most "
                "memory (MiB) that the daemon\nhas had so far, what it shares with the eBPF "
                "programs included:",
                ["command", *(side.name for side in sides), "daemon CPU", "daemon MiB"], table)
    write_csv(bench.results / "update_time.csv",
              ["filter", "command", "wall_ms", "low", "high", "rounds", "command_cpu_ms",
               "daemon_cpu_ms", "daemon_peak_mib"], rows)
