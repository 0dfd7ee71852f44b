# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads rules back from iptables-save text, as far as needed to find packets that meet them."""

import shlex
import socket
import struct
from dataclasses import dataclass, field
from random import Random

from rulesets import BASE_CHAINS

MAXIMUM_PATH = 64
FLAG_BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}

# Option: the field it constrains. conntrack's original direction is taken for the packet's own.
FIELDS = {
    "-s": "source", "--source": "source", "--ctorigsrc": "source",
    "-d": "destination", "--destination": "destination", "--ctorigdst": "destination",
    "-p": "protocol", "--protocol": "protocol", "--ctproto": "protocol",
    "-i": "input", "-o": "output",
    "--sport": "source_port", "--source-port": "source_port", "--sports": "source_port",
    "--ctorigsrcport": "source_port",
    "--dport": "destination_port", "--destination-port": "destination_port",
    "--dports": "destination_port", "--ctorigdstport": "destination_port",
    "--ports": "destination_port",
    "--icmp-type": "icmp", "--tcp-option": "tcp_option",
    "--ctstate": "state", "--state": "state", "--ctstatus": "state", "--ctdir": "state",
}
PROTOCOL_NUMBERS = {"icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41,
                    "gre": 47, "esp": 50, "ah": 51, "sctp": 132, "udplite": 136}
ICMP_NAMES = {"any": "255", "echo-request": "8", "echo-reply": "0", "port-unreachable": "3/3",
              "time-exceeded": "11", "destination-unreachable": "3", "source-quench": "4",
              "parameter-problem": "12", "network-unreachable": "3/0", "host-unreachable": "3/1",
              "fragmentation-needed": "3/4"}


@dataclass
class Condition:
    field: str
    value: str
    inverted: bool


@dataclass
class Rule:
    chain: str
    conditions: list[Condition] = field(default_factory=list)
    target: str = ""

    def of(self, name: str) -> list[Condition]:
        return [condition for condition in self.conditions if condition.field == name]


def parse_rule(line: str) -> Rule | None:
    words = shlex.split(line[line.index("-A "):]) if "-A " in line else []
    if len(words) < 2:
        return None
    rule, inverted, position = Rule(words[1]), False, 2
    while position < len(words):
        word = words[position]
        following = words[position + 1:position + 3]
        position += 1
        if word in ("-j", "-g", "--jump", "--goto"):
            rule.target = following[0]
        elif word == "-f":
            rule.conditions.append(Condition("fragment", "", inverted))
        elif word == "--syn":
            rule.conditions.append(Condition("flags", "SYN,RST,ACK,FIN SYN", inverted))
        elif word == "--tcp-flags":
            rule.conditions.append(Condition("flags", " ".join(following), inverted))
        elif word in FIELDS and following:
            rule.conditions.append(Condition(FIELDS[word], following[0], inverted))
            position += 1
        inverted = word == "!"
    return rule


def parse_rules(text: str) -> list[Rule]:
    return [rule for line in text.splitlines() if not line.startswith((":", "*", "#"))
            and (rule := parse_rule(line))]


class RuleGraph:
    """The filter table's rules, and how a packet gets to each."""

    def __init__(self, text: str) -> None:
        self.rules = parse_rules(text)
        self.callers: dict[str, list[Rule]] = {}
        for rule in self.rules:
            self.callers.setdefault(rule.target, []).append(rule)

    def path(self, random: Random, rule: Rule) -> tuple[str, list[Condition]]:
        """A base chain from which the rule can be reached, and all conditions on the way."""
        conditions, chain = list(rule.conditions), rule.chain
        for _ in range(MAXIMUM_PATH):
            if chain in BASE_CHAINS or chain not in self.callers:
                break
            caller = random.choice(self.callers[chain])
            conditions += caller.conditions
            chain = caller.chain
        return (chain if chain in BASE_CHAINS else random.choice(BASE_CHAINS)), conditions

    def values(self, name: str) -> list[str]:
        return [condition.value for rule in self.rules for condition in rule.of(name)]


def to_number(address: str) -> int:
    return struct.unpack("!I", socket.inet_aton(address))[0]


def to_address(number: int) -> str:
    return socket.inet_ntoa(struct.pack("!I", number & 0xFFFFFFFF))


def parse_network(value: str) -> tuple[int, int]:
    """(address, mask)"""
    address, _, mask = value.partition("/")
    if not mask:
        return to_number(address), 0xFFFFFFFF
    if "." in mask:
        return to_number(address), to_number(mask)
    return to_number(address), (0xFFFFFFFF << (32 - int(mask))) & 0xFFFFFFFF


def in_network(address: str, value: str) -> bool:
    network, mask = parse_network(value)
    return not (to_number(address) ^ network) & mask


def parse_ports(value: str) -> list[tuple[int, int]]:
    """Both of tcp's 'first:last' and multiport's comma-separated lists."""
    result = []
    for part in value.split(","):
        first, colon, last = part.partition(":")
        result.append((int(first or 0), int(last or 65535) if colon else int(first)))
    return result


def in_ports(port: int, value: str) -> bool:
    return any(first <= port <= last for first, last in parse_ports(value))


def parse_protocol(value: str) -> int:
    """0 is any."""
    return int(value) if value.isdigit() else PROTOCOL_NUMBERS.get(value, 0)


def parse_icmp(value: str) -> tuple[int, int | None]:
    """(type, code), with None for any code."""
    kind, _, code = ICMP_NAMES.get(value, value).partition("/")
    return (int(kind) if kind.isdigit() else 8), int(code) if code else None


def parse_flags(value: str) -> tuple[int, int]:
    """(mask, wanted)"""
    mask, wanted = (sum({FLAG_BITS.get(name, 0) for name in part.split(",")})
                    for part in (value + " NONE").split()[:2])
    return mask & 255, wanted & 255


def name_matches(name: str, value: str) -> bool:
    return name.startswith(value[:-1]) if value.endswith("+") else name == value
