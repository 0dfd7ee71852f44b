# SPDX-License-Identifier: GPL-2.0-or-later
"""The columns that CSV files of packet costs have in common, so that one plot can read them all."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from measure.report import Figure, write_csv

# median_ns is all that a packet costs, net_ns what it costs more than with an empty program; low
# and high are the extremes of net_ns over the rounds. Unknown figures are empty.
COLUMNS = ("section", "ruleset", "hook", "traffic", "rules", "firewall", "median_ns", "low", "high",
           "net_ns", "rounds")


def row(section: str, ruleset: str, hook: str, traffic: str, rules: int, firewall: str,
        total: Figure, net: Figure) -> list[object]:
    figures = [round(value, 2) if net.rounds else ""
               for value in (total.median, net.low, net.high, net.median)]
    return [section, ruleset, hook, traffic, rules, firewall, *figures, net.rounds]


def write(path: Path, rows: Iterable[Sequence[object]], more: Sequence[str] = ()) -> None:
    """@more: further columns, of this file only."""
    write_csv(path, [*COLUMNS, *more], list(rows))
