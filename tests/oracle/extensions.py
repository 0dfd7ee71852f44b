# SPDX-License-Identifier: GPL-2.0-or-later
"""Chains of IPv6 extension headers: those that a rule asks for, and any others in any order."""

from random import Random

from byte_matches import INDICES
from packets_ipv6 import (DESTINATION, HOP_BY_HOP, ROUTING, Extension, authentication_extension,
                          fragment_extension, options_extension, routing_extension)
from rules import Condition, RuleGraph, parse_options, parse_range
from shapes import Aim

# Fields of a rule that ask for a header, by the header.
HOP_FIELDS = ("hop", "hop_length", "hop_options")
DESTINATION_FIELDS = ("destination_header", "destination_length", "destination_options")
ROUTING_FIELDS = ("routing", "routing_type", "segments_left", "routing_length",
                  "routing_addresses")
ALL_FIELDS = (*HOP_FIELDS, *DESTINATION_FIELDS, *ROUTING_FIELDS, "headers", "fragment")
HEADER_SPELLINGS = {"hop": 0, "hop-by-hop": 0, "dst": 60, "ipv6-opts": 60, "route": 43,
                    "ipv6-route": 43, "frag": 44, "ipv6-frag": 44, "auth": 51, "ah": 51}
# Types whose two upper bits let a receiver pass over what it does not know (RFC 8200 section 4.2).
SKIPPED_TYPES = (30, 5, 62, 18)
ROUTING_TYPES = (0, 0, 2, 4, 253)
MANY = (8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 150)  # headers; still less than an MTU
MAXIMUM_PADDING = 5  # Linux drops more than 7 bytes of it in a row (exthdrs.c ip6_parse_tlv())


class ExtensionMaker:
    def __init__(self, random: Random, hosts: list[str], graph: RuleGraph) -> None:
        self.random = random
        self.hosts = hosts
        asking = sum(any(rule.of(name) for name in ALL_FIELDS) for rule in graph.rules)
        # Of the packets, those with headers that nothing asks for.
        self.share = min(0.12 + asking / (len(graph.rules) + 1), 0.4)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def chain(self, aim: Aim) -> list[Extension]:
        fields = aim.fields
        chain = self._of_header_match(fields.get("headers", []))
        for number, names in ((HOP_BY_HOP, HOP_FIELDS), (DESTINATION, DESTINATION_FIELDS),
                              (ROUTING, ROUTING_FIELDS)):
            if any(name in fields for name in names) and self.chance(0.85) and \
                    all(extension.number != number for extension in chain):
                chain.append(self._header(number, fields))
        if self.chance(0.004):
            chain += [options_extension(DESTINATION, b"")] * self.random.choice(MANY)
        elif self.chance(self.share):
            count = self.random.choice((1, 1, 1, 2, 2, 3, 4, 7))
            chain += [self._header(self.random.choice((0, 0, 60, 60, 43, 43, 51, 44)), fields)
                      for _ in range(count)]
        return self._ordered(chain)

    def _ordered(self, chain: list[Extension]) -> list[Extension]:
        """Hop-by-hop options first, or they do not get through IP; the others as they come."""
        if self.chance(0.6):
            self.random.shuffle(chain)
        if self.chance(0.9):
            chain.sort(key=lambda extension: extension.number != HOP_BY_HOP)
        return chain

    def _of_header_match(self, conditions: list[Condition]) -> list[Extension]:
        chain = []
        for condition in conditions:
            for name in condition.value.split(","):
                number = int(name) if name.isdigit() else HEADER_SPELLINGS.get(name)
                if number in (0, 43, 44, 51, 60) and self.chance(0.9):
                    chain.append(self._header(number, {}))
        return chain

    def _header(self, number: int, fields: dict[str, list[Condition]]) -> Extension:
        lie = self.random.choice((0, 1, 2, 3, 255)) if self.chance(0.04) else None
        if number == HOP_BY_HOP:
            options = self._options(fields.get("hop_options", []), True)
            return options_extension(number, options, lie)
        if number == DESTINATION:
            options = self._options(fields.get("destination_options", []), False)
            return options_extension(number, options, lie)
        if number == ROUTING:
            return self._routing(fields, lie)
        if number == 51:
            return authentication_extension(self.random.choice(INDICES),
                                            b"\0" * self.random.choice((0, 4, 8, 12, 12, 20)), lie)
        return fragment_extension(0, False, self.random.choice((0x10001, 0xFFFFFFFF)))

    def _options(self, conditions: list[Condition], hop_by_hop: bool) -> bytes:
        """Those that a rule asks for, or any."""
        if conditions and self.chance(0.85):
            wanted = parse_options(self.random.choice(conditions).value)
            if self.chance(0.15):
                wanted = wanted[:-1]
            return b"".join(self._option(kind, length) for kind, length in wanted)
        kinds = self.random.choices((0, 1, *SKIPPED_TYPES), k=self.random.choice((0, 1, 1, 2, 3)))
        if not hop_by_hop or self.chance(0.05):
            kinds += self.random.choices((138, 194, 201, 255), k=self.random.choice((0, 1)))
        return b"".join(self._option(kind, None) for kind in kinds)

    def _option(self, kind: int, length: int | None) -> bytes:
        if kind == 0:
            return b"\0"
        if length is None or self.chance(0.1):
            length = 2 if kind == 5 else self.random.choice((0, 1, 2, 4, MAXIMUM_PADDING))
        return bytes((kind, length)) + b"\0" * min(length, 40)

    def _routing(self, fields: dict[str, list[Condition]], lie: int | None) -> Extension:
        kind = self.random.choice(ROUTING_TYPES)
        for condition in fields.get("routing_type", []):
            kind = int(condition.value) if self.chance(0.85) else kind
        left = self.random.choice((0, 0, 0, 1, 2, 255))
        for condition in fields.get("segments_left", []):
            low, high = parse_range(condition.value, 255)
            left = self.random.choice((low, high, high + 1, left)) & 255
        reserved = self.random.choice((0, 0, 0, 1))
        if kind == 4:  # the number of the last segment, flags and a tag (RFC 8754 section 2)
            reserved |= self.random.randrange(4) << 24
        return routing_extension(kind, left, self._addresses(fields), reserved, lie)

    def _addresses(self, fields: dict[str, list[Condition]]) -> list[str]:
        """What a rule asks for, mostly with something wrong: missing, in between or too much."""
        for condition in fields.get("routing_addresses", []):
            addresses = condition.value.split(",")
            change = self.random.choice(("", "", "insert", "append", "shuffle", "drop"))
            if change in ("insert", "append"):
                place = self.random.randint(0, len(addresses)) if change == "insert" else 99
                addresses.insert(place, self.random.choice(self.hosts))
            elif change == "shuffle":
                self.random.shuffle(addresses)
            return addresses[:-1] if change == "drop" else addresses
        for condition in fields.get("routing_length", []):
            return self.random.choices(self.hosts, k=(int(condition.value) // 16) % 4)
        return self.random.choices(self.hosts, k=self.random.choice((0, 1, 1, 2, 3)))
