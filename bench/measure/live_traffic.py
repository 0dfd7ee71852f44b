# SPDX-License-Identifier: GPL-2.0-or-later
"""Nanoseconds per packet of live traffic, through the network stack, beside the peers.

Each filter and ruleset has namespaces of its own, all at once; they are measured in turn, so that
what happens to the machine happens to all of them. What the packets' fate is decides whether a
figure counts: counters prove that they came, and that they were dropped or passed, by a rule if
that is what is measured."""

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from measure import records
from measure.firewalls import FLOOR, Firewall
from measure.namespace import Failure, Namespace, in_namespace_of, namespace
from measure.report import difference, figure, print_table
from measure.tools import Bench
from measure.traffic import OPPOSITE, Ruleset, Traffic

SENDER, RECEIVER, SCRATCH, SINK = "bench0", "bench1", "scratch0", "sink0"

LEAST_RECEIVED = 0.9  # of the packets that were sent
MOST_STRAY = 16  # packets of the stack's own (IGMP)
SHARE_TOLERANCE = 0.02  # of the packets, where some pass and some do not: tables end anywhere

# Behind INPUT's filters, for packets that nobody in the namespace would know what to do with.
DRAIN = """
table ip drain {
    chain input { type filter hook input priority 50; meta l4proto tcp counter drop; }
}
"""

SINKS = ("dummy", "ifb")  # devices that drop what is sent to them; kernels have one or the other

# All that a firewall forwards or sends goes to the sink; 192.168.1.1 and some that follow are its
# own addresses if it does not forward, and all of 192.168.0.0/24 if it sends.
ROUTES = {"INPUT": "for last in $(seq 1 20); do ip address add 192.168.1.$last/32 dev lo; done",
          "FORWARD": f"ip route add default dev {SINK}",
          "OUTPUT": f"ip route add local 192.168.0.0/24 dev lo; ip route add default dev {SINK}"}


@dataclass
class Sender:
    """Of frames, to a receiver."""
    place: Namespace
    mac: str

    def command(self, bench: Bench, cpu: int, how: str, flows: Path) -> list[str]:
        return [bench.program("frame_cost"), str(cpu), how, str(flows), SENDER, SCRATCH, self.mac]


@dataclass(eq=False)
class Cell:
    """A firewall with its rules, and who sends to it; nobody does where it sends itself."""
    firewall: Firewall
    ruleset: Ruleset
    place: Namespace
    senders: list[Sender]
    policy: str
    drains: bool = False  # TCP packets that have come through

    def set_policy(self, bench: Bench, policy: str) -> None:
        if policy != self.policy:
            self.firewall.set_policy(bench, self.place, self.ruleset.hook, policy)
            self.policy = policy


@dataclass(eq=False)
class Case:
    """Some traffic in a cell, and what it is compared with."""
    cell: Cell
    traffic: Traffic
    flows: Path
    ruleset: Ruleset  # of the firewalls that are compared
    floors: list["Case"] = field(default_factory=list)
    costs: list[float | None] = field(default_factory=list)

    def is_floor(self) -> bool:
        return self.floors == [self]

    def floor_costs(self) -> list[float | None]:
        rounds = zip(*(floor.costs for floor in self.floors))
        return [None if None in costs else statistics.mean(costs) for costs in rounds]


class Sent:
    """What a generator prints."""

    def __init__(self, text: str) -> None:
        cost, sent, refused = text.split()
        self.cost = None if cost == "-" else float(cost)
        self.sent, self.refused = int(sent), int(refused)


def connect(receiver: Namespace, number: int, stack: contextlib.ExitStack) -> Sender:
    """A new sender, joined to the receiver by a veth pair."""
    place = stack.enter_context(namespace())
    device = f"{RECEIVER}_{number}"
    place.run("sh", "-ec", f"""
        ip link add {SENDER} type veth peer name {device} netns {receiver.pid}
        ip link add {SCRATCH} type veth peer name scratch1
        for device in {SENDER} {SCRATCH} scratch1; do
            ip link set $device up
        done
        """)
    receiver.run("sh", "-ec", f"""
        ip link set {device} up
        exec {sys.executable} {Path(__file__).with_name('receive_offload.py')} {device}
        """)
    return Sender(place, receiver.run("ip", "-brief", "link", "show", device).split()[2])


