# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots of what has been measured, as PNG and SVG."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display
from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

from measure.results import Row, compared, different, having, number, read  # noqa: E402

OURS = "bpf-iptables"
# Those firewalls that are compared everywhere have the same colours everywhere.
COLORS = {OURS: "tab:blue", "bpf-iptables tc": "tab:cyan", "bpf-iptables xdp": "navy",
          "iptables-legacy": "tab:red", "iptables-nft": "tab:orange",
          "nft rules": "tab:green", "nft verdict map": "tab:purple", "floor": "tab:gray",
          "empty program": "tab:gray", "none": "lightgray", "XDP_DROP": "black",
          "TC drop": "dimgray", "XDP hash map": "tab:pink"}

NET = "net ns per packet"
Point = tuple[float, float]


def points(rows: Sequence[Row], x: str, y: str) -> list[Point]:
    pairs = [(number(row, x), number(row, y)) for row in rows]
    return sorted((a, b) for a, b in pairs if a is not None and b is not None)


def draw_lines(axes: Axes, rows: Sequence[Row], series: str, x: str = "rules",
               y: str = "net_ns") -> None:
    for (name,) in different(rows, series):
        line = points(having(rows, **{series: name}), x, y)
        if line:
            axes.plot(*zip(*line), marker="o", markersize=4, label=name, color=COLORS.get(name),
                      linewidth=2.5 if name == OURS else 1.3)
    axes.set_xlabel(x.replace("_", " "))
    axes.grid(True, alpha=0.3)


def logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")


def draw_bars(axes: Axes, rows: Sequence[Row], group: str, series: str, y: str) -> None:
    """A group of bars for each value of a column, in it a bar for each of the series."""
    groups = [name for (name,) in different(rows, group)]
    names = [name for (name,) in different(rows, series)]
    for place, name in enumerate(names):
        bars = {row[group]: number(row, y) or 0 for row in having(rows, **{series: name})}
        axes.barh([index + (place - len(names) / 2) * 0.8 / len(names) for index in
                   range(len(groups))], [bars.get(wanted, 0) for wanted in groups],
                  0.8 / len(names), align="edge", label=name, color=COLORS.get(name))
    axes.set_yticks(range(len(groups)), groups, fontsize=7)
    axes.invert_yaxis()
    axes.grid(True, axis="x", alpha=0.3)


