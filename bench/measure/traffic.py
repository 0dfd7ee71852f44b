# SPDX-License-Identifier: GPL-2.0-or-later
"""What live traffic is made of, and the rules that it meets."""

import random
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from measure import rules

UDP, TCP = 17, 6
NUMBERS = {"udp": UDP, "tcp": TCP}

# bench/flow.h
RANDOM_PORT, RANDOM_ADDRESS, SYN = 1, 2, 4

# Among which a random address is drawn; no rule has one of them.
RANDOM_ADDRESSES = "172.16.0.0"


class Flow(NamedTuple):
    source: str
    destination: str
    source_port: int = 40000
    destination_port: int = 8080
    protocol: int = UDP
    flags: int = 0

    def pack(self) -> bytes:
        """struct flow of bench/flow.h"""
        return struct.pack("!4s4sHHBBxx", socket.inet_aton(self.source),
                           socket.inet_aton(self.destination), self.source_port,
                           self.destination_port, self.protocol, self.flags)


class Rule(NamedTuple):
    """What is empty or 0 is not asked for."""
    source: str = ""
    destination: str = ""
    protocol: str = ""
    source_port: int = 0
    destination_port: int = 0

    def flow(self) -> Flow:
        """A flow that the rule matches."""
        return Flow(self.source or "10.255.0.1", self.destination or "192.168.1.2",
                    self.source_port or 40000, self.destination_port or 8080,
                    NUMBERS[self.protocol or "udp"])


@dataclass(frozen=True)
class Ruleset:
    hook: str  # INPUT, FORWARD or OUTPUT
    target: str  # of all rules: ACCEPT or DROP
    rules: Sequence[Rule] = ()
    established: bool = False  # whether packets of established connections are accepted first
    service: int = 0  # the TCP port to which new connections are accepted, at the end
    name: str = "five fields"


@dataclass(frozen=True)
class Traffic:
    name: str
    flows: Sequence[Flow]
    policy: str  # of the chain meanwhile
    passes: float  # the share of the packets

    def needs_proof(self) -> bool:
        """Whether the policy could be what decides; then it is what has to decide."""
        return self.passes == (1 if self.policy == "ACCEPT" else 0)


SKEWED_PACKETS = 1 << 16  # until they begin again

OPPOSITE = {"ACCEPT": "DROP", "DROP": "ACCEPT"}
PASSES = {"ACCEPT": 1, "DROP": 0}


def five_fields(count: int) -> list[Rule]:
    return [Rule(rule.source, rule.destination, "udp", rule.source_port, rule.destination_port)
            for rule in rules.five_fields(rules.IPV4, count)]


def shuffled(flows: Sequence[Flow]) -> list[Flow]:
    """In the same order each time."""
    return random.Random(1).sample(flows, len(flows))


def skewed(flows: Sequence[Flow]) -> list[Flow]:
    """As real traffic is: the second flow has half as many packets as the first, the third a third
    of them (Zipf's law). Which flow is which has nothing to do with the rules' order."""
    weights = [1 / (rank + 1) for rank in range(len(flows))]
    return random.Random(2).choices(shuffled(flows), weights, k=SKEWED_PACKETS)


def hits(name: str, ruleset: Ruleset, flows: Sequence[Flow]) -> Traffic:
    return Traffic(name, flows, OPPOSITE[ruleset.target], PASSES[ruleset.target])


def misses(name: str, ruleset: Ruleset, flows: Sequence[Flow]) -> Traffic:
    """The policy does to it what the rules would: so all that differs is the search."""
    return Traffic(name, flows, ruleset.target, PASSES[ruleset.target])


def from_afar(hook: str, flow: Flow, flags: int = 0) -> Flow:
    """The flow, its remote end being where no rule looks for it."""
    if hook == "OUTPUT":
        return flow._replace(destination=RANDOM_ADDRESSES, flags=flags)
    return flow._replace(source=RANDOM_ADDRESSES, flags=flags)


def shapes(ruleset: Ruleset) -> list[Traffic]:
    """Last and first rule, all of them, all but some more often than others; none, by one flow and
    by flows that are never seen twice."""
    flows = [rule.flow() for rule in ruleset.rules]
    return [hits("last", ruleset, flows[-1:]), hits("first", ruleset, flows[:1]),
            hits("uniform", ruleset, shuffled(flows)), hits("skewed", ruleset, skewed(flows)),
            misses("none", ruleset, [from_afar(ruleset.hook, flows[-1])]),
            misses("random", ruleset, [from_afar(ruleset.hook, flows[-1],
                                                 RANDOM_PORT | RANDOM_ADDRESS)])]