def prepare(place: Namespace, hook: str) -> None:
    place.run("sh", "-ec", f"""
        for file in all default; do
            echo 0 > /proc/sys/net/ipv4/conf/$file/rp_filter
            ! test -e /proc/sys/net/ipv6 || echo 1 > /proc/sys/net/ipv6/conf/$file/disable_ipv6
        done
        echo {int(hook == "FORWARD")} > /proc/sys/net/ipv4/ip_forward
        """)
    if hook != "INPUT":
        add_sink(place)
    place.run("sh", "-ec", ROUTES[hook])


def add_sink(place: Namespace) -> None:
    for kind in SINKS:
        with contextlib.suppress(Failure):
            place.run("ip", "link", "add", SINK, "type", kind)
            break
    else:
        raise Failure(f"this kernel has no device that drops packets ({', '.join(SINKS)})")
    place.run("tc", "qdisc", "replace", "dev", SINK, "root", "noqueue")
    place.run("ip", "link", "set", SINK, "up")


def make_cell(bench: Bench, firewall: Firewall, ruleset: Ruleset, stack: contextlib.ExitStack,
              senders: int = 1, drains: bool = False) -> Cell:
    place = stack.enter_context(namespace())
    prepare(place, ruleset.hook)
    if ruleset.hook == "OUTPUT":
        senders = 0
    cell = Cell(firewall, ruleset, place,
                [connect(place, number, stack) for number in range(senders)],
                OPPOSITE[ruleset.target], drains)
    firewall.load(bench, place, ruleset)
    if drains:
        place.run("nft", "-f", "-", text=DRAIN)
    return cell


def counters(text: str, protocol: str) -> dict[str, int]:
    """A line of /proc/net/snmp."""
    names, values = (line.split()[1:] for line in text.splitlines()
                     if line.startswith(f"{protocol}:"))
    return dict(zip(names, map(int, values)))


def device_packets(cell: Cell, device: str) -> tuple[int, int]:
    """How many it has received, and sent."""
    for line in in_namespace_of(cell.place.pid, "net/dev").splitlines():
        name, _, values = line.partition(":")
        if name.strip() == device:
            return int(values.split()[1]), int(values.split()[9])
    return 0, 0


def drained(cell: Cell) -> int:
    if not cell.drains:
        return 0
    words = cell.place.run("nft", "list", "chain", "ip", "drain", "input").split()
    return int(words[words.index("packets") + 1])


def received_and_passed(cell: Cell) -> tuple[int, int]:
    """How many packets came to the filter so far (the IP layer, or the device), and how many it let
    through."""
    text = in_namespace_of(cell.place.pid, "net/snmp")
    udp = counters(text, "Udp")
    # Which of the sink's two counters has them depends on the kind of device.
    passed = sum(device_packets(cell, SINK)) + udp["InDatagrams"] + udp["NoPorts"] + drained(cell)
    if cell.firewall.on_devices:
        return device_packets(cell, f"{RECEIVER}_0")[0], passed
    return counters(text, "Ip")["InReceives"], passed


def generate(bench: Bench, cell: Cell, flows: Path, how: str) -> str:
    if not cell.senders:
        return cell.place.run(bench.program("send_cost"), str(bench.cpu), how, str(flows))
    sender = cell.senders[0]
    return sender.place.run(*sender.command(bench, bench.cpu, how, flows))


def send(bench: Bench, case: Case, how: str, passes: float) -> float | None:
    """Returns the cost, if there is one; fails if not the share @passes of the packets passed."""
    before = received_and_passed(case.cell)
    done = Sent(generate(bench, case.cell, case.flows, how))
    now = received_and_passed(case.cell)
    if case.cell.senders:
        received, passed = now[0] - before[0], now[1] - before[1]
    else:
        received, passed = done.sent, done.sent - done.refused
    allowed = MOST_STRAY + (SHARE_TOLERANCE * received if 0 < passes < 1 else 0)
    # On a busy machine the veth's ring overflows now and then, in slices that do not count.
    if received < done.sent * LEAST_RECEIVED or abs(passed - passes * received) > allowed:
        raise Failure(f"{case.cell.firewall.name}, {len(case.cell.ruleset.rules)} rules, "
                      f"{case.cell.ruleset.hook}, {case.traffic.name}: {done.sent} packets were "
                      f"sent, {received} came, {passed} passed, not {passes:.0%}")
    return done.cost


def prove(bench: Bench, case: Case) -> None:
    """That the policy judges the packets: they do the opposite under the other one."""
    case.cell.set_policy(bench, OPPOSITE[case.traffic.policy])
    send(bench, case, "send=256", 1 - case.traffic.passes)


