# SPDX-License-Identifier: GPL-2.0-or-later
"""Nanoseconds per packet of live frames, through veth and the network stack, beside the peers.

Each filter and number of rules has two namespaces of its own, all at once; they are measured in
turn, so that what happens to the machine happens to all of them."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from measure import rules
from measure.firewalls import FLOOR, PEERS, Firewall, installed
from measure.namespace import Failure, Namespace, in_namespace_of, namespace
from measure.report import difference, figure, print_table, write_csv
from measure.tools import Bench

SENDER, RECEIVER, SCRATCH = "bench0", "bench1", "scratch0"

LEAST_RECEIVED = 0.9  # of the packets that were sent

# Linear search takes so long with more rules that it shows nothing new.
QUICK_COUNTS = [1, 3, 100, 10000]
COUNTS = [1, 2, 3, 10, 100, 1000, 10000]


@dataclass
class Cell:
    firewall: Firewall
    count: int
    sender: Namespace
    receiver: Namespace
    mac: str
    costs: list[float | None] = field(default_factory=list)


def connect(sender: Namespace, receiver: Namespace) -> str:
    """Joins them by a veth pair; returns the Ethernet address of the receiver's end."""
    sender.run("ip", "link", "add", SENDER, "type", "veth", "peer", "name", RECEIVER, "netns",
               str(receiver.pid))
    sender.run("ip", "link", "add", SCRATCH, "type", "veth", "peer", "name", "scratch1")
    for device in (SENDER, SCRATCH, "scratch1"):
        sender.run("ip", "link", "set", device, "up")
    receiver.run("sh", "-ec", f"""
        for file in all default {RECEIVER}; do
            echo 0 > /proc/sys/net/ipv4/conf/$file/rp_filter
        done
        ip link set {RECEIVER} up
        ip address add 192.168.0.1/24 dev {RECEIVER}
        ip route add local 192.168.1.0/24 dev lo
        exec {sys.executable} {Path(__file__).with_name('receive_offload.py')} {RECEIVER}
        """)
    return receiver.run("ip", "-brief", "link", "show", RECEIVER).split()[2]


def make_cell(bench: Bench, firewall: Firewall, count: int, stack: contextlib.ExitStack) -> Cell:
    sender = stack.enter_context(namespace())
    receiver = stack.enter_context(namespace())
    cell = Cell(firewall, count, sender, receiver, connect(sender, receiver))
    firewall.load(bench, receiver, count)
    return cell


def counters(text: str, protocol: str) -> dict[str, int]:
    """A line of /proc/net/snmp."""
    names, values = (line.split()[1:] for line in text.splitlines()
                     if line.startswith(f"{protocol}:"))
    return dict(zip(names, map(int, values)))


def received_and_passed(cell: Cell) -> tuple[int, int]:
    """How many packets came to the IP layer so far, and how many the filter let through."""
    text = in_namespace_of(cell.receiver.pid, "net/snmp")
    udp = counters(text, "Udp")
    return counters(text, "Ip")["InReceives"], udp["InDatagrams"] + udp["NoPorts"]


def measure(bench: Bench, cell: Cell) -> None:
    packet = rules.five_fields(rules.IPV4, cell.count)[-1]
    received, passed = received_and_passed(cell)
    words = cell.sender.run(bench.program("frame_cost"), *bench.settle_arguments(), SENDER,
                            SCRATCH, cell.mac, packet.argument()).split()
    now_received, now_passed = received_and_passed(cell)
    # On a busy machine the veth's ring overflows now and then, in slices that do not count; and the
    # odd packet is the stack's own (IGMP).
    if now_received - received < int(words[1]) * LEAST_RECEIVED or now_passed != passed:
        raise Failure(f"{cell.firewall.name}, {cell.count} rules: {words[1]} packets were sent, "
                      f"{now_received - received} came, {now_passed - passed} were not dropped")
    cell.costs.append(None if words[0] == "-" else float(words[0]))


def show(cells: list[Cell], counts: list[int], firewalls: list[Firewall]) -> None:
    floor = cells[0]
    nets = {(cell.firewall, cell.count): difference(cell.costs, floor.costs).text()
            for cell in cells}
    print_table("Nanoseconds per packet of live traffic that the last rule drops at INPUT, less "
                f"those with a program\nthat only drops ({figure(floor.costs).text()}); five "
                "fields per rule:", ["rules", *(firewall.name for firewall in firewalls)],
                [[f"{count:,}"] + [nets[firewall, count] for firewall in firewalls]
                 for count in counts])


def csv_rows(cells: list[Cell]) -> Iterator[list[object]]:
    for cell in cells[1:]:
        net = difference(cell.costs, cells[0].costs)
        yield [cell.firewall.name, cell.count, *(round(value, 1) for value in net),
               round(figure(cells[0].costs).median, 1)]


def run(bench: Bench) -> None:
    counts = QUICK_COUNTS if bench.quick else COUNTS
    firewalls = installed(PEERS)
    with contextlib.ExitStack() as stack:
        cells = [make_cell(bench, FLOOR, 1, stack)]
        cells += [make_cell(bench, firewall, count, stack)
                  for count in counts for firewall in firewalls]
        for _ in range(3 if bench.quick else 7):
            for cell in cells:
                measure(bench, cell)
    show(cells, counts, firewalls)
    write_csv(bench.results / "live_traffic.csv",
              ["filter", "rules", "net_ns", "low", "high", "rounds", "floor_ns"],
              list(csv_rows(cells)))
