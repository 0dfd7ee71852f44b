# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP requests through a stateful firewall, each over a connection of its own: the first rule
accepts established connections, others follow that do not match, the last accepts new connections
to the server. Client and server are one thread (bench/request_cost.c), so that a request's CPU time
is all that it takes; a billion nanoseconds by that is the rate of one CPU."""

import contextlib
from dataclasses import dataclass, field

from measure.device_firewalls import OURS_TC, OURS_XDP
from measure.firewalls import IPTABLES_NFT, LEGACY, NFT_RULES, NOTHING, OURS, Firewall, installed
from measure.live_traffic import Sent
from measure.namespace import Namespace, namespace
from measure.report import Figure, figure, print_table, ratio, write_csv
from measure.tools import Bench
from measure.traffic import Ruleset, five_fields

PORT = 80
CLIENT, OUTER, INNER, SERVER = "10.1.0.2", "10.1.0.1", "10.2.0.1", "10.2.0.2"
FEW = "send=64"  # to see that requests pass, and to warm up


@dataclass(eq=False)
class Way:
    """From a client to a server through a firewall, or to the firewall itself."""
    firewall: Firewall
    ruleset: Ruleset
    place: Namespace
    client: Namespace
    server: Namespace
    costs: list[float | None] = field(default_factory=list)

    def request(self, bench: Bench, how: str) -> float | None:
        address = OUTER if self.server is self.place else SERVER
        return Sent(self.client.run(bench.program("request_cost"), str(bench.cpu), how,
                                    str(self.client.pid), str(self.server.pid), address,
                                    str(PORT))).cost


def join(place: Namespace, device: str, address: str, other: Namespace, other_address: str) -> None:
    """By a veth pair; all else of @other goes by @place."""
    place.run("sh", "-ec", f"""
        ip link add {device} type veth peer name far0 netns {other.pid}
        ip address add {address}/24 dev {device}
        ip link set {device} up
        """)
    other.run("sh", "-ec", f"""
        ip address add {other_address}/24 dev far0
        ip link set far0 up
        ip route add default via {address}
        """)


def make_way(bench: Bench, firewall: Firewall, ruleset: Ruleset,
             stack: contextlib.ExitStack) -> Way:
    place, client = (stack.enter_context(namespace()) for _ in range(2))
    place.run("sh", "-ec", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    join(place, "outer0", OUTER, client, CLIENT)
    server = place
    if ruleset.hook == "FORWARD":
        server = stack.enter_context(namespace())
        join(place, "inner0", INNER, server, SERVER)
    firewall.load(bench, place, ruleset)
    firewall.set_policy(bench, place, ruleset.hook, "DROP")
    way = Way(firewall, ruleset, place, client, server)
    way.request(bench, FEW)
    return way


def measure_round(bench: Bench, ways: list[Way]) -> None:
    for way in ways:
        cost = way.request(bench, str(bench.reference))
        # Once more, if the CPU was never undisturbed.
        way.costs.append(cost or way.request(bench, str(bench.reference)))


def peer(way: Way, ways: list[Way]) -> Way | None:
    """iptables-legacy with the same rules."""
    for other in ways:
        if other.firewall == LEGACY and other.ruleset == way.ruleset:
            return other
    return None


def rate_ratio(way: Way, ways: list[Way]) -> Figure:
    """How many times the requests per second with iptables-legacy."""
    other = peer(way, ways)
    if not other:
        return figure([])
    return ratio(other.costs, way.costs, [0.0] * len(way.costs))


def rates(way: Way) -> Figure:
    return figure([cost and 1e9 / cost for cost in way.costs])


def show(ways: list[Way]) -> None:
    lines = [[f"{way.ruleset.hook} {len(way.ruleset.rules):,}", way.firewall.name,
              figure([cost and cost / 1000 for cost in way.costs]).text(1), rates(way).text(),
              rate_ratio(way, ways).text(3)] for way in ways]
    print_table("HTTP requests through a stateful firewall, a connection each: microseconds of CPU "
                "time, requests\nper second of one CPU, and times the rate with iptables-legacy.",
                ["hook, rules", "filter", "us", "requests/s", "times legacy"], lines)


def write(bench: Bench, ways: list[Way]) -> None:
    lines = []
    for way in ways:
        row: list[object] = [way.ruleset.hook, len(way.ruleset.rules), way.firewall.name]
        for found, digits in ((figure([cost and cost / 1000 for cost in way.costs]), 2),
                              (rates(way), 0), (rate_ratio(way, ways), 3)):
            row += [round(value, digits) if found.rounds else "" for value in found[:3]]
        lines.append([*row, figure(way.costs).rounds])
    write_csv(bench.results / "requests.csv",
              ["hook", "rules", "firewall", "us", "us_low", "us_high", "rate", "rate_low",
               "rate_high", "times", "times_low", "times_high", "rounds"], lines)


def run(bench: Bench) -> None:
    firewalls = installed([NOTHING, LEGACY, IPTABLES_NFT, NFT_RULES, OURS, OURS_TC, OURS_XDP])
    rounds = 3 if bench.quick else 11
    ways: list[Way] = []
    for hook in ("FORWARD", "INPUT"):
        for count in (0, 1000):
            ruleset = Ruleset(hook, "DROP", five_fields(count) if count else [],
                              established=True, service=PORT)
            with contextlib.ExitStack() as stack:
                part = [make_way(bench, firewall, ruleset, stack) for firewall in firewalls]
                for number in range(rounds):
                    first = number * len(part) // rounds
                    measure_round(bench, part[first:] + part[:first])
            ways += part
    show(ways)
    write(bench, ways)
