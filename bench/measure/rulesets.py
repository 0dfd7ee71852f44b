# SPDX-License-Identifier: GPL-2.0-or-later
"""
Nanoseconds per packet of rulesets of many kinds and sizes, by BPF_PROG_TEST_RUN.

Unlike in packet_cost.py every packet is another one than that before, where the traffic has more
than one flow, and a system call lies between two packets: caches and branch prediction are as
they are behind a network stack, not at their best.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from measure import mixes, real_rulesets, records, rules, worst_cases
from measure.flows import Flow, Rule, crossed_flow, last_flow
from measure.namespace import Failure, Namespace, namespace
from measure.report import Figure, print_table
from measure.test_run import ACCEPT, ANY, DROP, Case, Program, load, measure, with_verdict
from measure.tools import Bench

# So many that the CPU's caches do not hold all that judging them takes.
FLOWS = 16384

# The number of rules to which larger rulesets are compared.
BASE = 100

# The device that packets come from and go to: many rulesets accept all that comes from "lo".
DEVICE = "eth0"

TRAFFIC = {
    "first": "one flow, which the first rule drops",
    "last": "one flow, which the last rule drops that is not hidden by others",
    "none": "one flow that no rule matches",
    "uniform": f"up to {FLOWS:,} flows, made from all rules alike",
    "misses": f"up to {FLOWS:,} flows that no rule matches, of values that rules have",
    "known flow": "as last",
    "known flows": "as uniform",
}
NOTE = ("Each packet is judged anew, as if its flow had never been seen, but for the known: these "
        "are remembered, as\nalways outside of this benchmark, as far as there is room.")


@dataclass
class Loaded:
    name: str
    count: int
    program: Program
    cases: dict[str, Case] = field(default_factory=dict)  # by traffic


@contextlib.contextmanager
def packets_place() -> Iterator[Namespace]:
    with namespace() as place:
        place.run("sh", "-ec", f"ip link set lo down; ip link set lo name {DEVICE}; "
                               f"ip link set {DEVICE} up")
        yield place


def case(program: Program, flows: Sequence[Flow], verdict: int, remembered: bool = False,
         hook: str = "INPUT") -> Case:
    return Case(program, [flow.argument() for flow in flows], verdict, remembered, hook=hook)


def different_flows(made: list[Rule], random: Random) -> list[Flow]:
    """Of all rules in turn, as long as they match new ones."""
    flows: dict[Flow, None] = {}
    for number in range(2 * FLOWS):
        flows[made[number % len(made)].flow(random)] = None
        if len(flows) == FLOWS:
            break
    shuffled = list(flows)
    random.shuffle(shuffled)
    return shuffled


def add_cases(bench: Bench, place: Namespace, loaded: Loaded, made: list[Rule]) -> None:
    random = Random(f"{loaded.name} {loaded.count}")
    program, cases = loaded.program, loaded.cases
    last, uniform = [last_flow(made, random)], different_flows(made, random)
    cases["first"] = case(program, [made[0].flow(random)], DROP)
    cases["last"] = case(program, last, DROP)
    cases["uniform"] = case(program, uniform, DROP)
    cases["known flow"] = case(program, last, DROP, remembered=True)
    cases["known flows"] = case(program, uniform, DROP, remembered=True)
    crossed = case(program, [crossed_flow(made, random) for _ in range(FLOWS)], ANY)
    misses = with_verdict(bench, place, crossed, ACCEPT)
    if misses:
        cases["none"] = Case(program, misses[:1], ACCEPT)
        cases["misses"] = Case(program, misses, ACCEPT)


def counts_of(bench: Bench, name: str) -> list[int]:
    if bench.quick:
        return [BASE, 10000, 100000]
    return [1, 10, BASE, 1000, 10000, 100000] if name == "five fields" else \
        [BASE, 1000, 10000, 100000]


def measure_mix(bench: Bench, name: str, rounds: int) -> list[Loaded]:
    """All sizes of a kind side by side, since it is their ratio that counts."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(packets_place())
        sizes = []
        for count in counts_of(bench, name):
            made = mixes.MIXES[name](count)
            program = load(bench, stack.enter_context(namespace()), rules.IPV4, mixes.text(made))
            sizes.append(Loaded(name, count, program))
            add_cases(bench, place, sizes[-1], made)
        measure(bench, place, [case for loaded in sizes for case in loaded.cases.values()], rounds)
    return sizes


def ratio_to_base(sizes: list[Loaded], loaded: Loaded, traffic: str) -> Figure | None:
    base = next(other for other in sizes if other.count == BASE)
    if loaded.count <= BASE or traffic not in loaded.cases or traffic not in base.cases:
        return None
    return loaded.cases[traffic].ratio(base.cases[traffic])


