# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters that are compared: how each takes a number of five-field rules for IPv4 in a
namespace."""

import shutil
from collections.abc import Callable
from typing import NamedTuple

from measure import rules
from measure.namespace import Namespace
from measure.tools import Bench

Load = Callable[[Bench, Namespace, int], None]


class Firewall(NamedTuple):
    name: str
    command: str  # without which it cannot be measured; "" for what is built here
    load: Load


def load_floor(bench: Bench, place: Namespace, count: int) -> None:
    place.start(bench.program("floor"))


def load_ours(bench: Bench, place: Namespace, count: int) -> None:
    bench.start_daemon(place)
    place.run(bench.command("bpf-iptables-restore"), text=rules.five_field_text(rules.IPV4, count))


def load_legacy(bench: Bench, place: Namespace, count: int) -> None:
    place.run("iptables-legacy-restore", text=rules.five_field_text(rules.IPV4, count))


def load_iptables_nft(bench: Bench, place: Namespace, count: int) -> None:
    place.run("iptables-nft-restore", text=rules.five_field_text(rules.IPV4, count))


def load_nft_rules(bench: Bench, place: Namespace, count: int) -> None:
    place.run("nft", "-f", "-", text=rules.nft_rules_text(count))


def load_nft_map(bench: Bench, place: Namespace, count: int) -> None:
    place.run("nft", "-f", "-", text=rules.nft_map_text(count))


FLOOR = Firewall("floor", "", load_floor)
OURS = Firewall("bpf-iptables", "", load_ours)
LEGACY = Firewall("iptables-legacy", "iptables-legacy-restore", load_legacy)
PEERS = [
    OURS,
    LEGACY,
    Firewall("iptables-nft", "iptables-nft-restore", load_iptables_nft),
    Firewall("nft rules", "nft", load_nft_rules),
    Firewall("nft verdict map", "nft", load_nft_map),
]


def installed(firewalls: list[Firewall]) -> list[Firewall]:
    """Those that can be measured here; says which cannot."""
    there = []
    for firewall in firewalls:
        if firewall.command and not shutil.which(firewall.command):
            print(f"{firewall.name} is left out: {firewall.command} is not installed")
        else:
            there.append(firewall)
    return there
