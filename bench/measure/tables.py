# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of docs/performance.md, in Markdown, from what has been measured."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from measure.results import FLOORS, Row, compared, different, having, number, read

def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def with_range(row: Row, middle: str, low: str, high: str, digits: int = 0) -> str:
    values = [number(row, column) for column in (middle, low, high)]
    if None in values:
        return "-"
    return f"{values[0]:,.{digits}f} ({values[1]:,.{digits}f}-{values[2]:,.{digits}f})"


def net(rows: Sequence[Row]) -> str:
    return with_range(rows[0], "net_ns", "net_low", "net_high") if rows else ""


def rules(text: str) -> str:
    return f"{int(text):,}"


def by_firewall(directory: Path, section: str) -> Iterator[str]:
    """For each hook and traffic a table: the number of rules by the firewall, and what is taken
    off, the floor."""
    measured = read(directory, section)
    for hook, traffic in different(measured, "hook", "traffic"):
        rows = having(measured, hook=hook, traffic=traffic)
        firewalls = [name for (name,) in different(compared(rows), "firewall")]
        yield f"{hook}, {traffic}:\n"
        lines = []
        for (count,) in different(rows, "rules"):
            same = having(rows, rules=count)
            floor = [number(row, "median_ns") for row in same
                     if row["firewall"] in FLOORS]
            lines.append([rules(count), *(net(having(same, firewall=name)) for name in firewalls),
                          ", ".join("-" if value is None else f"{value:.0f}" for value in floor)])
        yield from table(["rules", *firewalls, "floor"], lines)


def packet(directory: Path) -> Iterator[str]:
    measured = read(directory, "packet_cost")
    if not measured:
        return
    columns = different(measured, "family", "ruleset", "traffic")
    yield from table(["rules", *(f"{family} {ruleset}, {traffic}"
                                 for family, ruleset, traffic in columns)],
                     [[rules(count), *(net(having(measured, rules=count, family=family,
                                                  ruleset=ruleset, traffic=traffic))
                                       for family, ruleset, traffic in columns)]
                      for (count,) in different(measured, "rules")])


def ratio_cell(rows: Sequence[Row], column: str) -> str:
    """The net cost, and how many times that of the smaller ruleset it is."""
    if not rows:
        return ""
    ratio = number(rows[0], column)
    return net(rows) + (f", x {ratio:.2f}" if ratio is not None else "")


def rulesets(directory: Path) -> Iterator[str]:
    measured = read(directory, "rulesets")
    if not measured:
        return
    ratio = next(column for column in measured[0] if column.startswith("ratio_to_"))
    real = [row for row in measured if row["traffic"] in ("INPUT", "FORWARD")]
    worst = having(measured, traffic="worst")
    mixes = [row for row in measured if row not in real and row not in worst]
    traffics = [traffic for (traffic,) in different(mixes, "traffic")]
    yield from table(["ruleset", "rules", *traffics],
                     [[name, rules(count),
                       *(ratio_cell(having(mixes, ruleset=name, rules=count, traffic=traffic),
                                    ratio) for traffic in traffics)]
                      for name, count in different(mixes, "ruleset", "rules")])
    yield from table(["worst case", "rules", "net ns"],
                     [[row["ruleset"], rules(row["rules"]), net([row])] for row in worst])
    yield from table(["real ruleset", "rules", "INPUT", "FORWARD"],
                     [[name, rules(count), *(net(having(real, ruleset=name, traffic=hook))
                                             for hook in ("INPUT", "FORWARD"))]
                      for name, count in sorted(different(real, "ruleset", "rules"),
                                                key=lambda key: int(key[1]))])


def update(directory: Path) -> Iterator[str]:
    measured = read(directory, "update_time")
    if not measured:
        return
    firewalls = [name for (name,) in different(measured, "firewall")]
    lines = []
    for (command,) in different(measured, "command"):
        rows = {row["firewall"]: row for row in having(measured, command=command)}
        walls = [number(rows[name], "wall_ms") or 0 for name in firewalls]
        ours = rows[firewalls[0]]
        lines.append([command, *(with_range(rows[name], "wall_ms", "low", "high", 1)
                                 for name in firewalls),
                      f"{walls[0] / walls[1]:.2f}" if len(walls) > 1 and walls[1] else "-",
                      ours["daemon_cpu_ms"], ours["daemon_peak_mib"]])
    yield from table(["command", *firewalls, "ratio", "daemon, ms", "daemon, MiB"], lines)


MEMORY = {"image": "image_mib", "counters": "counters_mib", "arena": "arena_mib",
          "daemon": "daemon_mib", "peak": "daemon_peak_mib", "replacing": "replacing_peak_mib"}


def memory(directory: Path) -> Iterator[str]:
    measured = read(directory, "memory")
    if not measured:
        return
    lines = []
    for row in measured:
        values = [number(row, column) for column in MEMORY.values()]
        cells = ["" if value is None else f"{value:.1f}" for value in values]
        if row["refused"]:
            cells[0] = "refused"
        lines.append([row["ruleset"], rules(row["rules"]), *cells])
    yield from table(["ruleset", "rules", *MEMORY], lines)


LIVE = {"size": "Ruleset size", "fields": "Rule complexity", "conntrack": "Connection tracking",
        "blocklist": "Blocklists", "servers": "Public servers", "overhead": "Overhead",
        "cores": "Two CPUs", "counters": "While counters are read",
        "updates-traffic": "While rules are changed"}


def everything(directory: Path) -> Iterator[str]:
    """Each section's under its heading; sections without results are left out."""
    sections = [(title, by_firewall(directory, name)) for name, title in LIVE.items()]
    sections += [("The program alone", packet(directory)),
                 ("Kinds of rulesets", rulesets(directory)), ("Commands", update(directory)),
                 ("Memory", memory(directory))]
    for title, lines in sections:
        text = list(lines)
        if text:
            yield f"### {title}\n"
            yield from text
