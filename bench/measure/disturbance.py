# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a packet, and whether one gets lost, while commands run on the other CPU.

A busy neighbour makes any CPU slower where two share a core, and always takes some of the caches.
So the same commands also run against the same ruleset in another namespace: what they cost there
is the machine's doing, and what they cost here beyond that is the firewall's."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

from measure import records
from measure.live_traffic import Case, Cell, Section, csv_rows, measure, received_and_passed
from measure.namespace import Failure, Namespace, die_with_parent
from measure.report import difference, figure, print_table
from measure.traffic import Traffic

QUIET, ELSEWHERE, HERE = "quiet", "elsewhere", "here"
PLACES = (QUIET, ELSEWHERE, HERE)
TRAFFIC = records.COLUMNS.index("traffic")


@dataclass
class Subject:
    """A firewall that is disturbed; the other one of its kind is disturbed for comparison."""
    cell: Cell
    other: Cell
    script: str
    cases: dict[tuple[str, str], Case] = field(default_factory=dict)  # by traffic and place
    lost: dict[tuple[str, str], int] = field(default_factory=dict)
    repetitions: int = 0  # of the script, here


def add_cases(section: Section, subject: Subject, traffics: list[Traffic]) -> None:
    for traffic in traffics:
        flows = section.write_flows(traffic)
        for place in PLACES:
            subject.cases[traffic.name, place] = Case(subject.cell, traffic, flows,
                                                      subject.cell.ruleset)
        for place in PLACES:
            subject.cases[traffic.name, place].floors = [subject.cases[traffic.name, ELSEWHERE]]


@contextlib.contextmanager
def keeping_busy(place: Namespace, cpu: int, script: str) -> Iterator[list[int]]:
    """Repeats the script on that CPU; afterwards the list has how often it was done."""
    done: list[int] = []
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(cpu),
         *place.command("sh", "-ec", f"while :; do {script}; echo done; done")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=die_with_parent)
    try:
        process.stdout.readline()
        yield done
    finally:
        failed = process.poll() is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        done.append(process.stdout.read().count("done"))
        process.wait()
        process.stdout.close()
    if failed:
        raise Failure(f"failed: {script}")


def pin_daemons(cell: Cell, cpu: int) -> None:
    """Where the commands run, their daemon runs."""
    for process in cell.place.processes:
        os.sched_setaffinity(process.pid, {cpu})


def measure_cases(section: Section, subject: Subject, place: str) -> None:
    for (traffic, where), case in subject.cases.items():
        if where != place:
            continue
        before = received_and_passed(case.cell)
        measure(section.bench, case, "all")
        now = received_and_passed(case.cell)
        if case.traffic.passes == 1:
            lost = (now[0] - before[0]) - (now[1] - before[1])
            subject.lost[traffic, where] = subject.lost.get((traffic, where), 0) + lost


def measure_round(section: Section, subject: Subject) -> None:
    cpu = section.bench.other_cpu()
    for place in PLACES:
        with contextlib.ExitStack() as stack:
            if place != QUIET:
                busy = subject.cell if place == HERE else subject.other
                done = stack.enter_context(keeping_busy(busy.place, cpu, subject.script))
            measure_cases(section, subject, place)
        if place == HERE:
            subject.repetitions += done[0] + 1


def measure_all(section: Section, subjects: list[Subject], rounds: int) -> None:
    for subject in subjects:
        for cell in (subject.cell, subject.other):
            pin_daemons(cell, section.bench.other_cpu())
    for _ in range(rounds):
        for subject in subjects:
            measure_round(section, subject)


def row(subject: Subject, traffic: str) -> list[str]:
    costs = {place: subject.cases[traffic, place].costs for place in PLACES}
    lost = [subject.lost[traffic, place] for place in PLACES if (traffic, place) in subject.lost]
    return [f"{subject.cell.firewall.name}, {traffic}, {len(subject.cell.ruleset.rules):,}",
            *(figure(costs[place]).text() for place in PLACES),
            difference(costs[HERE], costs[ELSEWHERE]).text(), str(sum(lost)) if lost else "",
            str(subject.repetitions)]


def show(title: str, subjects: list[Subject]) -> None:
    print_table(title, ["firewall, traffic, rules", *PLACES, "here - elsewhere", "lost packets",
                        "repetitions"],
                [row(subject, traffic) for subject in subjects
                 for traffic in dict.fromkeys(name for name, _ in subject.cases)])


def write(section: Section, subjects: list[Subject]) -> None:
    """The column `traffic` has the place, too; `net_ns` is above what `elsewhere` costs."""
    rows = []
    for subject in subjects:
        for (traffic, place), case in subject.cases.items():
            for values in csv_rows(section.name, [case]):
                values[TRAFFIC] = f"{traffic}, {place}"
                rows.append([*values, subject.lost.get((traffic, place), ""),
                             subject.repetitions if place == HERE else ""])
    records.write(section.bench.results / f"{section.name}.csv", rows, ["lost", "repetitions"])
