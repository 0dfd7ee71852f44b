# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a TCP packet where the first rule accepts established connections, and 1,000 rules that
do not match follow. The floor tracks connections, too, and accepts all."""

import contextlib

from measure.firewalls import CONNTRACK_FLOOR, PEERS, installed
from measure.live_traffic import Cell, Section, generate
from measure.namespace import Failure
from measure.tools import Bench
from measure.traffic import (RANDOM_ADDRESS, RANDOM_ADDRESSES, RANDOM_PORT, SYN, TCP, Flow, Ruleset,
                             Traffic, five_fields)

SERVER = "192.168.1.2"

# The frames have no sequence numbers.
SYSCTL = "/proc/sys/net/netfilter"
LIBERAL = ("nf_conntrack_tcp_be_liberal", "nf_conntrack_tcp_loose")


def client(number: int) -> str:
    return f"10.1.{number // 250}.{number % 250 + 1}"


def connections(count: int) -> list[Flow]:
    return [Flow(client(number), SERVER, 40000, 5201, TCP) for number in range(count)]


def answer(flow: Flow) -> Flow:
    return Flow(flow.destination, flow.source, flow.destination_port, flow.source_port, TCP)


def track_liberally(cell: Cell) -> None:
    for name in LIBERAL:
        cell.place.run("sh", "-ec", f"echo 1 > {SYSCTL}/{name}")


def establish_forwarded(section: Section, cell: Cell, flows: list[Flow]) -> None:
    """Sends a packet of each connection, and an answer to it."""
    track_liberally(cell)
    cell.set_policy(section.bench, "ACCEPT")
    for direction in (flows, [answer(flow) for flow in flows]):
        path = section.write_flows(Traffic("", direction, "ACCEPT", 1))
        generate(section.bench, cell, path, f"send={len(flows)}")


def establish(section: Section, cell: Cell, flows: list[Flow]) -> None:
    """By forwarded packets; fails if the kernel does not track the connections."""
    establish_forwarded(section, cell, flows)
    known = int(cell.place.run("cat", f"{SYSCTL}/nf_conntrack_count"))
    if known < len(flows):
        raise Failure(f"{cell.firewall.name}: {known} of {len(flows)} connections are tracked")


def traffics(counts: tuple[int, ...]) -> list[Traffic]:
    """What is established, and packets that open ever new connections, which are dropped."""
    new = Flow(RANDOM_ADDRESSES, SERVER, 0, 5201, TCP, RANDOM_ADDRESS | RANDOM_PORT | SYN)
    return [*(Traffic(f"established, connections: {count}", connections(count), "DROP", 1)
              for count in counts), Traffic("new", [new], "DROP", 0)]


def run(bench: Bench) -> None:
    firewalls = installed([CONNTRACK_FLOOR, *PEERS])
    if CONNTRACK_FLOOR not in firewalls:
        return
    counts = (1, 1000) if bench.quick else (1, 1000, 20000)
    ruleset = Ruleset("FORWARD", "DROP", five_fields(1000), established=True)
    with contextlib.ExitStack() as stack:
        section = Section(bench, "conntrack", stack, floor=CONNTRACK_FLOOR)
        cells = [section.cell(firewall, ruleset) for firewall in firewalls[1:]]
        section.add(cells, traffics(counts))
        for cell in [*cells, *section.floor_cells.values()]:
            if cell.ruleset.target == "DROP" and not cell.firewall.has_policy():
                continue  # a floor that drops all establishes nothing
            establish(section, cell, connections(counts[-1]))
        section.measure(3 if bench.quick else 7)
    section.show("Nanoseconds per packet above the floor, which tracks connections, too; "
                 "established ones are accepted first,\n1,000 rules follow, the rest is dropped:")
    section.write()