def measure(bench: Bench, case: Case, how: str = "") -> None:
    case.cell.set_policy(bench, case.traffic.policy)
    case.costs.append(send(bench, case, how or str(bench.reference), case.traffic.passes))


def measure_round(bench: Bench, cases: list[Case]) -> None:
    for case in cases:
        measure(bench, case)
    for case in cases:
        if case.costs[-1] is None:  # the CPU was never undisturbed
            case.costs.pop()
            measure(bench, case)


def measure_all(bench: Bench, cases: list[Case], rounds: int) -> None:
    """In turn, in an order that rotates; policy by policy, as some take long to change theirs."""
    for case in cases:
        if case.cell.firewall.has_policy() and case.traffic.needs_proof():
            prove(bench, case)
    for policy in OPPOSITE:
        chosen = [case for case in cases if case.traffic.policy == policy]
        for number in range(rounds):
            first = number * len(chosen) // rounds
            measure_round(bench, chosen[first:] + chosen[:first])


class Section:
    """Cells and cases of one section; knows where the flow tables are, and the floors."""

    def __init__(self, bench: Bench, name: str, stack: contextlib.ExitStack,
                 floor: Firewall = FLOOR, drains: bool = False) -> None:
        self.bench, self.name, self.stack, self.floor = bench, name, stack, floor
        self.drains = drains
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.cases: list[Case] = []
        self.floor_cells: dict[tuple[str, str], Cell] = {}

    def cell(self, firewall: Firewall, ruleset: Ruleset, senders: int = 1) -> Cell:
        return make_cell(self.bench, firewall, ruleset, self.stack, senders, self.drains)

    def floor_cell(self, hook: str, target: str) -> Cell:
        if (hook, target) not in self.floor_cells:
            self.floor_cells[hook, target] = self.cell(self.floor, Ruleset(hook, target))
        return self.floor_cells[hook, target]

    def write_flows(self, traffic: Traffic) -> Path:
        path = Path(tempfile.mkstemp(dir=self.directory)[1])
        path.write_bytes(b"".join(flow.pack() for flow in traffic.flows))
        return path

    def add(self, cells: list[Cell], traffics: Iterable[Traffic]) -> None:
        """Each of the traffics in each of the cells, which have the same rules."""
        ruleset = cells[0].ruleset
        for traffic in traffics:
            flows = self.write_flows(traffic)
            targets = [target for target, share in (("ACCEPT", traffic.passes),
                                                    ("DROP", 1 - traffic.passes)) if share]
            # A floor's own cell has one verdict for all.
            floors = [Case(self.floor_cell(ruleset.hook, target),
                           Traffic(traffic.name, traffic.flows, traffic.policy,
                                   int(target == "ACCEPT")), flows, ruleset) for target in targets]
            for floor in floors:
                floor.floors = [floor]
            self.cases += floors
            self.cases += [Case(cell, traffic, flows, ruleset, floors) for cell in cells]

    def measure(self, rounds: int) -> None:
        measure_all(self.bench, self.cases, rounds)

    def show(self, title: str) -> None:
        show(title, self.cases)

    def write(self, more: Iterable["Section"] = ()) -> None:
        """The CSV file of this and more parts of the same section."""
        rows = [row for part in (self, *more) for row in csv_rows(self.name, part.cases)]
        records.write(self.bench.results / f"{self.name}.csv", rows)


def row_key(case: Case) -> tuple[str, str, int]:
    return case.ruleset.hook, case.traffic.name, len(case.ruleset.rules)


def show(title: str, cases: list[Case]) -> None:
    """Net costs, a column for each firewall; the floor's own are in full."""
    compared = [case for case in cases if not case.is_floor()]
    names = list(dict.fromkeys(case.cell.firewall.name for case in compared))
    rows: dict[tuple[str, str, int], dict[str, str]] = {}
    for case in compared:
        row = rows.setdefault(row_key(case), {})
        row["floor"] = figure(case.floor_costs()).text()
        row[case.cell.firewall.name] = difference(case.costs, case.floor_costs()).text()
    print_table(title, ["hook, traffic, rules", "floor", *names],
                [[f"{hook} {traffic} {count:,}"] + [row.get(name, "") for name in ["floor", *names]]
                 for (hook, traffic, count), row in rows.items()])


def csv_rows(section: str, cases: list[Case]) -> Iterator[list[object]]:
    for case in cases:
        ruleset = case.ruleset
        yield records.row(section, ruleset.name, ruleset.hook, case.traffic.name,
                          len(ruleset.rules), case.cell.firewall.name, figure(case.costs),
                          difference(case.costs, case.floor_costs()))
