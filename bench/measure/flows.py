# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated IPv4 rules, as iptables-save prints them, and flows that match them."""

from random import Random
from typing import NamedTuple

ICMP, TCP, UDP = 1, 6, 17
PROTOCOL_NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp"}

Ports = tuple[int, int]  # first and last
ALL_PORTS: Ports = (0, 65535)


def dotted(address: int) -> str:
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


class Prefix(NamedTuple):
    address: int
    length: int

    def holds(self, address: int) -> bool:
        return (address ^ self.address) >> (32 - self.length) == 0

    def address_in(self, random: Random) -> int:
        return self.address | random.getrandbits(32 - self.length) if self.length < 32 \
            else self.address

    def __str__(self) -> str:
        return f"{dotted(self.address)}/{self.length}"


ANYWHERE = Prefix(0, 0)


class Flow(NamedTuple):
    source: int
    destination: int
    source_port: int
    destination_port: int
    protocol: int

    def argument(self) -> str:
        """What packet_parse() in bench/packet.h reads."""
        return (f"{dotted(self.source)},{dotted(self.destination)},{self.source_port},"
                f"{self.destination_port},{self.protocol}")


class Rule(NamedTuple):
    source: Prefix = ANYWHERE
    destination: Prefix = ANYWHERE
    protocol: int = 0  # 0: any; then there are no ports
    source_ports: Ports = ALL_PORTS
    destination_ports: Ports = ALL_PORTS

    def matches(self, flow: Flow) -> bool:
        return ((not self.protocol or self.protocol == flow.protocol) and
                self.source.holds(flow.source) and self.destination.holds(flow.destination) and
                self.source_ports[0] <= flow.source_port <= self.source_ports[1] and
                self.destination_ports[0] <= flow.destination_port <= self.destination_ports[1])

    def flow(self, random: Random) -> Flow:
        protocol = self.protocol or random.choice((TCP, UDP))
        ports = (0, 0) if protocol == ICMP else (random.randint(*self.source_ports),
                                                 random.randint(*self.destination_ports))
        return Flow(self.source.address_in(random), self.destination.address_in(random), *ports,
                    protocol)

    def conditions(self) -> str:
        parts = []
        if self.source.length:
            parts.append(f"-s {self.source}")
        if self.destination.length:
            parts.append(f"-d {self.destination}")
        if self.protocol:
            parts.append(f"-p {PROTOCOL_NAMES[self.protocol]}")
        ports = [f"{option} {first}" if first == last else f"{option} {first}:{last}"
                 for option, (first, last) in (("--sport", self.source_ports),
                                               ("--dport", self.destination_ports))
                 if (first, last) != ALL_PORTS]
        if ports:
            parts += [f"-m {PROTOCOL_NAMES[self.protocol]}", *ports]
        return " ".join(parts)


def last_flow(rules: list[Rule], random: Random) -> Flow:
    """One that gets past as many rules as possible, to a rule that matches it."""
    for number in range(len(rules) - 1, -1, -1):
        for _ in range(3):
            flow = rules[number].flow(random)
            if not any(rule.matches(flow) for rule in rules[:number]):
                return flow
    raise ValueError("no rule is reached by any flow")


def crossed_flow(rules: list[Rule], random: Random) -> Flow:
    """Each of its values comes from another rule, or from nowhere."""
    def value(number: int, anything: int) -> int:
        if random.random() < 0.2:
            return random.randrange(anything)
        return random.choice(rules).flow(random)[number]

    protocol = random.choice((TCP, UDP))
    return Flow(value(0, 1 << 32), value(1, 1 << 32), value(2, 1 << 16), value(3, 1 << 16),
                protocol)
