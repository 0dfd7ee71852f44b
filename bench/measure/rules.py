# SPDX-License-Identifier: GPL-2.0-or-later
"""The rulesets that are measured, and the packets that hit their rules."""

import itertools
import socket
import struct
from typing import NamedTuple


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

ELSEWHERE = "192.168.200.1"  # a source that no rule has


def five_fields(count: int) -> list[Packet]:
    sources, destinations, source_ports, destination_ports = SHAPES[count]
    return [Packet(f"192.168.0.{2 + s}", f"192.168.1.{2 + d}", 10100 + sp, 8080 + dp)
            for s, d, sp, dp in itertools.product(range(sources), range(destinations),
                                                  range(source_ports), range(destination_ports))]


def blocklist(count: int) -> list[str]:
    """Source addresses spread over 10.0.0.0/8, no two adjacent."""
    return [socket.inet_ntoa(struct.pack("!I", 0x0A000001 + i * 97)) for i in range(count)]


def five_field_rule(rule: Packet) -> str:
    return (f"-s {rule.source}/32 -d {rule.destination}/32 -p udp -m udp "
            f"--sport {rule.source_port} --dport {rule.destination_port} -j DROP")


def restore_text(rules: list[str]) -> str:
    lines = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]
    lines += [f"-A INPUT {rule}" for rule in rules]
    return "\n".join(lines + ["COMMIT", ""])


def five_field_text(count: int) -> str:
    return restore_text([five_field_rule(rule) for rule in five_fields(count)])


def blocklist_text(count: int) -> str:
    return restore_text([f"-s {address}/32 -j DROP" for address in blocklist(count)])


CHAIN = "  type filter hook input priority 0; policy accept;"


def nft_rules_text(count: int) -> str:
    lines = ["table ip filter {", " chain INPUT {", CHAIN]
    lines += [f"  ip saddr {rule.source} ip daddr {rule.destination} udp sport {rule.source_port} "
              f"udp dport {rule.destination_port} counter drop" for rule in five_fields(count)]
    return "\n".join(lines + [" }", "}", ""])


def nft_map_text(count: int) -> str:
    lines = ["table ip filter {", " map rules {",
             "  type ipv4_addr . ipv4_addr . inet_service . inet_service : verdict;",
             "  elements = {"]
    lines += [f"   {' . '.join(map(str, rule))} : drop," for rule in five_fields(count)]
    lines += ["  }", " }", " chain INPUT {", CHAIN,
              "  meta l4proto udp ip saddr . ip daddr . udp sport . udp dport vmap @rules"]
    return "\n".join(lines + [" }", "}", ""])
