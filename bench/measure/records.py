# SPDX-License-Identifier: GPL-2.0-or-later
"""The columns that CSV files of packet costs have in common, so that one plot can read them all."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from measure.report import Figure, write_csv

# median_ns is all that a packet costs, with its extremes over the rounds, low and high; net_ns what
# it costs more than with an empty program, net_low and net_high. Unknown figures are empty.
COLUMNS = ("section", "ruleset", "hook", "traffic", "rules", "firewall", "median_ns", "low", "high",
           "net_ns", "rounds", "net_low", "net_high")


def row(section: str, ruleset: str, hook: str, traffic: str, rules: int, firewall: str,
        total: Figure, net: Figure) -> list[object]:
    figures = [round(value, 2) if net.rounds else ""
               for value in (total.median, total.low, total.high, net.median)]
    return [section, ruleset, hook, traffic, rules, firewall, *figures, net.rounds,
            *(round(value, 2) if net.rounds else "" for value in (net.low, net.high))]


def write(path: Path, rows: Iterable[Sequence[object]], more: Sequence[str] = ()) -> None:
    """@more: further columns, of this file only."""
    write_csv(path, [*COLUMNS, *more], list(rows))
