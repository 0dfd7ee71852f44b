# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole cases: random ones, and real rulesets with traffic made for them."""

import re
from pathlib import Path
from random import Random

from case import Case
from rules import RuleGraph, parse_network, to_address
from rulesets import Generator, Nat
from topology import LOCAL_ADDRESSES
from traffic import Traffic, random_commands

# Names of which one begins another, of the greatest length, and with every kind of letter.
INTERFACE_NAMES = ("eth0", "eth1", "eth10", "eth", "eth0.4094", "br-lan", "wlan0", "tun0", "e",
                   "abcdefghijklmno", "abcdefghijklmn", "ppp0", "wg_0", "lo0", "vlan100.uplink")
MAXIMUM_STEPS = 400
MAXIMUM_STEPS_REAL = 900

FEATURES_MATCHES = {"tcp", "udp", "icmp", "multiport", "conntrack", "state", "comment"}
FEATURES_TARGETS = {"ACCEPT", "DROP", "RETURN"}
MATCH_OR_TARGET = re.compile(r" -(m|j|g) (\S+)")


def random_case(seed: str, *, disturbances: bool = True) -> Case:
    """disturbances: commands and new interface names between packets."""
    random = Random(seed)
    interfaces = random.sample(INTERFACE_NAMES, 3)
    ruleset = Generator(random, interfaces).ruleset()
    text = ruleset.tables["filter"]
    traffic = Traffic(random, RuleGraph(text), ruleset.hosts, interfaces, ruleset.nat, [])
    steps = traffic.steps(min(60 + 4 * text.count("\n"), MAXIMUM_STEPS))
    extra: list[dict] = []
    if disturbances and random.random() < 0.15:
        extra += random_commands(random, text, random.randint(1, 4))
    if disturbances and random.random() < 0.08:
        name = random.choice([name for name in INTERFACE_NAMES if name not in interfaces])
        extra.append({"do": "rename", "link": random.randrange(3), "name": name})
    for step in extra:
        steps.insert(random.randint(0, len(steps)), step)
    return Case(seed, ruleset.tables, steps, interfaces)


def concrete_name(name: str) -> str:
    return name[:-1] + "0" if name.endswith("+") else name


def interfaces_of(graph: RuleGraph) -> list[str]:
    """Three names for the links: those that most rules name."""
    names = [concrete_name(value) for direction in ("input", "output")
             for value in graph.values(direction)]
    usable = [name for name in names if name != "lo" and 0 < len(name) < 16]
    frequent = sorted(set(usable), key=lambda name: (-usable.count(name), name))
    return [*frequent, *(name for name in ("eth0", "eth1", "eth2", "eth3")
                         if name not in frequent)][:3]


def local_addresses_of(graph: RuleGraph, random: Random) -> list[str]:
    """Some of the addresses that the rules of INPUT name: the real firewall's own, by the look."""
    addresses = set()
    for rule in graph.rules:
        chain, conditions = graph.path(random, rule)
        for condition in conditions if chain == "INPUT" else []:
            if condition.field == "destination" and not condition.inverted:
                network, mask = parse_network(condition.value)
                address = to_address(network | (0 if mask == 0xFFFFFFFF else 1))
                if 1 <= network >> 24 < 224 and network >> 24 != 127:
                    addresses.add(address)
    addresses -= set(LOCAL_ADDRESSES)
    return random.sample(sorted(addresses), min(8, len(addresses)))


def unsupported_features(text: str) -> set[str]:
    """Matches and targets that are beyond what bpf-iptables knows."""
    chains = {line[1:].split()[0] for line in text.splitlines() if line.startswith(":")}
    found = set()
    for line in text.splitlines():
        for kind, name in MATCH_OR_TARGET.findall(re.sub(r'"[^"]*"', "", line)):
            known = FEATURES_MATCHES if kind == "m" else FEATURES_TARGETS | chains
            found |= {name} - known
    return found


def reduced(text: str) -> tuple[str, int]:
    """What is left of a ruleset without the rules that are beyond; REJECT becomes DROP."""
    text = re.sub(r"-j REJECT( --reject-with \S+)?", "-j DROP", text)
    chains = "\n".join(line for line in text.splitlines() if line.startswith(":")) + "\n"
    lines = [line for line in text.splitlines(True)
             if "-A " not in line or not unsupported_features(chains + line)]
    return "".join(lines), len(text.splitlines()) - len(lines)


def real_case(path: Path, text: str, seed: str) -> Case:
    random = Random(f"{seed}:{path.name}")
    graph = RuleGraph(text)
    interfaces = interfaces_of(graph)
    local = local_addresses_of(graph, random)
    hosts = ["10.1.0.50", "8.8.8.8", "172.16.3.4", "192.168.1.10"]
    traffic = Traffic(random, graph, hosts, interfaces, Nat(), local)
    steps = traffic.steps(min(100 + 4 * len(graph.rules), MAXIMUM_STEPS_REAL))
    return Case(path.name, {"filter": text}, steps, interfaces, local)
