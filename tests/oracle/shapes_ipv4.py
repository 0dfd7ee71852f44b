# SPDX-License-Identifier: GPL-2.0-or-later
"""IPv4 packets of every shape."""

import struct
from random import Random

import packets
from addresses import to_number
from byte_matches import TRAFFIC_CLASSES
from packets import ICMP, UDP
from rules import RuleGraph
from shapes import Aim, Shapes
from topology import BROADCASTS

IP_OPTIONS = (b"\x01", b"\x07\x07\x04\0\0\0\0\0", b"\x94\x04\0\0",
              b"\x01" * 40, b"\x88\x04\0\1", b"\x07\x27\x04" + b"\0" * 37)


class ShapesIPv4(Shapes):
    icmp_protocol = ICMP
    protocols = (ICMP, 0, 2, 4, 33, 41, 47, 50, 51, 99, 132, 136, 253, 255)
    usual_icmp = ((8, 0), (8, 0), (0, 0), (3, 1), (3, 3), (11, 0), (5, 1), (13, 0), (12, 0), (8, 1))
    icmp_queries = ((8, 0), (8, 0), (8, 0), (13, 14), (17, 18), (15, 16))
    icmp_errors = ((3, 1), (3, 3), (3, 4), (11, 0), (12, 0), (4, 0), (5, 1))
    special_destinations = (*BROADCASTS, "255.255.255.255", "224.0.0.1")
    header_length = 20
    router = "203.0.113.254"

    def __init__(self, random: Random, hosts: list[str], graph: RuleGraph, tracked: bool) -> None:
        super().__init__(random, hosts, graph, tracked)
        self.identification = random.randrange(1 << 16)

    def sendable(self, address: str, *, neighbour: bool = False) -> str:
        """Zero, loopback and multicast sources and targets never get to a hook."""
        return address if 1 <= to_number(address) >> 24 < 224 and not address.startswith("127.") \
            else f"203.0.113.{to_number(address) % 254 + 1}"

    def icmp(self, source: str, destination: str, kind: int, code: int, *,
             rest: bytes = b"\0\0\0\0", payload: bytes = b"") -> bytes:
        return packets.icmp(kind, code, rest=rest, payload=payload)

    def icmp_message(self, aim: Aim, identifier: int, payload: bytes) -> bytes:
        if aim.icmp[0] in packets.ICMP_ERRORS:
            payload = self._quotation()
        return packets.icmp(*aim.icmp, payload=payload, rest=struct.pack("!HH", identifier, 1))

    @staticmethod
    def _quotation() -> bytes:
        """Of a packet that nobody sent; those of real flows are in the conversations."""
        inner = packets.udp("10.1.0.77", "8.8.8.8", 5000, 53, payload=b"q")
        return packets.ipv4("10.1.0.77", "8.8.8.8", UDP, inner)[:28]

    def _next_identification(self) -> int:
        self.identification = (self.identification + 1) % 65536 or 1
        return self.identification

    def plain(self, source: str, destination: str, protocol: int, segment: bytes) -> bytes:
        return packets.ipv4(source, destination, protocol, segment,
                            identification=self._next_identification())

    def is_broadcast(self, packet: bytes) -> bool:
        return packet[16] in (224, 255)

    def raw(self, packet: bytes) -> bytes:
        """A header that is too short for IP may be sent; the hooks see it."""
        if self.chance(0.01):
            return bytes((0x40 | self.random.randrange(5),)) + packet[1:]
        return packet

    def packets(self, aim: Aim, segment: bytes) -> list[bytes]:
        identification = self._next_identification()
        options = self.random.choice(IP_OPTIONS) if self.chance(0.05) else b""
        where = (aim.source, aim.destination, aim.protocol)
        if aim.fragment or self.chance(0.07):
            return self._fragments(where, segment + b"f" * 48, identification, options)
        padding = b"\0" * self.random.choice((0, 0, 0, 0, 0, 6))  # Ethernet's, beyond the length
        return [packets.ipv4(*where, self.cut(segment), identification=identification,
                             options=options, dont_fragment=self.chance(0.3),
                             tos=self.random.choice(TRAFFIC_CLASSES),
                             ttl=self.hop_limit(aim)) + padding]

    def _fragments(self, where: tuple, segment: bytes, identification: int,
                   options: bytes) -> list[bytes]:
        kind = self.random.choice(("whole", "whole", "shuffled", "one", "odd"))
        if kind == "odd":
            offset = self.random.choice((0, 1, 1, 2, 3, 185, 8100))
            return [packets.ipv4(*where, segment[:self.random.choice((8, 16, 24))], offset=offset,
                                 more_fragments=offset == 0 or self.chance(0.5),
                                 identification=identification, options=options)]
        first = self.random.choice((8, 16, 24, 32))
        parts = packets.fragments(*where, segment, [first, 16], identification=identification,
                                  options=options)
        if kind == "shuffled":
            self.random.shuffle(parts)
        return [self.random.choice(parts)] if kind == "one" else parts
