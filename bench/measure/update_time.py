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

RULE = "-s 203.0.113.7/32 -d 192.168.1.2/32 -p udp -m udp --sport 1000 --dport 2000 -j DROP"


class Operation(NamedTuple):
    name: str
    text: str  # what is restored beforehand
    arguments: tuple[str, ...]  # none: restores the text, and in the next round one that differs


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


def legacy_side(place: Namespace) -> Side:
    return Side(LEGACY.name, place, {"restore": "iptables-legacy-restore",
                                     "command": "iptables-legacy"})


def our_side(bench: Bench, place: Namespace) -> Side:
    daemon = bench.start_daemon(place)
    return Side("bpf-iptables", place,
                {"restore": bench.command("bpf-iptables-restore"),
                 "command": bench.command("bpf-iptables")}, daemon.pid)


def operations(quick: bool) -> Iterator[Operation]:
    for count in (1000, 10000):
        text = rules.five_field_text(count)
        yield Operation(f"append 1 rule to {count:,}", text, ("-A", "INPUT", *RULE.split()))
        yield Operation(f"restore {count:,}", text, ())
    yield Operation("list -n -v -x of 10,000", rules.five_field_text(10000),
                    ("-L", "-n", "-v", "-x"))
    if not quick:
        yield Operation("restore 100,000 (one field)", rules.blocklist_text(100000), ())


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


def changed(text: str) -> str:
    """With another rule at the end: a table that is the same as before need not be compiled."""
    return text.replace("COMMIT", f"-A INPUT {RULE}\nCOMMIT")


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
        path.write_text(operation.text if number % 2 else changed(operation.text))
        for side in sides:
            side.costs.setdefault(operation.name, []).append(timed(side, operation, path))
    path.unlink()


def report(bench: Bench, sides: list[Side], memory: dict[str, float]) -> None:
    table, rows = [], []
    for name in sides[0].costs:
        walls = [figure([cost.wall for cost in side.costs[name]]) for side in sides]
        daemon = figure([cost.daemon for cost in sides[0].costs[name]])
        table.append([name, *(wall.text(1) for wall in walls), daemon.text(1),
                      f"{memory[name]:.0f}"])
        for side, wall in zip(sides, walls):
            command = figure([cost.command for cost in side.costs[name]])
            rows.append([side.name, name, *(round(value, 2) for value in wall),
                         round(command.median, 2),
                         *([round(daemon.median, 2), round(memory[name], 1)] if side.daemon
                           else ["", ""])])
    print_table("Milliseconds that a command takes, the daemon's CPU time in it, and the most "
                "memory (MiB) that the daemon\nhas had so far, what it shares with the eBPF "
                "programs included:",
                ["command", *(side.name for side in sides), "daemon CPU", "daemon MiB"], table)
    write_csv(bench.results / "update_time.csv",
              ["filter", "command", "wall_ms", "low", "high", "rounds", "command_cpu_ms",
               "daemon_cpu_ms", "daemon_peak_mib"], rows)


def run(bench: Bench) -> None:
    memory: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        sides = [our_side(bench, stack.enter_context(namespace()))]
        if installed([LEGACY]):
            sides.append(legacy_side(stack.enter_context(namespace())))
        bench.results.mkdir(parents=True, exist_ok=True)
        for operation in operations(bench.quick):
            large = "100,000" in operation.name
            measure(sides, operation, 5 if bench.quick or large else 15, bench.results)
            memory[operation.name] = peak_memory(sides[0])
        report(bench, sides, memory)
