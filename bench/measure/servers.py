# SPDX-License-Identifier: GPL-2.0-or-later
"""A company's public servers behind a firewall, as in the test suite of the paper's authors: rules
accept the services of each, the rest is dropped. The clients are never the same twice."""

import contextlib

from measure.firewalls import PEERS, installed
from measure.live_traffic import Section
from measure.tools import Bench
from measure.traffic import (NUMBERS, RANDOM_ADDRESS, RANDOM_ADDRESSES, RANDOM_PORT, Flow, Rule,
                             Ruleset, Traffic, shuffled)

# What the servers offer, in turn.
SERVICES = ((("tcp", 80), ("tcp", 443)), (("tcp", 25), ("tcp", 465), ("tcp", 587), ("tcp", 993)),
            (("udp", 53), ("tcp", 53)), (("tcp", 22), ("tcp", 80), ("tcp", 443), ("tcp", 8080)),
            (("udp", 123), ("udp", 500), ("udp", 4500)))

# What nobody offers, and scanners ask for.
CLOSED = (("tcp", 23), ("tcp", 3389), ("udp", 161))


def server(number: int) -> str:
    return f"198.18.{number // 250}.{number % 250 + 1}"


def rules(servers: int) -> list[Rule]:
    return [Rule(destination=server(number), protocol=protocol, destination_port=port)
            for number in range(servers) for protocol, port in SERVICES[number % len(SERVICES)]]


def from_anywhere(destination: str, protocol: str, port: int) -> Flow:
    return Flow(RANDOM_ADDRESSES, destination, 0, port, NUMBERS[protocol],
                RANDOM_ADDRESS | RANDOM_PORT)


def traffics(ruleset: Ruleset, servers: int) -> list[Traffic]:
    """What the rules accept, what they do not, and both, half of each."""
    served = [from_anywhere(rule.destination, rule.protocol, rule.destination_port)
              for rule in ruleset.rules]
    closed = [from_anywhere(server(number % servers), *CLOSED[number % len(CLOSED)])
              for number in range(len(served))]
    mixed = [flow for pair in zip(shuffled(served), shuffled(closed)) for flow in pair]
    return [Traffic("served", shuffled(served), "DROP", 1), Traffic("closed", closed, "DROP", 0),
            Traffic("mixed", mixed, "DROP", 0.5)]


def run(bench: Bench) -> None:
    firewalls = installed(PEERS)
    with contextlib.ExitStack() as stack:
        section = Section(bench, "servers", stack)
        for servers in (50,) if bench.quick else (50, 250, 500, 1000):
            ruleset = Ruleset("FORWARD", "ACCEPT", rules(servers), name="services")
            section.add([section.cell(firewall, ruleset) for firewall in firewalls],
                        traffics(ruleset, servers))
        section.measure(3 if bench.quick else 7)
    section.show("Nanoseconds per packet above the floor; services of public servers accepted at "
                 "FORWARD, the rest dropped:")
    section.write()
