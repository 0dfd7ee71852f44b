# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the CSV files that the sections write."""

import csv
from collections.abc import Iterable
from pathlib import Path

Row = dict[str, str]

# The firewalls that others are compared with, each in its sections.
FLOORS = ("floor", "none")


def read(directory: Path, name: str) -> list[Row]:
    """Empty if the section has not been measured."""
    path = directory / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def different(rows: Iterable[Row], *columns: str) -> list[tuple[str, ...]]:
    """What the columns hold, in the order of the first appearance."""
    return list(dict.fromkeys(tuple(row.get(column, "") for column in columns) for row in rows))


def having(rows: Iterable[Row], **values: str) -> list[Row]:
    return [row for row in rows if all(row.get(column) == value
                                       for column, value in values.items())]


def number(row: Row, column: str) -> float | None:
    text = row.get(column) or ""
    return float(text) if text else None


def compared(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["firewall"] not in FLOORS]
