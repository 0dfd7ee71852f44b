# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rulesets of the shapes that D. Taylor and J. Turner found in real ones ("ClassBench: A Packet
Classification Benchmark", INFOCOM 2005): access control lists, firewalls, and IP chains.

What they describe is generated here: prefixes that are nested and used again and again, with a
distribution of lengths for each address; ports in five classes (wildcard, low, high, arbitrary
range, exact match), of which few values are frequent; protocols, many wildcards. The distributions
are our own, in the spirit of theirs. The narrowest rules come first, as there.
"""

import math
from random import Random
from typing import NamedTuple

from measure.flows import ALL_PORTS, ANYWHERE, ICMP, TCP, UDP, Ports, Prefix, Rule

WILDCARD, LOW, HIGH, RANGE, EXACT = range(5)
LOW_PORTS, HIGH_PORTS = (0, 1023), (1024, 65535)

# How many different exact ports and port ranges a ruleset has, however many rules.
EXACT_PORTS, PORT_RANGES = 400, 40
WELL_KNOWN = (80, 443, 53, 25, 22, 110, 143, 21, 23, 123, 161, 389, 445, 993, 1433, 1521, 3306,
              3389, 5060, 8080)


class Shape(NamedTuple):
    """Weights; of lengths by prefix length, of ports by class."""
    source_lengths: dict[int, int]
    destination_lengths: dict[int, int]
    source_ports: tuple[int, int, int, int, int]
    destination_ports: tuple[int, int, int, int, int]
    protocols: dict[int, int]  # 0: any
    # How often a prefix is one that another rule has, and how often a new one lies within another.
    reused: float
    nested: float


SHAPES = {
    "acl": Shape({0: 8, 8: 1, 16: 6, 20: 5, 22: 4, 24: 22, 26: 4, 28: 8, 30: 4, 32: 38},
                 {0: 2, 16: 4, 20: 4, 22: 4, 24: 22, 26: 6, 28: 8, 30: 6, 32: 44},
                 (97, 0, 1, 0, 2), (24, 0, 6, 10, 60), {TCP: 76, UDP: 14, ICMP: 3, 0: 7},
                 reused=0.45, nested=0.6),
    "fw": Shape({0: 34, 8: 3, 14: 2, 16: 8, 20: 2, 24: 14, 28: 4, 32: 33},
                {0: 30, 8: 2, 16: 8, 21: 3, 24: 16, 27: 4, 29: 5, 32: 32},
                (72, 1, 11, 5, 11), (34, 2, 12, 10, 42), {TCP: 55, UDP: 26, ICMP: 5, 0: 14},
                reused=0.4, nested=0.5),
    "ipc": Shape({0: 12, 8: 3, 12: 2, 16: 10, 19: 3, 21: 4, 24: 24, 27: 4, 30: 4, 32: 34},
                 {0: 10, 8: 3, 13: 2, 16: 10, 20: 4, 22: 4, 24: 23, 28: 6, 32: 38},
                 (80, 1, 4, 3, 12), (42, 1, 8, 9, 40), {TCP: 46, UDP: 22, ICMP: 5, 0: 27},
                 reused=0.45, nested=0.6),
}


class Addresses:
    """Prefixes that lie within each other and come again, the more often the earlier they came."""

    def __init__(self, random: Random, lengths: dict[int, int], shape: Shape) -> None:
        self.random = random
        self.lengths = list(lengths)
        self.weights = list(lengths.values())
        self.shape = shape
        self.known: dict[int, list[Prefix]] = {length: [] for length in lengths}

    def prefix(self) -> Prefix:
        length = self.random.choices(self.lengths, self.weights)[0]
        if not length:
            return ANYWHERE
        if self.known[length] and self.random.random() < self.shape.reused:
            return self._earlier(length)
        made = self._new(length)
        self.known[length].append(made)
        return made

    def _earlier(self, length: int) -> Prefix:
        known = self.known[length]
        return known[int(len(known) * self.random.random() ** 2)]

    def _new(self, length: int) -> Prefix:
        around = [shorter for shorter in self.lengths if 0 < shorter < length and
                  self.known[shorter]]
        address = self.random.randrange(1 << 24, 224 << 24)
        if around and self.random.random() < self.shape.nested:
            address = self._earlier(self.random.choice(around)).address_in(self.random)
        return Prefix(address >> (32 - length) << (32 - length), length)


class PortValues:
    def __init__(self, random: Random) -> None:
        self.random = random
        others = random.sample(range(1, 65536), EXACT_PORTS - len(WELL_KNOWN))
        self.exact = [*WELL_KNOWN, *others]
        self.ranges = []
        for _ in range(PORT_RANGES):
            first = random.randrange(0, 65000)
            self.ranges.append((first, min(first + random.choice((1, 3, 9, 50, 500, 5000)), 65535)))

    def _skewed(self, count: int) -> int:
        return int(count * self.random.random() ** 3)

    def ports(self, weights: tuple[int, ...]) -> Ports:
        kind = self.random.choices(range(5), weights)[0]
        if kind == EXACT:
            port = self.exact[self._skewed(len(self.exact))]
            return port, port
        if kind == RANGE:
            return self.ranges[self._skewed(len(self.ranges))]
        return {WILDCARD: ALL_PORTS, LOW: LOW_PORTS, HIGH: HIGH_PORTS}[kind]


def breadth(rule: Rule) -> float:
    """The logarithm of how many packets it matches."""
    return (64 - rule.source.length - rule.destination.length + (0 if rule.protocol else 8) +
            sum(math.log2(last - first + 1)
                for first, last in (rule.source_ports, rule.destination_ports)))


def rules(name: str, count: int) -> list[Rule]:
    """The same ones whenever it is called."""
    shape = SHAPES[name]
    random = Random(f"{name} {count}")
    sources = Addresses(random, shape.source_lengths, shape)
    destinations = Addresses(random, shape.destination_lengths, shape)
    ports = PortValues(random)
    made: dict[Rule, None] = {}
    while len(made) < count:
        protocol = random.choices(list(shape.protocols), list(shape.protocols.values()))[0]
        with_ports = protocol in (TCP, UDP)
        rule = Rule(sources.prefix(), destinations.prefix(), protocol,
                    ports.ports(shape.source_ports) if with_ports else ALL_PORTS,
                    ports.ports(shape.destination_ports) if with_ports else ALL_PORTS)
        # A rule for nearly everything hides all behind it.
        if rule.source.length + rule.destination.length >= 8:
            made[rule] = None
    return sorted(made, key=breadth)
