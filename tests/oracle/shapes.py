# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet aims at, and how one family gives a segment its headers: the common part."""

from dataclasses import dataclass
from random import Random

from packets_ipv6 import ip_packet
from rules import Condition, RuleGraph

HOP_LIMITS = (64,) * 12 + (255, 254, 65, 63, 2, 1, 0)
CUTS = (0, 1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 19, 20, 24)  # what may be left of a segment


@dataclass
class Aim:
    """The values that a packet shall have."""
    chain: str
    source: str
    destination: str
    protocol: int
    source_port: int
    destination_port: int
    flags: int
    icmp: tuple[int, int]
    tcp_option: int | None
    fragment: bool
    input: str | None  # an interface of the firewall
    conversation: bool
    fields: dict[str, list[Condition]]  # all that the rule asks for


class Shapes:
    icmp_protocol: int
    protocols: tuple[int, ...]                # besides TCP and UDP
    usual_icmp: tuple[tuple[int, int], ...]
    icmp_queries: tuple[tuple[int, int], ...]  # and their answers
    icmp_errors: tuple[tuple[int, int], ...]
    special_destinations: tuple[str, ...]     # of INPUT, that are nobody's address
    header_length: int                        # without options
    router: str                               # that sends errors

    def __init__(self, random: Random, hosts: list[str], graph: RuleGraph, tracked: bool) -> None:
        """@graph: what packets are made for. @tracked: the kernel may put fragments together."""
        self.random = random
        self.hosts = hosts
        self.tracked = tracked

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def sendable(self, address: str, *, neighbour: bool = False) -> str:
        """
        The address, or another one if the IP stack would drop it before any hook. @neighbour: it
        need not be beyond the link.
        """
        raise NotImplementedError

    def icmp(self, source: str, destination: str, kind: int, code: int, *,
             rest: bytes = b"\0\0\0\0", payload: bytes = b"") -> bytes:
        raise NotImplementedError

    def icmp_message(self, aim: Aim, identifier: int, payload: bytes) -> bytes:
        raise NotImplementedError

    def packets(self, aim: Aim, segment: bytes) -> list[bytes]:
        raise NotImplementedError

    def raw(self, packet: bytes) -> bytes:
        """What root may send besides, with a header of its own."""
        return packet

    def plain(self, source: str, destination: str, protocol: int, segment: bytes) -> bytes:
        return ip_packet(source, destination, protocol, segment)

    def is_broadcast(self, packet: bytes) -> bool:
        return False

    def is_link_local(self, address: str) -> bool:
        return False

    def hop_limit(self, aim: Aim) -> int:
        """What a rule asks for. A forwarded packet has one less when it gets to the hook."""
        wanted = [int(condition.value) for condition in aim.fields.get("hop_limit", [])]
        if not wanted or self.chance(0.2):
            return self.random.choice(HOP_LIMITS)
        return min(max(self.random.choice(wanted) + self.random.choice((-1, 0, 1, 2)), 0), 255)

    def cut(self, segment: bytes) -> bytes:
        return segment[:self.random.choice(CUTS)] if self.chance(0.07) else segment
