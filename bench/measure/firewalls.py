# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters that are compared: how each takes rules for IPv4 in a namespace."""

import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

from measure.namespace import Namespace
from measure.tools import Bench
from measure.traffic import OPPOSITE, Rule, Ruleset

HOOK_NUMBERS = {"INPUT": "1", "FORWARD": "2", "OUTPUT": "3"}
VERDICT_NUMBERS = {"DROP": "0", "ACCEPT": "1"}
ESTABLISHED = "-m conntrack --ctstate ESTABLISHED -j ACCEPT"
NEW = "-p tcp -m tcp --dport {} -m conntrack --ctstate NEW -j ACCEPT"

Load = Callable[[Bench, Namespace, Ruleset], None]
SetPolicy = Callable[[Bench, Namespace, str, str], None]


def keep_policy(bench: Bench, place: Namespace, hook: str, policy: str) -> None:
    """Of what has none."""


class Firewall(NamedTuple):
    name: str
    command: str  # without which it cannot be measured; "" for what is built here
    load: Load  # the policy is the opposite of the rules' target
    set_policy: SetPolicy
    on_devices: bool = False  # whether packets are judged before IP's counters see them

    def has_policy(self) -> bool:
        return self.set_policy is not keep_policy


def iptables_rule(rule: Rule, target: str) -> str:
    words = [f"-s {rule.source}"] if rule.source else []
    words += [f"-d {rule.destination}"] if rule.destination else []
    words += [f"-p {rule.protocol}"] if rule.protocol else []
    if rule.source_port or rule.destination_port:
        words.append(f"-m {rule.protocol}")
    words += [f"--sport {rule.source_port}"] if rule.source_port else []
    words += [f"--dport {rule.destination_port}"] if rule.destination_port else []
    return " ".join([*words, f"-j {target}"])


def iptables_text(ruleset: Ruleset, lines: list[str] | None = None) -> str:
    """@lines, if given, stand for the rules."""
    if lines is None:
        lines = [iptables_rule(rule, ruleset.target) for rule in ruleset.rules]
    if ruleset.established:
        lines.insert(0, ESTABLISHED)
    if ruleset.service:
        lines.append(NEW.format(ruleset.service))
    policies = {hook: "ACCEPT" for hook in HOOK_NUMBERS}
    policies[ruleset.hook] = OPPOSITE[ruleset.target]
    return "\n".join(["*filter", *(f":{hook} {policy} [0:0]" for hook, policy in policies.items()),
                      *(f"-A {ruleset.hook} {line}" for line in lines), "COMMIT", ""])


def nft_match(rule: Rule) -> str:
    words = [f"ip saddr {rule.source}"] if rule.source else []
    words += [f"ip daddr {rule.destination}"] if rule.destination else []
    if rule.source_port or rule.destination_port:
        words += [f"{rule.protocol} sport {rule.source_port}"] if rule.source_port else []
        words += [f"{rule.protocol} dport {rule.destination_port}"] if rule.destination_port else []
    elif rule.protocol:
        words.append(f"meta l4proto {rule.protocol}")
    return " ".join(words)


def nft_text(ruleset: Ruleset, lines: list[str], declarations: list[str] = []) -> str:
    first = ["ct state established counter accept"] if ruleset.established else []
    last = [f"tcp dport {ruleset.service} ct state new counter accept"] if ruleset.service else []
    policy = OPPOSITE[ruleset.target].lower()
    return "\n".join(["table ip filter {", *declarations, f"chain {ruleset.hook} {{",
                      f"type filter hook {ruleset.hook.lower()} priority 0; policy {policy};",
                      *first, *lines, *last, "}", "}", ""])


class Key(NamedTuple):
    """A field of a verdict map's key."""
    field: str  # of a Rule
    expression: str
    type: str


KEYS = (Key("source", "ip saddr", "ipv4_addr"), Key("destination", "ip daddr", "ipv4_addr"),
        Key("protocol", "meta l4proto", "inet_proto"),
        Key("source_port", "th sport", "inet_service"),
        Key("destination_port", "th dport", "inet_service"))


def nft_map_parts(rules: list[Rule]) -> tuple[str, list[Key]]:
    """What the packets are asked for before the map is, and the key. A protocol that all rules have
    in common is cheaper asked for once."""
    protocols = {rule.protocol for rule in rules}
    keys = [key for key in KEYS if getattr(rules[0], key.field)]
    if len(protocols) == 1 and any(protocols):
        return f"meta l4proto {protocols.pop()} ", [key for key in keys if key.field != "protocol"]
    return "", keys


