# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a packet of an established TCP connection: the first rule accepts it, and 1,000 rules
follow. On devices the connections are bpf-iptables' own, elsewhere the kernel's; nothing is taken
off for them, as the floor is a machine without filter and without connection tracking."""

import contextlib
import sys
from pathlib import Path

from measure import device_report
from measure.conntrack import answer, connections, establish_forwarded, track_liberally
from measure.device_firewalls import DEVICE, OURS_TC, OURS_XDP
from measure.firewalls import IPTABLES_NFT, LEGACY, NFT_RULES, NOTHING, OURS, installed
from measure.live_traffic import Cell, Section, generate
from measure.tools import Bench
from measure.traffic import Flow, Ruleset, Traffic, five_fields

# To where the connections come from: whatever is sent there leaves by the device.
WAY_BACK = f"""
ip route add 10.1.0.0/16 via 10.255.0.1 dev {DEVICE} onlink
ip neighbour add 10.255.0.1 lladdr 02:00:00:00:00:01 dev {DEVICE} nud permanent
"""


def establish_local(section: Section, cell: Cell, flows: list[Flow]) -> None:
    """A packet of each connection that this machine sends, and an answer to it."""
    track_liberally(cell)
    cell.set_policy(section.bench, "ACCEPT")
    cell.place.run("sh", "-ec", WAY_BACK)
    sent = section.write_flows(Traffic("", [answer(flow) for flow in flows], "ACCEPT", 1))
    cell.place.run(sys.executable, str(Path(__file__).with_name("send_raw.py")), str(sent))
    generate(section.bench, cell, section.write_flows(Traffic("", flows, "ACCEPT", 1)),
             f"send={len(flows)}")


def measure_hook(bench: Bench, stack: contextlib.ExitStack, hook: str,
                 counts: tuple[int, ...]) -> Section:
    """What INPUT has accepted is dropped behind it: nobody waits for it."""
    ruleset = Ruleset(hook, "DROP", five_fields(1000), established=True)
    section = Section(bench, "devices-conntrack", stack, floor=NOTHING, drains=hook == "INPUT")
    cells = [section.cell(firewall, ruleset) for firewall in
             installed([OURS_XDP, OURS_TC, OURS, LEGACY, IPTABLES_NFT, NFT_RULES])]
    section.add(cells, [Traffic(f"established, connections: {count}", connections(count), "DROP", 1)
                        for count in counts])
    for cell in cells:
        if hook == "INPUT":
            establish_local(section, cell, connections(counts[-1]))
        else:
            establish_forwarded(section, cell, connections(counts[-1]))
    section.measure(3 if bench.quick else 11)
    return section


def run(bench: Bench) -> None:
    if not installed([NFT_RULES]):
        return  # without nft nothing takes INPUT's packets away
    counts = (1, 1000) if bench.quick else (1, 1000, 20000)
    with contextlib.ExitStack() as stack:
        parts = [measure_hook(bench, stack, hook, counts) for hook in ("FORWARD", "INPUT")]
    device_report.show("Nanoseconds per packet of established connections; these are accepted "
                       "first, 1,000 rules\nfollow, the rest is dropped:", parts)
    device_report.write(parts)