def show_mix(sizes: list[Loaded]) -> None:
    def cell(loaded: Loaded, traffic: str) -> str:
        return loaded.cases[traffic].net().text() if traffic in loaded.cases else "-"

    def ratio_cell(loaded: Loaded, traffic: str) -> str:
        ratio = ratio_to_base(sizes, loaded, traffic)
        return ratio.text(2) if ratio else "-"

    rows = [[f"{loaded.count:,}"] + [cell(loaded, traffic) for traffic in TRAFFIC]
            for loaded in sizes]
    rows += [[f"{loaded.count:,} : {BASE}"] + [ratio_cell(loaded, traffic) for traffic in TRAFFIC]
             for loaded in sizes if loaded.count > BASE]
    print_table(f"{sizes[0].name}: net nanoseconds per packet, and how many times those with "
                f"{BASE} rules they are:", ["rules", *TRAFFIC], rows)


def csv_row(loaded: Loaded, traffic: str, ratio: Figure | None = None) -> list[object]:
    measured = loaded.cases[traffic]
    return [*records.row("rulesets", loaded.name, measured.hook, traffic, loaded.count,
                         "bpf-iptables", measured.total(), measured.net()),
            len(measured.packets), round(ratio.median, 3) if ratio and ratio.rounds else ""]


def worst_text(name: str, count: int) -> str:
    if name == "deep chains":
        return worst_cases.deep_chains(count)
    if name == "failing words":
        return mixes.text(worst_cases.failing_words(count))
    return mixes.text(worst_cases.overlapping_ranges(count))


def worst_flows(name: str, count: int) -> list[Flow]:
    if name == "overlapping ranges":
        return different_flows(worst_cases.overlapping_ranges(count), Random(name))
    return [worst_cases.VICTIM]


WORST = {"failing words": (100, 1000, 10000, 100000), "deep chains": (10, 100, 1000),
         "overlapping ranges": (100, 1000, 10000)}


def measure_worst(bench: Bench, rounds: int) -> list[Loaded]:
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(packets_place())
        worst = []
        for name, counts in WORST.items():
            for count in counts:
                program = load(bench, stack.enter_context(namespace()), rules.IPV4,
                               worst_text(name, count))
                verdict = ACCEPT if name == "failing words" else DROP
                worst.append(Loaded(name, count, program, {
                    "worst": case(program, worst_flows(name, count), verdict)}))
        measure(bench, place, [loaded.cases["worst"] for loaded in worst], rounds)
    return worst


def show_worst(worst: list[Loaded]) -> None:
    print_table("Worst cases, net nanoseconds per packet:", ["ruleset", "rules", "net ns"],
                [[loaded.name, f"{loaded.count:,}", loaded.cases["worst"].net().text()]
                 for loaded in worst])


def measure_real(bench: Bench, rounds: int) -> list[Loaded]:
    """Those that can be loaded."""
    real, refused = [], 0
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(packets_place())
        for path in real_rulesets.files():
            text = path.read_text()
            try:
                program = load(bench, stack.enter_context(namespace()), rules.IPV4, text)
            except Failure:
                refused += 1
                continue
            flows = real_rulesets.flows(text, FLOWS)
            real.append(Loaded(path.stem, real_rulesets.count_rules(text), program, {
                hook: case(program, flows, ANY, hook=hook) for hook in ("INPUT", "FORWARD")}))
        if real:
            measure(bench, place, [case for loaded in real for case in loaded.cases.values()],
                    rounds)
    if refused:
        print(f"{refused} real rulesets are left out: they use what bpf-iptables does not know")
    return real


def show_real(real: list[Loaded]) -> None:
    print_table("Real rulesets, net nanoseconds per packet of random flows of what their rules "
                "name:", ["rules", "INPUT", "FORWARD", "ruleset"],
                [[f"{loaded.count:,}", *(loaded.cases[hook].net().text()
                                         for hook in ("INPUT", "FORWARD")), loaded.name]
                 for loaded in sorted(real, key=lambda loaded: loaded.count)])


def run(bench: Bench) -> None:
    rounds = 3 if bench.quick else 9
    rows = []
    print("\nTraffic:", *(f"{name}: {what}" for name, what in TRAFFIC.items()), sep="\n  ")
    print(NOTE)
    for name in mixes.MIXES:
        sizes = measure_mix(bench, name, rounds)
        show_mix(sizes)
        rows += [csv_row(loaded, traffic, ratio_to_base(sizes, loaded, traffic))
                 for loaded in sizes for traffic in loaded.cases]
    worst = measure_worst(bench, rounds)
    show_worst(worst)
    rows += [csv_row(loaded, "worst") for loaded in worst]
    real = measure_real(bench, rounds)
    if real:
        show_real(real)
        rows += [csv_row(loaded, hook) for loaded in real for hook in loaded.cases]
    records.write(bench.results / "rulesets.csv", rows, ["flows", f"ratio_to_{BASE}"])
