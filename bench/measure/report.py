# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians, tables and CSV files."""

import csv
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Figure(NamedTuple):
    """What came of several rounds."""
    median: float
    low: float
    high: float
    rounds: int

    def text(self, digits: int = 0) -> str:
        if not self.rounds:
            return "-"
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def figure(values: Sequence[float | None]) -> Figure:
    there = [value for value in values if value is not None]
    if not there:
        return Figure(0, 0, 0, 0)
    return Figure(statistics.median(there), min(there), max(there), len(there))


def difference(values: Sequence[float | None], floors: Sequence[float | None]) -> Figure:
    """Round by round, so that what the machine does to both cancels out."""
    return figure([None if value is None or floor is None else value - floor
                   for value, floor in zip(values, floors)])


def ratio(values: Sequence[float | None], others: Sequence[float | None],
          floors: Sequence[float | None]) -> Figure:
    """How many times the others' the values are, both less the floor."""
    return figure([None if None in three else (three[0] - three[2]) / (three[1] - three[2])
                   for three in zip(values, others, floors)])


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}\n")
    for row in [head, ["-" * width for width in widths], *rows]:
        first, *others = zip(row, widths)
        cells = [first[0].ljust(first[1])] + [text.rjust(width) for text, width in others]
        print("  " + "  ".join(cells).rstrip())
    print(flush=True)


def write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
