# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads rules back from iptables-save text, as far as needed to find packets that meet them."""

import shlex
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
    "--icmp-type": "icmp", "--icmpv6-type": "icmp", "--tcp-option": "tcp_option",
    "--ctstate": "state", "--state": "state", "--ctstatus": "state", "--ctdir": "state",
    "--header": "headers", "--hl-eq": "hop_limit", "--hl-lt": "hop_limit", "--hl-gt": "hop_limit",
    "--ttl-eq": "hop_limit", "--ttl-lt": "hop_limit", "--ttl-gt": "hop_limit",
    "--fragid": "fragment_id", "--rt-type": "routing_type", "--rt-segsleft": "segments_left",
    "--rt-len": "routing_length", "--rt-0-addrs": "routing_addresses",
    "--hbh-len": "hop_length", "--hbh-opts": "hop_options",
    "--dst-len": "destination_length", "--dst-opts": "destination_options",
    "--mh-type": "mobility_type",
}
# Options without a value, and matches that mean something by being there.
FLAGS = {
    "-f": "fragment", "--soft": "soft", "--fragfirst": "first_fragment",
    "--fragmore": "more_fragments", "--fraglast": "last_fragment", "--fragres": "fragment_reserved",
    "--rt-0-res": "routing_reserved", "--rt-0-not-strict": "not_strict",
}
MATCHES = {"frag": "fragment", "rt": "routing", "hbh": "hop", "dst": "destination_header",
           "eui64": "eui64"}
PROTOCOL_NUMBERS = {"icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41,
                    "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58,
                    "hopopt": 0, "ipv6-route": 43, "ipv6-frag": 44, "ipv6-nonxt": 59,
                    "ipv6-opts": 60, "sctp": 132, "mh": 135, "ipv6-mh": 135,
                    "mobility-header": 135, "udplite": 136}
ICMP_NAMES = {"any": "255", "echo-request": "8", "echo-reply": "0", "port-unreachable": "3/3",
              "time-exceeded": "11", "destination-unreachable": "3", "source-quench": "4",
              "parameter-problem": "12", "network-unreachable": "3/0", "host-unreachable": "3/1",
              "fragmentation-needed": "3/4"}
ICMPV6_NAMES = {"destination-unreachable": "1", "no-route": "1/0",
                "communication-prohibited": "1/1", "beyond-scope": "1/2",
                "address-unreachable": "1/3", "port-unreachable": "1/4",
                "packet-too-big": "2", "time-exceeded": "3", "ttl-zero-during-transit": "3/0",
                "parameter-problem": "4", "bad-header": "4/0", "echo-request": "128",
                "echo-reply": "129", "router-solicitation": "133", "router-advertisement": "134",
                "neighbour-solicitation": "135", "neighbor-solicitation": "135",
                "neighbour-advertisement": "136", "neighbor-advertisement": "136",
                "redirect": "137"}


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
        elif word in FLAGS:
            rule.conditions.append(Condition(FLAGS[word], "", inverted))
        elif word == "-m" and following and following[0] in MATCHES:
            rule.conditions.append(Condition(MATCHES[following[0]], "", False))
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


def parse_icmp(value: str, version: int) -> tuple[int, int | None]:
    """(type, code), with None for any code."""
    names, echo = (ICMPV6_NAMES, 128) if version == 6 else (ICMP_NAMES, 8)
    kind, _, code = names.get(value, value).partition("/")
    return (int(kind) if kind.isdigit() else echo), int(code) if code else None


def parse_range(value: str, last: int) -> tuple[int, int]:
    """One 'number' or 'first:last'."""
    first, colon, end = value.partition(":")
    low = int(first or 0)
    return low, int(end or last) if colon else low


def parse_options(value: str) -> list[tuple[int, int | None]]:
    """The (type, length or None) of hbh's and dst's lists."""
    pairs = [part.partition(":") for part in value.split(",")]
    return [(int(kind), int(length) if length else None) for kind, _, length in pairs]


def parse_flags(value: str) -> tuple[int, int]:
    """(mask, wanted)"""
    mask, wanted = (sum({FLAG_BITS.get(name, 0) for name in part.split(",")})
                    for part in (value + " NONE").split()[:2])
    return mask & 255, wanted & 255


def name_matches(name: str, value: str) -> bool:
    return name.startswith(value[:-1]) if value.endswith("+") else name == value
