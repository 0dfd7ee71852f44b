# SPDX-License-Identifier: GPL-2.0-or-later
"""What filters on devices: bpf-iptables with its hooks there, and what it is compared with."""

from measure.firewalls import Firewall, Load, iptables_text, keep_policy, our_policy
from measure.live_traffic import RECEIVER
from measure.namespace import Namespace
from measure.tools import Bench
from measure.traffic import Ruleset

DEVICE = f"{RECEIVER}_0"


def load_with_hook(hook: str) -> Load:
    def load(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
        bench.start_daemon(place, "--hook", hook)
        place.run(bench.command("bpf-iptables-restore"), text=iptables_text(ruleset))
    return load


def load_peer(program: str) -> Load:
    def load(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
        place.start(bench.program("device_peer"), program, DEVICE)
    return load


def load_hash_map(bench: Bench, place: Namespace, ruleset: Ruleset) -> None:
    """Of the rules' sources."""
    place.start(bench.program("device_peer"), "xdp-block", DEVICE,
                text="\n".join([*(rule.source for rule in ruleset.rules), "", ""]))


# All that comes, and the packets of the rules' sources.
XDP_DROP = Firewall("XDP_DROP", "", load_peer("xdp-drop"), keep_policy, on_devices=True)
TC_DROP = Firewall("TC drop", "", load_peer("tc-drop"), keep_policy, on_devices=True)
HASH_MAP = Firewall("XDP hash map", "", load_hash_map, keep_policy, on_devices=True)

OURS_XDP = Firewall("bpf-iptables xdp", "", load_with_hook("xdp"), our_policy, on_devices=True)
OURS_TC = Firewall("bpf-iptables tc", "", load_with_hook("tc"), our_policy, on_devices=True)
