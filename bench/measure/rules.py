# SPDX-License-Identifier: GPL-2.0-or-later
"""The rulesets that are measured, and the packets that hit their rules."""

import itertools
import socket
import struct
from typing import NamedTuple


class Family(NamedTuple):
    name: str
    iptables: str  # what the command is called, and those of its kind begin with
    protocol: str  # NFPROTO_*
    bits: int  # of an address
    # Addresses get a number, in IPv6's both halves.
    sources: str
    destinations: str
    elsewhere: str  # a source that no rule has

    def source(self, number: int) -> str:
        return self.sources.format(number, 2 + number)

    def destination(self, number: int) -> str:
        return self.destinations.format(number, 2 + number)


IPV4 = Family("IPv4", "iptables", "2", 32, "192.168.0.{1}", "192.168.1.{1}", "192.168.200.1")
IPV6 = Family("IPv6", "ip6tables", "10", 128, "2001:db8:0:{0:x}::{1:x}",
              "2001:db8:1:{0:x}::{1:x}", "2001:db8:2::1")
FAMILIES = (IPV4, IPV6)


class Packet(NamedTuple):
    """Also a rule with five fields: these four and the protocol, UDP."""
    source: str
    destination: str
    source_port: int
    destination_port: int

    def argument(self) -> str:
        return ",".join(str(value) for value in self)


# How many different sources, destinations, source ports and destination ports the rules have.
SHAPES = {
    1: (1, 1, 1, 1),
    2: (1, 1, 2, 1),
    3: (1, 1, 3, 1),
    10: (1, 1, 5, 2),
    100: (5, 5, 2, 2),
    1000: (10, 5, 4, 5),
    10000: (10, 10, 10, 10),
    100000: (100, 10, 10, 10),
}


def five_fields(family: Family, count: int) -> list[Packet]:
    sources, destinations, source_ports, destination_ports = SHAPES[count]
    return [Packet(family.source(s), family.destination(d), 10100 + sp, 8080 + dp)
            for s, d, sp, dp in itertools.product(range(sources), range(destinations),
                                                  range(source_ports), range(destination_ports))]


def blocklist(count: int) -> list[str]:
    """IPv4 source addresses spread over 10.0.0.0/8, no two adjacent."""
    return [socket.inet_ntoa(struct.pack("!I", 0x0A000001 + i * 97)) for i in range(count)]


def five_field_rule(family: Family, rule: Packet) -> str:
    return (f"-s {rule.source}/{family.bits} -d {rule.destination}/{family.bits} -p udp -m udp "
            f"--sport {rule.source_port} --dport {rule.destination_port} -j DROP")


def restore_text(rules: list[str]) -> str:
    lines = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
    lines += [f"-A INPUT {rule}" for rule in rules]
    return "\n".join(lines + ["COMMIT", ""])


def five_field_text(family: Family, count: int) -> str:
    return restore_text([five_field_rule(family, rule) for rule in five_fields(family, count)])


def blocklist_text(count: int) -> str:
    return restore_text([f"-s {address}/32 -j DROP" for address in blocklist(count)])


CHAIN = "  type filter hook input priority 0; policy accept;"


def nft_rules_text(count: int) -> str:
    lines = ["table ip filter {", " chain INPUT {", CHAIN]
    lines += [f"  ip saddr {rule.source} ip daddr {rule.destination} "
              f"udp sport {rule.source_port} udp dport {rule.destination_port} counter drop"
              for rule in five_fields(IPV4, count)]
    return "\n".join(lines + [" }", "}", ""])


def nft_map_text(count: int) -> str:
    lines = ["table ip filter {", " map rules {",
             "  type ipv4_addr . ipv4_addr . inet_service . inet_service : verdict;",
             "  elements = {"]
    lines += [f"   {' . '.join(map(str, rule))} : drop," for rule in five_fields(IPV4, count)]
    lines += ["  }", " }", " chain INPUT {", CHAIN,
              "  meta l4proto udp ip saddr . ip daddr . udp sport . udp dport vmap @rules"]
    return "\n".join(lines + [" }", "}", ""])
