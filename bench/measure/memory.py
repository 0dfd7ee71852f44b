# SPDX-License-Identifier: GPL-2.0-or-later
"""How much memory rulesets take: the image, the counters, the daemon; ordinary and hostile ones."""

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from measure import mixes, worst_cases
from measure.namespace import Failure, Namespace, namespace
from measure.report import print_table, write_csv
from measure.tools import Bench

MIB = 1 << 20
ARENA_START = "200000000000"  # ARENA_ADDRESS in src/abi/arena.h

MOST = 262144  # rules that a hook takes: docs/algorithm.md, "Bounds"


class Ruleset(NamedTuple):
    name: str
    rules: int
    text: Callable[[int], str]


class Usage(NamedTuple):
    """Bytes; of the hook that has the rules, and of the daemon in all."""
    image: int
    counters: int
    arena: int  # pages, which the daemon's own figures include
    kernel: int  # eBPF programs and maps, without the arena
    resident: int
    peak: int  # while the ruleset was loaded for the first time
    replacing: int  # peak while it was replaced by one that differs
    milliseconds: float  # of the daemon's CPU, to load it


class Refusal(NamedTuple):
    reason: str
    peak: int


def ordinary(quick: bool) -> Iterator[Ruleset]:
    for count in (10000, 100000) if quick else (1000, 10000, 100000):
        for name, make in mixes.MIXES.items():
            yield Ruleset(name, count, lambda count, make=make: mixes.text(make(count)))


def hostile(quick: bool) -> Iterator[Ruleset]:
    made: list[tuple[str, Callable[[int], list], tuple[int, ...]]] = [
        ("overlapping ranges", worst_cases.overlapping_ranges, (10000, 32768)),
        ("both ends of groups", worst_cases.both_ends_of_groups,
         (10000, 100000) if quick else (10000, 50000, 100000, MOST)),
    ]
    for name, make, counts in made:
        for count in counts:
            yield Ruleset(name, count, lambda count, make=make: mixes.text(make(count)))


def status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise Failure(f"the memory of process {pid} is not known")


def arena_pages(pid: int) -> int:
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match("[0-9a-f]+-[0-9a-f]+ ", line):
            inside = line.startswith(f"{ARENA_START}-")
        elif inside and line.startswith("Rss:"):
            return int(line.split()[1]) << 10
    raise Failure(f"process {pid} has no arena")


def kernel_memory(pid: int) -> int:
    """What the kernel says of the daemon's eBPF objects (kernel/bpf/syscall.c, "memlock")."""
    objects = {}
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a connection that has ended
            words = entry.read_text().replace(":", " ").split()
            values = dict(zip(words, words[1:]))
            if "memlock" in values:
                identity = values.get("map_id"), values.get("prog_id")
                objects[identity] = int(values["memlock"])
    return sum(objects.values())


def image_and_counters(bench: Bench, pid: int) -> tuple[int, int]:
    done = subprocess.run([bench.program("image_size"), str(pid)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(done.stderr.strip())
    lines = [line.split() for line in done.stdout.splitlines()]
    largest = max((line for line in lines if line[0] == "IPv4"), key=lambda line: int(line[4]))
    return int(largest[4]), int(largest[5])


def cpu_milliseconds(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def restore(bench: Bench, place: Namespace, text: str) -> str:
    """Returns why the rules were refused, or nothing."""
    try:
        place.run(bench.command("bpf-iptables-restore"), text=text)
    except Failure as failure:
        reason = re.search("bpf-iptables: (the rules of .*)", str(failure))
        if not reason:
            raise
        return reason[1]
    return ""


def load(bench: Bench, place: Namespace, pid: int, text: str) -> Usage | Refusal:
    before = cpu_milliseconds(pid)
    refused = restore(bench, place, text)
    milliseconds = cpu_milliseconds(pid) - before
    peak = status(pid, "VmHWM")
    if refused:
        return Refusal(refused, peak)
    image, counters = image_and_counters(bench, pid)
    arena, resident = arena_pages(pid), status(pid, "VmRSS")
    restore(bench, place, text.replace("-j DROP", "-j ACCEPT", 1))
    return Usage(image, counters, arena, kernel_memory(pid), resident, peak,
                 status(pid, "VmHWM"), milliseconds)


def usage(bench: Bench, ruleset: Ruleset) -> Usage | Refusal:
    with namespace() as place:
        return load(bench, place, bench.start_daemon(place).pid, ruleset.text(ruleset.rules))


def table_row(ruleset: Ruleset, used: Usage | Refusal) -> list[str]:
    head = [ruleset.name, f"{ruleset.rules:,}"]
    if isinstance(used, Refusal):
        return [*head, "refused", "", "", "", f"{used.peak / MIB:.1f}", "", ""]
    figures = (used.image, used.counters, used.arena, used.resident, used.peak, used.replacing)
    return [*head, *(f"{value / MIB:.1f}" for value in figures), f"{used.milliseconds:.0f}"]


def csv_row(kind: str, ruleset: Ruleset, used: Usage | Refusal) -> list[object]:
    head = ["memory", kind, ruleset.name, ruleset.rules]
    if isinstance(used, Refusal):
        return [*head, *[""] * 5, round(used.peak / MIB, 3), "", "", used.reason]
    return [*head, *(round(value / MIB, 3) for value in used[:-1]), round(used.milliseconds, 1), ""]


def run(bench: Bench) -> None:
    rows: list[list[object]] = []
    table: list[list[str]] = []
    refusals: list[str] = []
    for kind, rulesets in (("ordinary", ordinary(bench.quick)), ("hostile", hostile(bench.quick))):
        for ruleset in rulesets:
            used = usage(bench, ruleset)
            table.append(table_row(ruleset, used))
            rows.append(csv_row(kind, ruleset, used))
            if isinstance(used, Refusal):
                refusals.append(f"{ruleset.name}, {ruleset.rules:,} rules: {used.reason}")
    print_table("Memory in MiB: the image of the hook, its counters, the arena's pages; the daemon "
                "(arena included) when the\nrules are loaded, its peak until then, and its peak "
                "while they are replaced; milliseconds of its CPU to load them:",
                ["ruleset", "rules", "image", "counters", "arena", "daemon", "peak", "replacing",
                 "ms"], table)
    print("\n".join(refusals))
    write_csv(bench.results / "memory.csv",
              ["section", "kind", "ruleset", "rules", "image_mib", "counters_mib", "arena_mib",
               "kernel_mib", "daemon_mib", "daemon_peak_mib", "replacing_peak_mib",
               "daemon_cpu_ms", "refused"], rows)