def nft_map_text(ruleset: Ruleset) -> str:
    if not ruleset.rules:
        return nft_text(ruleset, [])
    condition, keys = nft_map_parts(list(ruleset.rules))
    elements = [" . ".join(str(getattr(rule, key.field)) for key in keys)
                + f" : {ruleset.target.lower()}," for rule in ruleset.rules]
    expression = " . ".join(key.expression for key in keys)
    return nft_text(ruleset, [f"{condition}{expression} vmap @rules"],
                    ["map rules {", f"type {' . '.join(key.type for key in keys)} : verdict;",
                     *interval_flag(ruleset), "elements = {", *elements, "}", "}"])


def has_prefixes(ruleset: Ruleset) -> bool:
    return "/" in ruleset.rules[0].source


def interval_flag(ruleset: Ruleset) -> Iterator[str]:
    if has_prefixes(ruleset):
        yield "flags interval;"


def load_nothing(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    pass


def load_floor(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    place.start(bench.program("floor"), HOOK_NUMBERS[ruleset.hook],
                VERDICT_NUMBERS[ruleset.target])


def load_conntrack_floor(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    """That a rule asks for connection tracking is enough for all packets; none meets it."""
    place.run("nft", "-f", "-", text="table ip conntrack { chain output { type filter hook output "
                                     "priority 0; ct state established accept; }; }\n")
    load_floor(bench, place, ruleset)


def load_ours(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    bench.start_daemon(place)
    place.run(bench.command("bpf-iptables-restore"), text=iptables_text(ruleset))


def load_legacy(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    place.run("iptables-legacy-restore", text=iptables_text(ruleset))


def load_iptables_nft(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    place.run("iptables-nft-restore", text=iptables_text(ruleset))


def load_nft_rules(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    verdict = ruleset.target.lower()
    place.run("nft", "-f", "-", text=nft_text(
        ruleset, [f"{nft_match(rule)} counter {verdict}" for rule in ruleset.rules]))


def load_nft_map(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    place.run("nft", "-f", "-", text=nft_map_text(ruleset))


def load_nft_set(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    """Of the rules' sources."""
    place.run("nft", "-f", "-", text=nft_text(
        ruleset, [f"ip saddr @sources counter {ruleset.target.lower()}"],
        ["set sources {", "type ipv4_addr;", *interval_flag(ruleset), "elements = {",
         *(f"{rule.source}," for rule in ruleset.rules), "}", "}"]))


def load_ipset(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    """Of the rules' sources."""
    kind = "net" if has_prefixes(ruleset) else "ip"
    place.run("ipset", "restore", text="\n".join(
        [f"create sources hash:{kind} hashsize {max(1024, len(ruleset.rules))} maxelem 1000000",
         *(f"add sources {rule.source}" for rule in ruleset.rules), ""]))
    place.run("iptables-legacy-restore", text=iptables_text(
        ruleset, [f"-m set --match-set sources src -j {ruleset.target}"]))


def our_policy(bench: Bench, place: Namespace, hook: str, policy: str) -> None:
    place.run(bench.command("bpf-iptables"), "-P", hook, policy)


def legacy_policy(bench: Bench, place: Namespace, hook: str, policy: str) -> None:
    place.run("iptables-legacy", "-P", hook, policy)


def iptables_nft_policy(bench: Bench, place: Namespace, hook: str, policy: str) -> None:
    place.run("iptables-nft", "-P", hook, policy)


def nft_policy(bench: Bench, place: Namespace, hook: str, policy: str) -> None:
    place.run("nft", f"chain ip filter {hook} {{ policy {policy.lower()}; }}")


NOTHING = Firewall("none", "", load_nothing, keep_policy)
FLOOR = Firewall("floor", "", load_floor, keep_policy)  # judges as the rules' target says
EMPTY_PROGRAM = FLOOR._replace(name="empty program")
CONNTRACK_FLOOR = Firewall("floor", "nft", load_conntrack_floor, keep_policy)
OURS = Firewall("bpf-iptables", "", load_ours, our_policy)
LEGACY = Firewall("iptables-legacy", "iptables-legacy-restore", load_legacy, legacy_policy)
IPTABLES_NFT = Firewall("iptables-nft", "iptables-nft-restore", load_iptables_nft,
                        iptables_nft_policy)
NFT_RULES = Firewall("nft rules", "nft", load_nft_rules, nft_policy)
NFT_MAP = Firewall("nft verdict map", "nft", load_nft_map, nft_policy)
NFT_SET = Firewall("nft set", "nft", load_nft_set, nft_policy)
IPSET = Firewall("ipset", "ipset", load_ipset, legacy_policy)

PEERS = [OURS, LEGACY, IPTABLES_NFT, NFT_RULES, NFT_MAP]


def installed(firewalls: list[Firewall]) -> list[Firewall]:
    """Those that can be measured here; says which cannot."""
    there = []
    for firewall in firewalls:
        if firewall.command and not shutil.which(firewall.command):
            print(f"{firewall.name} is left out: {firewall.command} is not installed")
        else:
            there.append(firewall)
    return there
