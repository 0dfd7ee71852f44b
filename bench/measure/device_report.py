# SPDX-License-Identifier: GPL-2.0-or-later
"""What the sections about filters on devices tell: all that a packet costs, as what is spared is in
front of netfilter, and how many times that is what it costs with bpf-iptables at XDP."""

from collections.abc import Sequence

from measure import records
from measure.device_firewalls import OURS_XDP
from measure.live_traffic import Case, Section, csv_rows, row_key
from measure.report import Figure, difference, figure, print_table, ratio

COLUMNS = ("times", "times_low", "times_high")


def times(case: Case, cases: Sequence[Case]) -> Figure:
    """How many times the cost with bpf-iptables at XDP, for the same packets and rules; that is how
    many times as many packets that takes in the same time."""
    for other in cases:
        if other.cell.firewall == OURS_XDP and row_key(other) == row_key(case):
            return ratio(case.costs, other.costs, [0.0] * len(case.costs))
    return figure([])


def show(title: str, sections: Sequence[Section]) -> None:
    lines = []
    for section in sections:
        for case in section.cases:
            lines.append([f"{case.ruleset.hook} {case.traffic.name} {len(case.ruleset.rules):,}",
                          case.cell.firewall.name, figure(case.costs).text(),
                          difference(case.costs, case.floor_costs()).text(),
                          times(case, section.cases).text(2)])
    print_table(f"{title}\nall, what is above the floor, and times the cost with bpf-iptables at "
                "XDP.",
                ["hook, traffic, rules", "filter", "ns", "net", "times"], lines)


def csv_lines(section: Section) -> list[list[object]]:
    lines = []
    for row, case in zip(csv_rows(section.name, section.cases), section.cases):
        found = times(case, section.cases)
        values = (found.median, found.low, found.high) if found.rounds else ()
        lines.append([*row, *(round(value, 3) for value in values)])
    return lines


def write(sections: Sequence[Section]) -> None:
    """The CSV file of the parts of one section."""
    first = sections[0]
    records.write(first.bench.results / f"{first.name}.csv",
                  [line for section in sections for line in csv_lines(section)], COLUMNS)