class Plots:
    def __init__(self, results: Path, directory: Path) -> None:
        self.results = results
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, title: str, *draw: Callable[[Axes], None],
             height: float = 4.2) -> None:
        figure, panels = pyplot.subplots(1, len(draw), figsize=(7 * len(draw), height),
                                         squeeze=False)
        figure.suptitle(title)
        for axes, one in zip(panels[0], draw):
            one(axes)
            axes.legend(fontsize=7)
        figure.tight_layout()
        path = self.directory / re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        for kind in ("png", "svg"):
            figure.savefig(path.with_suffix(f".{kind}"), dpi=110)
        pyplot.close(figure)

    def firewalls_by_rules(self, section: str, what: str) -> None:
        """Cost and throughput against the number of rules, for each hook and traffic."""
        rows = read(self.results, section)
        for row in rows:
            total = number(row, "median_ns")
            row["million packets per second and CPU"] = str(1e3 / total) if total else ""
        for hook, traffic in different(rows, "hook", "traffic"):
            chosen = having(rows, hook=hook, traffic=traffic)
            if len(different(chosen, "rules")) < 2:
                continue

            def cost(axes: Axes, chosen: list[Row] = chosen) -> None:
                draw_lines(axes, compared(chosen), "firewall")
                logarithmic(axes)
                axes.set_ylabel(NET)

            def throughput(axes: Axes, chosen: list[Row] = chosen) -> None:
                draw_lines(axes, chosen, "firewall", y="million packets per second and CPU")
                axes.set_xscale("log")
                axes.set_ylim(bottom=0)
                axes.set_ylabel("million packets per second and CPU")

            self.save(f"{section} {hook} {traffic}", f"{what}: {hook}, {traffic}", cost, throughput)

    def bars(self, section: str, what: str) -> None:
        """Where there is a single number of rules."""
        rows = compared(read(self.results, section))
        if not rows or len(different(rows, "rules")) > 1:
            return
        for row in rows:
            row["case"] = f"{row['hook']}, {row['traffic']}"

        def draw(axes: Axes) -> None:
            draw_bars(axes, rows, "case", "firewall", "net_ns")
            if max(number(row, "net_ns") or 0 for row in rows) > 1000:
                axes.set_xscale("symlog", linthresh=100)
            axes.set_xlabel(NET)

        self.save(section, what, draw)

    def fields(self) -> None:
        rows = compared(read(self.results, "fields"))
        for row in rows:
            row["traffic"], row["fields"] = row["traffic"].split(", fields: ")
        for (traffic,) in different(rows, "traffic"):
            def draw(axes: Axes, traffic: str = traffic) -> None:
                draw_lines(axes, having(rows, traffic=traffic), "firewall", x="fields")
                axes.set_xticks(range(1, 6))
                axes.set_yscale("log")
                axes.set_ylabel(NET)

            self.save(f"fields {traffic}", f"1,000 rules by their number of fields: {traffic}",
                      draw)

    def rulesets(self) -> None:
        """bpf-iptables alone: kinds of rulesets, worst cases, real ones."""
        rows = read(self.results, "rulesets")
        for (traffic,) in different(rows, "traffic"):
            chosen = having(rows, traffic=traffic)

            def draw(axes: Axes, chosen: list[Row] = chosen, traffic: str = traffic) -> None:
                if traffic in ("INPUT", "FORWARD"):
                    axes.scatter(*zip(*points(chosen, "rules", "net_ns")), label="real rulesets")
                    axes.set_xlabel("rules")
                    axes.set_xscale("log")
                else:
                    draw_lines(axes, chosen, "ruleset")
                    logarithmic(axes)
                axes.set_ylabel(NET)

            self.save(f"rulesets {traffic}", f"bpf-iptables, by ruleset: {traffic}", draw)

    def packet(self) -> None:
        rows = read(self.results, "packet_cost")
        for row in rows:
            row["case"] = f"{row['family']} {row['ruleset']}, {row['traffic']}"

        def draw(axes: Axes) -> None:
            draw_lines(axes, rows, "case")
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.set_ylabel(NET)

        if rows:
            self.save("packet", "bpf-iptables: the program alone, the same packet again and again",
                      draw)

    def devices(self, section: str, what: str) -> None:
        """All of a packet's cost, as what devices spare is in front of netfilter."""
        rows = read(self.results, section)
        if not rows:
            return
        for row in rows:
            row["case"] = f"{row['hook']}, {row['traffic']}; {row['rules']} rules"

        def draw(axes: Axes) -> None:
            draw_bars(axes, rows, "case", "firewall", "median_ns")
            if max(number(row, "median_ns") or 0 for row in rows) > 1000:
                axes.set_xscale("log")
            axes.set_xlabel("ns per packet")

        self.save(section, what, draw, height=2 + 0.8 * len(different(rows, "case")))

    def requests(self) -> None:
        rows = read(self.results, "requests")
        if not rows:
            return
        for row in rows:
            row["case"] = f"{row['hook']}, {row['rules']} rules"

        def draw(axes: Axes) -> None:
            draw_bars(axes, rows, "case", "firewall", "rate")
            axes.set_xlabel("HTTP requests per second of one CPU")

        self.save("requests", "A connection for each request, stateful rules", draw, height=6)

    def update(self) -> None:
        rows = read(self.results, "update_time")

        def draw(axes: Axes) -> None:
            draw_bars(axes, rows, "command", "firewall", "wall_ms")
            axes.set_xscale("log")
            axes.set_xlabel("milliseconds")

        if rows:
            self.save("update", "Commands", draw, height=6)

    def memory(self) -> None:
        rows = read(self.results, "memory")
        if not rows:
            return

        def panel(column: str, label: str) -> Callable[[Axes], None]:
            def draw(axes: Axes) -> None:
                draw_lines(axes, rows, "ruleset", y=column)
                logarithmic(axes)
                axes.set_ylabel(label)
            return draw

        self.save("memory", "Memory by ruleset", panel("image_mib", "MiB of the image"),
                  panel("daemon_peak_mib", "MiB of the daemon, peak"))

    def all(self) -> None:
        self.firewalls_by_rules("size", "Five fields per rule")
        self.firewalls_by_rules("blocklist", "Blocklist")
        self.firewalls_by_rules("servers", "Public servers")
        self.fields()
        self.bars("conntrack", "Connection tracking, 1,000 rules")
        self.bars("servers", "Public servers")
        self.bars("overhead", "No rules")
        self.devices("devices", "Dropped by INPUT, on devices and elsewhere")
        self.devices("devices-blocklist", "Blocklist, on devices and elsewhere")
        self.devices("devices-conntrack", "Established connections, 1,000 rules")
        self.requests()
        self.packet()
        self.rulesets()
        self.update()
        self.memory()
