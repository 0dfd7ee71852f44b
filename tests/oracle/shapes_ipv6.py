# SPDX-License-Identifier: GPL-2.0-or-later
"""IPv6 packets of every shape: chains of extension headers, whole, cut short and lying."""

import struct
from random import Random

import packets
from addresses import in_network, packed, to_number
from byte_matches import TRAFFIC_CLASSES
from extensions import ExtensionMaker
from packets import AH, ESP, ICMPV6, TCP, UDP
from packets_ipv6 import (HEADER_LENGTH, KEPT_IDENTIFICATION, MOBILITY, NO_NEXT, Extension,
                          assemble, fragment_extension, fragments_ipv6, ipv6, mobility_message)
from rules import RuleGraph, parse_range
from shapes import Aim, Shapes
from topology import LINK_LOCAL, LINK_LOCAL_HOSTS, LINKS, MULTICAST_GROUPS

MULTICAST_LISTENER_QUERY = 130
DISCOVERY_TYPES = range(133, 138)
USABLE_NETWORKS = ("2000::/3", "fc00::/7")


class ShapesIPv6(Shapes):
    icmp_protocol = ICMPV6
    protocols = (ICMPV6, 0, 1, 4, 33, 41, 43, 44, 47, ESP, AH, NO_NEXT, 60, 99, 132, MOBILITY,
                 MOBILITY, 136, 253, 255)
    usual_icmp = ((128, 0), (128, 0), (129, 0), (1, 4), (1, 0), (2, 0), (3, 0), (4, 1), (135, 0),
                  (136, 0), (133, 0), (134, 0), (137, 0), (128, 1), (143, 0), (139, 0), (144, 0))
    icmp_queries = ((128, 129),)
    icmp_errors = ((1, 0), (1, 1), (1, 3), (1, 4), (2, 0), (3, 0), (3, 1), (4, 0), (4, 1))
    special_destinations = (*MULTICAST_GROUPS, *(link.link_local for link in LINKS))
    header_length = HEADER_LENGTH
    router = "2001:db8:ffff::fe"

    def __init__(self, random: Random, hosts: list[str], graph: RuleGraph, tracked: bool) -> None:
        super().__init__(random, hosts, graph, tracked)
        self.identification = random.getrandbits(16)
        self.extensions = ExtensionMaker(random, hosts, graph)

    def sendable(self, address: str, *, neighbour: bool = False) -> str:
        """
        Link-local neighbours are those that need not be asked for. Nothing is sent to others
        through the firewall: it would redirect the sender, and at most once in a second.
        """
        if any(in_network(address, network) for network in USABLE_NETWORKS):
            return address
        if neighbour and in_network(address, LINK_LOCAL):
            return self.random.choice(LINK_LOCAL_HOSTS)
        return f"2001:db8:ffff::{to_number(address) % 65535 + 1:x}"

    def is_link_local(self, address: str) -> bool:
        return in_network(address, LINK_LOCAL)

    def icmp(self, source: str, destination: str, kind: int, code: int, *,
             rest: bytes = b"\0\0\0\0", payload: bytes = b"") -> bytes:
        return packets.icmpv6(source, destination, kind, code, rest=rest, payload=payload)

    def icmp_message(self, aim: Aim, identifier: int, payload: bytes) -> bytes:
        """A listener query would be answered after a random time."""
        kind, code = aim.icmp
        rest = struct.pack("!HH", identifier, 1)
        if kind == MULTICAST_LISTENER_QUERY:
            rest, payload = b"", b""
        elif kind in packets.ICMPV6_ERRORS:
            rest, payload = struct.pack("!I", 1400 if kind == 2 else 0), self._quotation()
        elif kind in DISCOVERY_TYPES:
            rest = b"\0\0\0\0"
            payload = packed(aim.destination) + self.random.choice((b"", b"\0" * 16, payload))
        return packets.icmpv6(aim.source, aim.destination, kind, code, rest=rest, payload=payload,
                              wrong_checksum=self.chance(0.015))

    @staticmethod
    def _quotation() -> bytes:
        """Of a packet that nobody sent; those of real flows are in the conversations."""
        ends = ("2001:db8:1::77", "2001:4860:4860::8888")
        return ipv6(*ends, UDP, packets.udp(*ends, 5000, 53, payload=b"q"))

    def _identification(self, aim: Aim) -> int:
        """One that rules can ask for, where the kernel does not keep the fragment."""
        if self.tracked or aim.chain != "FORWARD":
            self.identification = (self.identification + 1) & 0xFFFF
            return self.identification
        return KEPT_IDENTIFICATION | self._wanted_identification(aim)

    def _wanted_identification(self, aim: Aim) -> int:
        wanted = [condition.value for condition in aim.fields.get("fragment_id", [])]
        if not wanted or self.chance(0.3):
            return self.random.choice((0x10001, 0x10002, self.random.getrandbits(32)))
        low, high = parse_range(self.random.choice(wanted), 0xFFFFFFFF)
        return min(self.random.choice((low, high, high + 1)), 0xFFFFFFFF)

    def hop_limit(self, aim: Aim) -> int:
        if aim.icmp[0] in DISCOVERY_TYPES and aim.protocol == ICMPV6 and self.chance(0.8):
            return 255  # RFC 4861: otherwise a router had forwarded it
        return super().hop_limit(aim)

    def _header(self, aim: Aim) -> dict:
        return {"hop_limit": self.hop_limit(aim),
                "traffic_class": self.random.choice(TRAFFIC_CLASSES),
                "flow_label": self.random.choice((0, 0, 0, 0xFFFFF, 0x12345))}

    def packets(self, aim: Aim, segment: bytes) -> list[bytes]:
        protocol, segment = self._final(aim, segment)
        extensions = self.extensions.chain(aim)
        if aim.fragment or self.chance(0.08):
            return self._fragments(aim, extensions, protocol, segment)
        first, payload = assemble(extensions, protocol, self.cut(segment))
        padding = b"\0" * self.random.choice((0, 0, 0, 0, 0, 6))  # Ethernet's, beyond the length
        packet = self._cut_anywhere(aim, first, payload)
        return [packet + padding]

    def _cut_anywhere(self, aim: Aim, first: int, payload: bytes) -> bytes:
        """The chain of headers may end at any byte; the length in the header is mostly right."""
        if self.chance(0.07):
            payload = payload[:self.random.randint(0, min(len(payload), 40))]
        header = self._header(aim)
        if aim.chain == "OUTPUT" and self.chance(0.03):
            header["payload_length"] = self.random.choice((0, len(payload) // 2, 65535))
        return ipv6(aim.source, aim.destination, first, payload, **header)

    def _final(self, aim: Aim, segment: bytes) -> tuple[int, bytes]:
        """(protocol, what it has instead of the segment where that is another thing)"""
        if aim.protocol == MOBILITY:
            message = self._mobility(aim)
            following = NO_NEXT if self.chance(0.93) else self.random.choice((TCP, 0, 255))
            return MOBILITY, bytes((following,)) + message.body
        if aim.protocol == NO_NEXT and self.chance(0.5):
            return NO_NEXT, b""
        return aim.protocol, segment

    def _mobility(self, aim: Aim) -> Extension:
        wanted = [condition.value for condition in aim.fields.get("mobility_type", [])]
        kind = self.random.randrange(9)
        if wanted and wanted[0].replace(":", "").isdigit() and self.chance(0.8):
            kind = min(max(self.random.choice(parse_range(wanted[0], 255)) +
                           self.random.choice((0, 0, 0, 1, -1)), 0), 255)
        length = self.random.randrange(256) if self.chance(0.05) else None
        return mobility_message(kind, length, b"\0" * self.random.choice((2, 10, 26)))

    def _fragments(self, aim: Aim, extensions: list[Extension], protocol: int,
                   segment: bytes) -> list[bytes]:
        """Some headers are before the fragment header, the others are cut up with the data."""
        place = self.random.randint(0, len(extensions))
        before, inside = extensions[:place], extensions[place:]
        identification = self._identification(aim)
        kind = self.random.choice(("whole", "whole", "shuffled", "one", "odd", "atomic", "atomic"))
        first, data = assemble(inside, protocol, segment)
        if kind == "atomic":
            fragment = fragment_extension(0, False, self._wanted_identification(aim),
                                          self.random.choice((0, 0, 0, 1, 2, 4, 0x3FC)))
            number, payload = assemble([*before, fragment, *inside], protocol, segment)
            return [self._cut_anywhere(aim, number, payload)]
        if kind == "odd":
            return [self._odd_fragment(aim, before, first, data, identification)]
        parts = fragments_ipv6(aim.source, aim.destination, before, first, data + b"f" * 48,
                               [self.random.choice((8, 16, 24, 32)), 16], identification,
                               **self._header(aim))
        if kind == "shuffled":
            self.random.shuffle(parts)
        return [self.random.choice(parts)] if kind == "one" else parts

    def _odd_fragment(self, aim: Aim, before: list[Extension], protocol: int, data: bytes,
                      identification: int) -> bytes:
        offset = self.random.choice((0, 1, 1, 2, 3, 185, 8100))
        fragment = fragment_extension(offset, offset == 0 or self.chance(0.5), identification,
                                      self.random.choice((0, 0, 1, 3, 0x3FC)))
        first, payload = assemble([*before, fragment], protocol,
                                  data[:self.random.choice((0, 4, 8, 16, 24))])
        return self._cut_anywhere(aim, first, payload)
