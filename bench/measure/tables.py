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
    """The number of rules by the firewall, and what is taken off, the floor: for each hook and
    traffic a table, or a single one where each has one number of rules."""
    measured = read(directory, section)
    traffics = different(measured, "hook", "traffic")
    firewalls = [name for (name,) in different(compared(measured), "firewall")]

    def line(rows: Sequence[Row], *head: str) -> list[str]:
        floors = [number(row, "median_ns") for row in rows if row["firewall"] in FLOORS]
        return [*head, *(net(having(rows, firewall=name)) for name in firewalls),
                ", ".join("-" if value is None else f"{value:.0f}" for value in floors)]

    if len(different(measured, "hook", "traffic", "rules")) == len(traffics) > 0:
        yield from table(["traffic", "rules", *firewalls, "floor"],
                         [line(having(measured, hook=hook, traffic=traffic),
                               f"{hook}, {traffic}", rules(count)) for hook, traffic, count in
                          different(measured, "hook", "traffic", "rules")])
        return
    for hook, traffic in traffics:
        rows = having(measured, hook=hook, traffic=traffic)
        yield f"{hook}, {traffic}:\n"
        yield from table(["rules", *firewalls, "floor"],
                         [line(having(rows, rules=count), rules(count))
                          for (count,) in different(rows, "rules")])


def as_measured(directory: Path, section: str, *more: str) -> Iterator[str]:
    """All that a packet costs, of each firewall and traffic, and further columns."""
    measured = read(directory, section)
    if measured:
        yield from table(["firewall", "traffic", "rules", "ns", *(name.replace("_", " ")
                                                                  for name in more)],
                         [[row["firewall"], f"{row['hook']}, {row['traffic']}",
                           rules(row["rules"]), with_range(row, "median_ns", "low", "high"),
                           *(row[name] for name in more)] for row in measured])


def on_devices(directory: Path, section: str) -> Iterator[str]:
    """A table for each hook, traffic and number of rules, with all that a packet costs, what it
    costs above the floor, and how many times the cost with bpf-iptables at XDP that is."""
    measured = read(directory, section)
    for hook, traffic, count in different(measured, "hook", "traffic", "rules"):
        yield f"{hook}, {traffic}; {rules(count)} rules:\n"
        yield from table(["filter", "ns", "net ns", "times bpf-iptables xdp"],
                         [[row["firewall"], with_range(row, "median_ns", "low", "high"), net([row]),
                           with_range(row, "times", "times_low", "times_high", 2)] for row in
                          having(measured, hook=hook, traffic=traffic, rules=count)])


def rest(directory: Path) -> Iterator[str]:
    measured = read(directory, "devices-rest")
    if measured:
        yield from table(["hook", "net ns"], [[row["hook"], with_range(
            row, "net_ns", "net_low", "net_high", 1)] for row in measured])


def requests(directory: Path) -> Iterator[str]:
    measured = read(directory, "requests")
    for hook, count in different(measured, "hook", "rules"):
        yield f"{hook}, {rules(count)} rules between those that accept:\n"
        yield from table(["filter", "requests per second", "us of a request",
                          "times iptables-legacy"],
                         [[row["firewall"], with_range(row, "rate", "rate_low", "rate_high"),
                           with_range(row, "us", "us_low", "us_high", 1),
                           with_range(row, "times", "times_low", "times_high", 2)]
                          for row in having(measured, hook=hook, rules=count)])


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
        "blocklist": "Blocklists", "servers": "Public servers", "overhead": "Overhead"}


def everything(directory: Path) -> Iterator[str]:
    """Each section's under its heading; sections without results are left out."""
    sections = [(title, by_firewall(directory, name)) for name, title in LIVE.items()]
    sections += [("Dropped on devices", on_devices(directory, "devices")),
                 ("Blocked on devices", on_devices(directory, "devices-blocklist")),
                 ("Established connections on devices", on_devices(directory, "devices-conntrack")),
                 ("Behind devices", rest(directory)),
                 ("Connection rate", requests(directory)),
                 ("Two CPUs", as_measured(directory, "cores", "times_one_cpu")),
                 ("While counters are read", as_measured(directory, "counters", "lost")),
                 ("While rules are changed", as_measured(directory, "updates-traffic", "lost")),
                 ("The program alone", packet(directory)),
                 ("Kinds of rulesets", rulesets(directory)), ("Commands", update(directory)),
                 ("Memory", memory(directory))]
    for title, lines in sections:
        text = list(lines)
        if text:
            yield f"### {title}\n"
            yield from text
