# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a packet against the number of fields that each of 1,000 rules asks for."""

import contextlib
import itertools

from measure.firewalls import PEERS, installed
from measure.live_traffic import Section
from measure.tools import Bench
from measure.traffic import Rule, Ruleset, hits, shuffled

# How many different sources, destinations, source ports and destination ports the rules have, 0
# where they do not ask: each field is needed to find the rule. The third field is the protocol.
SHAPES = {1: (1000, 0, 0, 0), 2: (40, 25, 0, 0), 3: (40, 25, 0, 0), 4: (10, 10, 10, 0),
          5: (10, 5, 4, 5)}


def values(form: str, first: int, count: int) -> list[str]:
    return [form.format((first + number) // 256, (first + number) % 256)
            for number in range(count)] or [""]


def ports(first: int, count: int) -> list[int]:
    return list(range(first, first + count)) or [0]


def rules(fields: int) -> list[Rule]:
    sources, destinations, source_ports, destination_ports = SHAPES[fields]
    return [Rule(source, destination, "udp" if fields >= 3 else "", source_port, destination_port)
            for source, destination, source_port, destination_port in itertools.product(
                values("10.1.{}.{}", 1, sources), values("192.168.1.{1}", 2, destinations),
                ports(10100, source_ports), ports(8080, destination_ports))]


def run(bench: Bench) -> None:
    firewalls = installed(PEERS)
    with contextlib.ExitStack() as stack:
        section = Section(bench, "fields", stack)
        for fields in (1, 3, 5) if bench.quick else SHAPES:
            ruleset = Ruleset("INPUT", "DROP", rules(fields), name=f"{fields} fields")
            flows = [rule.flow() for rule in ruleset.rules]
            traffics = [hits(f"last, fields: {fields}", ruleset, flows[-1:])]
            if not bench.quick:
                traffics.append(hits(f"uniform, fields: {fields}", ruleset, shuffled(flows)))
            section.add([section.cell(firewall, ruleset) for firewall in firewalls], traffics)
        section.measure(3 if bench.quick else 7)
    section.show("Nanoseconds per packet above the floor; 1,000 rules that ask for so many fields:")
    section.write()
