# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole cases: random ones, and real rulesets with traffic made for them."""

import re
from pathlib import Path
from random import Random

from addresses import FAMILIES, Family, parse_network, to_address
from case import Case
from rules import RuleGraph
from rulesets import Nat, Ruleset
from rulesets_ipv4 import GeneratorIPv4
from rulesets_ipv6 import GeneratorIPv6
from stateful import begins_anew_with_changes, slowed
from topology import LOCAL_ADDRESSES
from traffic import Traffic, random_commands

# Names of which one begins another, of the greatest length, and with every kind of letter.
INTERFACE_NAMES = ("eth0", "eth1", "eth10", "eth", "eth0.4094", "br-lan", "wlan0", "tun0", "e",
                   "abcdefghijklmno", "abcdefghijklmn", "ppp0", "wg_0", "lo0", "vlan100.uplink")
MAXIMUM_STEPS = 400
MAXIMUM_STEPS_REAL = 900
MAXIMUM_STEPS_OF_OTHER = 60

FEATURES_MATCHES = {"tcp", "udp", "icmp", "multiport", "conntrack", "state", "comment", "icmp6",
                    "ipv6header", "frag", "rt", "hbh", "dst", "mh", "eui64", "hl", "ttl", "ah",
                    "dccp", "dscp", "ecn", "esp", "ipcomp", "iprange", "length", "mac", "pkttype",
                    "sctp", "srh", "string", "tcpmss", "time", "tos", "u32"}
FEATURES_TARGETS = {"ACCEPT", "DROP", "RETURN"}
MATCH_OR_TARGET = re.compile(r" -(m|j|g) (\S+)")


def random_ruleset(random: Random, family: int, interfaces: list[str],
                   only_filter: bool) -> Ruleset:
    generator = (GeneratorIPv6 if family == 6 else GeneratorIPv4)(random, interfaces)
    return generator.ruleset(only_filter)


def traffic_for(random: Random, family: int, ruleset: Ruleset, interfaces: list[str],
                maximum: int) -> list[dict]:
    text = ruleset.tables["filter"]
    tracked = len(ruleset.tables) > 1 or "--ct" in text or "--state" in text
    traffic = Traffic(random, FAMILIES[family], RuleGraph(text), ruleset.hosts, interfaces,
                      ruleset.nat, [], tracked)
    return traffic.steps(min(60 + 4 * text.count("\n"), maximum))


def interleaved(random: Random, first: list[dict], second: list[dict]) -> list[dict]:
    """Both in one, each in its own order."""
    places = set(random.sample(range(len(first) + len(second)), len(second)))
    iterators = iter(first), iter(second)
    return [next(iterators[place in places]) for place in range(len(first) + len(second))]


def with_repetitions(random: Random, steps: list[dict]) -> list[dict]:
    """Some packets come again: they are judged as known flows."""
    result: list[dict] = []
    for step in steps:
        result.append(step)
        again = [step for step in result[-8:] if step["do"] in ("frame", "raw")]
        if again and random.random() < 0.2:
            result += [random.choice(again) for _ in range(random.randint(1, 2))]
    return result


def random_case(seed: str, family: int, *, disturbances: bool = True,
                both_families: bool = False, only_filter: bool = False) -> Case:
    """
    @disturbances: commands and new interface names between packets. @only_filter: no other table.
    """
    random = Random(seed)
    interfaces = random.sample(INTERFACE_NAMES, 3)
    ruleset = random_ruleset(random, family, interfaces, only_filter)
    steps = traffic_for(random, family, ruleset, interfaces, MAXIMUM_STEPS)
    if random.random() < 0.5:
        steps = with_repetitions(random, steps)
    case = Case(seed, ruleset.tables, steps, interfaces, family=family, sets=ruleset.sets)
    if both_families:
        other = random_ruleset(random, 10 - family, interfaces, only_filter)
        case.other_tables = other.tables
        case.sets = case.sets + other.sets
        case.steps = interleaved(random, steps, traffic_for(random, 10 - family, other, interfaces,
                                                            MAXIMUM_STEPS_OF_OTHER))
    extra: list[dict] = []
    if disturbances and random.random() < 0.15 and \
            not begins_anew_with_changes(ruleset.tables["filter"]):
        extra += random_commands(random, ruleset.tables["filter"], random.randint(1, 4))
    if disturbances and random.random() < 0.08:
        name = random.choice([name for name in INTERFACE_NAMES if name not in interfaces])
        extra.append({"do": "rename", "link": random.randrange(3), "name": name})
    for step in extra:
        case.steps.insert(random.randint(0, len(case.steps)), step)
    return case


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


def is_usable(number: int, family: Family) -> bool:
    """Could be a firewall's own address."""
    if family.version == 6:
        return number >> 125 == 1 or number >> 121 == 0x7E  # 2000::/3, fc00::/7
    return 1 <= number >> 24 < 224 and number >> 24 != 127


def local_addresses_of(graph: RuleGraph, random: Random, family: Family) -> list[str]:
    """Some of the addresses that the rules of INPUT name: the real firewall's own, by the look."""
    addresses = set()
    for rule in graph.rules:
        chain, conditions = graph.path(random, rule)
        for condition in conditions if chain == "INPUT" else []:
            if condition.field == "destination" and not condition.inverted:
                network, mask = parse_network(condition.value)
                if is_usable(network, family):
                    addresses.add(to_address(network | (0 if mask == family.ones else 1), family))
    addresses -= set(LOCAL_ADDRESSES[family.version])
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


REAL_HOSTS = {
    4: ["10.1.0.50", "8.8.8.8", "172.16.3.4", "192.168.1.10"],
    6: ["2001:db8:1::50", "2001:4860:4860::8888", "2001:db8:a000::4", "fd00::10",
        "2001:db8:1:2::ff:fe00:2"],
}


def real_case(path: Path, text: str, seed: str) -> Case:
    random = Random(f"{seed}:{path.name}")
    family = FAMILIES[6 if ".v6" in path.name else 4]
    text = slowed(text)
    graph = RuleGraph(text)
    interfaces = interfaces_of(graph)
    local = local_addresses_of(graph, random, family)
    traffic = Traffic(random, family, graph, REAL_HOSTS[family.version], interfaces, Nat(), local)
    steps = traffic.steps(min(100 + 4 * len(graph.rules), MAXIMUM_STEPS_REAL))
    return Case(path.name, {"filter": text}, steps, interfaces, local, family=family.version)
