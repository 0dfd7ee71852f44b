#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The test that decides: the kernel's own iptables and bpf-iptables, in two identical networks, with
the same ruleset and the same packets, must give the same counters, the same packets and the same
errors to local senders. At the hooks on devices exceptions.py says what they need not.
"""

import argparse
import os
import random as random_module
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from case import Case
from compare import compare, describe_step, filter_counters
from exceptions import HOOKS, NETFILTER, Exceptions
from firewalls import LEGACY, find_firewall, missing_programs
from generate import random_case, real_case, reduced, unsupported_features
from mutations import MUTATORS, NEARLY_ALWAYS_NOTICED, mutate, noticed, settled, without_counters
from shrink import shrink
from sides import Sides

DIRECTORY = Path(__file__).resolve().parent
REPOSITORY = DIRECTORY.parent.parent
FAMILIES = {"4": [4], "6": [6], "both": [4, 6]}
SKIPPED_STATUS = 77  # Meson's and Automake's
DEFAULT_SECONDS = 240
CASES_PER_NETWORK = 200
BOTH_EVERY = 12  # cases, of which one of each family has a ruleset of the other beside it
MAXIMUM_FAILURES = 5
CONFIRMATIONS = 4  # plays of a case that has differed, of which one must differ again
CONFIRMATIONS_BEHIND = 2  # of such a case behind the one before it, each of which must differ
UNSTEADY_AT_LEAST = 3
UNSTEADY_SHARE = 0.005  # of the cases
MUTATION_ATTEMPTS = 120
MUTATIONS_PER_KIND = 5
MAXIMUM_UNNOTICED = 1


class Oracle:
    def __init__(self, options: argparse.Namespace, sides: Sides) -> None:
        self.options = options
        self.sides = sides
        self.exceptions = Exceptions(options.hook)
        self.passed = self.failed = self.skipped = self.unsteady = 0
        self.before: Case | None = None
        self.rules = self.rules_hit = self.packets = 0

    def enough(self) -> bool:
        return self.failed >= MAXIMUM_FAILURES

    def skip(self, name: str, reason: str) -> None:
        self.skipped += 1
        print(f"ok - {name} # skip {reason}" if self.options.tap else f"skipped: {name}: {reason}",
              flush=True)

    def judge(self, what: str, good: bool) -> None:
        self.passed += good
        self.failed += not good
        if self.options.tap:
            print(f"{'ok' if good else 'not ok'} - {what}")
        elif not good:
            print(f"FAILED: {what}", flush=True)

    def run(self, case: Case) -> None:
        """Plays one case, and if the sides differ reports and shrinks it."""
        case = self.exceptions.adapt(case)
        before, self.before = self.before, case
        reference, ours = self.sides.play(case)
        differences = compare(case, reference, ours)
        if differences and not self.is_confirmed(case):
            if before and self.is_confirmed_behind(before, case):
                self.judge(f"{case.name} behind {before.name}", False)
                self.report_behind(before, case)
                return
            self.note_unsteady(case, differences)
            differences = []
        if not differences and "error" in reference:
            differences = [reference["error"]]
        if not differences and reference["restore"]["status"] and case.steps:
            differences = [f"no side loads the ruleset: {reference['restore']['stderr']}"]
        if not differences:
            self.count_hits(case, reference)
        self.judge(case.name, not differences)
        if differences:
            self.report(case, differences)

    def is_confirmed(self, case: Case) -> bool:
        """
        What the kernel answers by itself (retransmissions, redirects, errors with a limit on their
        rate, the order of packets from two devices) depends on time, and on a busy machine the two
        sides do not get the same of it, be they the kernel on both. A difference in the verdict on a
        packet is there each time.
        """
        return any(self.differs(case) for _ in range(CONFIRMATIONS))

    def is_confirmed_behind(self, before: Case, case: Case) -> bool:
        """Or the case before has left something behind, which one play of this case takes away."""
        return all(self.differs_behind(before, case) for _ in range(CONFIRMATIONS_BEHIND))

    def differs_behind(self, before: Case, case: Case) -> bool:
        self.sides.play(before)
        return self.differs(case)

    def report_behind(self, before: Case, case: Case) -> None:
        if self.options.shrink_seconds:
            seconds = self.options.shrink_seconds / 2
            case = shrink(case, lambda shorter: self.differs_behind(before, shorter), seconds)
            before = shrink(before, lambda shorter: self.differs_behind(shorter, case), seconds)
        self.sides.play(before)
        case.explanation = compare(case, *self.sides.play(case))
        print("the case before, and the case, shrunk:")
        for each in (before, case):
            print_case(each)
        print_differences(case.explanation)
        paths = [str(self.write(each)) for each in (before, case)]
        print(f"reproduce with: {sys.argv[0]} --replay {' '.join(paths)}\n", flush=True)

    def write(self, case: Case) -> Path:
        path = Path(self.options.output) / f"oracle-{case.name.replace(':', '-')}.json"
        path.write_text(case.to_json() + "\n")
        return path

    def note_unsteady(self, case: Case, differences: list[str]) -> None:
        self.unsteady += 1
        print(f"# unsteady: {case.name}: not seen in {CONFIRMATIONS} more plays: "
              f"{'; '.join(differences[:3])}", flush=True)

    def judge_unsteadiness(self, cases: int) -> None:
        """More of it than a busy machine explains is a failure."""
        limit = UNSTEADY_AT_LEAST + cases * UNSTEADY_SHARE
        if self.unsteady > limit:
            self.judge(f"{self.unsteady} of {cases} cases are unsteady, at most {limit:.0f} may be", False)

    def count_hits(self, case: Case, result: dict) -> None:
        self.packets += len(case.steps)
        if "[0:0] -A" in case.tables["filter"] or "] -A" not in case.tables["filter"]:
            counters = filter_counters(result)
            self.rules += len(counters)
            self.rules_hit += sum(1 for counter in counters if counter != "0:0")

    def report(self, case: Case, differences: list[str]) -> None:
        print_differences(differences)
        if self.options.shrink_seconds:
            case = shrink(case, self.differs, self.options.shrink_seconds)
            differences = compare(case, *self.sides.play(case)) or \
                ["(not seen again when played once more)"]
            print("shrunk to:")
            print_case(case)
            print_differences(differences)
        case.explanation = differences
        print(f"reproduce with: {sys.argv[0]} --replay {self.write(case)}\n", flush=True)

    def differs(self, case: Case) -> bool:
        """A ruleset that the reference refuses leaves both sides with that of an earlier case."""
        reference, ours = self.sides.play(case)
        return reference.get("restore", {}).get("status") == 0 and \
            bool(compare(case, reference, ours))

    def replay(self, path: Path) -> None:
        case = Case.from_json(path.read_text())
        print_case(case)
        self.run(case)

    def regressions(self) -> None:
        paths = sorted((DIRECTORY / "regressions").glob("*.json"))
        replayed = 0
        for path in paths:
            case = Case.from_json(path.read_text())
            possible = self.options.hook == NETFILTER or not case.only_netfilter
            if possible and case.family in self.options.families and not self.enough():
                self.run(case)
                replayed += 1
        print(f"regressions: {replayed} replayed", flush=True)

    def random_cases(self) -> None:
        options = self.options
        deadline = time.monotonic() + options.seconds if options.cases is None else float("inf")
        last = options.first + options.cases if options.cases is not None else sys.maxsize
        number, started = options.first, time.monotonic()
        while number < last and time.monotonic() < deadline and not self.enough():
            family = options.families[number % len(options.families)]
            both = len(options.families) > 1 and number % BOTH_EVERY < 2
            self.run(random_case(f"{options.seed}:{number}", family, both_families=both,
                                 only_filter=options.hook != NETFILTER))
            number += 1
            if (number - options.first) % CASES_PER_NETWORK == 0:
                self.sides.stop()
        seconds = time.monotonic() - started
        hit = 100 * self.rules_hit // max(self.rules, 1)
        if options.hook != NETFILTER:
            print(self.exceptions.summary())
        print(f"random: {number - options.first} cases, {self.packets} steps in {seconds:.1f} s; "
              f"{hit} % of the counters moved, {self.unsteady} cases unsteady", flush=True)
        self.judge_unsteadiness(number - options.first)

    def real_rulesets(self, directory: Path) -> None:
        """Whole, if only known features are in them; else without the rules that are beyond."""
        paths = [path for family in self.options.families
                 for path in sorted(directory.glob(f"*.v{family}"))]
        if not paths:
            self.skip("real rulesets", f"there are none in {directory}")
        for path in paths:
            if self.enough():
                return
            text = path.read_text()
            beyond = unsupported_features(text)
            if beyond and not self.loads_on_ours(path.name, text, beyond):
                text, left_out = reduced(text)
                path = path.with_name(f"{path.name} without {left_out} lines")
            self.run(real_case(path, text, self.options.seed))
        self.sides.stop()

    def loads_on_ours(self, name: str, text: str, beyond: set[str]) -> bool:
        """Prints our reason if not. The kernel alone is not asked: some would depend on time."""
        reason = f"uses {', '.join(sorted(beyond))}"
        if self.sides.firewalls[1].daemon:
            family = 6 if name.endswith(".v6") else 4
            _, ours = self.sides.play(Case(name, {"filter": text}, [], family=family),
                                      only_restore=True)
            if ours.get("restore", {}).get("status") == 0:
                return True
            refusal = ours.get("error") or ours["restore"]["stderr"]
            reason += f": {refusal.strip().splitlines()[0] if refusal.strip() else 'no reason'}"
        self.skip(name, reason)
        return False

    def mutations(self) -> None:
        """Every kind of wrong ruleset has to be noticed, and every way of noticing has to work."""
        ways: set[str] = set()
        for mutator in MUTATORS:
            made = found = 0
            for attempt in range(MUTATION_ATTEMPTS):
                name = f"{self.options.seed}:mutation:{mutator.__name__}:{attempt}"
                family = self.options.families[attempt % len(self.options.families)]
                noticed_ways = self.mutation(name, family, mutator)
                if noticed_ways is None:
                    continue
                made, found, ways = made + 1, found + bool(noticed_ways), ways | noticed_ways
                if found == MUTATIONS_PER_KIND:
                    break
            print(f"{mutator.__name__}: {found} of {made} noticed")
            self.judge(f"{mutator.__name__}: noticed {found} of {made}",
                       found > 0 and (mutator not in NEARLY_ALWAYS_NOTICED or
                                      made - found <= MAXIMUM_UNNOTICED))
        told = ("errors",) if self.options.hook == NETFILTER else ()
        for way in ("counters", "packets", *told):
            self.judge(f"a wrong ruleset is noticed by {way}", way in ways)

    def mutation(self, name: str, family: int, mutator: Callable) -> set[str] | None:
        """The ways in which it is noticed; None if the case has no rule for it."""
        case = without_counters(self.exceptions.adapt(random_case(
            name, family, disturbances=False, only_filter=self.options.hook != NETFILTER)))
        _, result = self.sides.play(case)
        if "error" in result:
            raise RuntimeError(result["error"])
        case, lines, hit = settled(case, result)
        mutation = mutate(lines, hit, mutator, Random(name))
        if not mutation:
            return None
        wrong = case.with_filter("\n".join(["*filter", *mutation.lines, ""]))
        before, after = self.sides.play(case, wrong)
        ways = noticed(case, mutation, before, after)
        print(f"{mutation.kind}: {mutation.rule[6:100]}: noticed by "
              f"{', '.join(sorted(ways)) or 'nothing'}", flush=True)
        return ways


def print_differences(differences: list[str]) -> None:
    for difference in differences[:12]:
        print("  " + difference.replace("\n", "\n  "))
    if len(differences) > 12:
        print(f"  and {len(differences) - 12} more differences")


def print_case(case: Case) -> None:
    print(f"  interfaces {' '.join(case.interfaces)}")
    for text in (*case.tables.values(), *case.other_tables.values()):
        print("".join(f"  {line}\n" for line in text.splitlines()), end="")
    for step in case.steps:
        print("  " + describe_step(step))


def parse_options() -> argparse.Namespace:
    environment = os.environ
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default=str(random_module.SystemRandom().randrange(10**9)))
    parser.add_argument("--cases", type=int, help="number of random cases")
    parser.add_argument("--first", type=int, default=0, help="number of the first random case")
    parser.add_argument("--seconds", type=float, help="time for random cases", default=float(
        environment.get("BPF_IPTABLES_ORACLE_SECONDS", DEFAULT_SECONDS)))
    parser.add_argument("--family", choices=tuple(FAMILIES), default="both",
                        help="both: in turns, some of them together")
    parser.add_argument("--ours", choices=("legacy", "build", "installed"), default="build",
                        help="what stands on our side; legacy shows that the oracle is stable")
    parser.add_argument("--hook", choices=HOOKS, default=NETFILTER,
                        help="of our side; docs/hooks.md lists the exceptions of xdp and tc")
    parser.add_argument("--build", help="build directory", default=environment.get(
        "BPF_IPTABLES_BUILD", str(REPOSITORY / "build")))
    parser.add_argument("--mutations", action="store_true", help="show that errors are noticed")
    parser.add_argument("--replay", nargs="+", metavar="FILE", help="play these reproductions")
    parser.add_argument("--rulesets", default=None, help="directory of real rulesets (*.v4, *.v6)")
    parser.add_argument("--only-rulesets", action="store_true", help="no random cases")
    parser.add_argument("--no-rulesets", action="store_true", help="no real rulesets")
    parser.add_argument("--tap", action="store_true", help="a TAP line for each case")
    parser.add_argument("--shrink-seconds", type=float, default=60)
    parser.add_argument("--output", default=".", help="where reproductions are written")
    options = parser.parse_args()
    shared = environment.get("BPF_IPTABLES_SHARED", REPOSITORY.parent / "shared")
    options.families = FAMILIES[options.family]
    options.rulesets = Path(options.rulesets or Path(shared) / "rulesets")
    return options


def run_all(oracle: Oracle, options: argparse.Namespace) -> None:
    if options.replay:
        for path in options.replay:
            oracle.replay(Path(path))
    elif options.mutations:
        oracle.mutations()
    else:
        oracle.regressions()
        if not options.no_rulesets:
            oracle.real_rulesets(options.rulesets)
        if not options.only_rulesets:
            oracle.random_cases()


def main() -> int:
    options = parse_options()
    ours = LEGACY if options.mutations else find_firewall(options.ours, options.build,
                                                          options.hook)
    if os.geteuid():
        print("skipped: network namespaces need root\n0 passed, 0 failed, 1 skipped")
        return SKIPPED_STATUS
    missing = missing_programs(LEGACY, options.families) + missing_programs(ours, options.families)
    if missing:
        print(f"FAILED: not found: {', '.join(missing)}\n0 passed, 1 failed, 0 skipped")
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    print(f"oracle: {ours.name} against {LEGACY.name}, --hook {options.hook} "
          f"--family {options.family} --seed {options.seed}", flush=True)
    with Sides(LEGACY, ours, options.hook) as sides:
        oracle = Oracle(options, sides)
        try:
            run_all(oracle, options)
        except KeyboardInterrupt:
            print("interrupted")
            oracle.failed += 1
        except RuntimeError as error:
            print(f"FAILED: {error}")
            oracle.failed += 1
    if options.tap:
        print(f"1..{oracle.passed + oracle.failed + oracle.skipped}")
    print(f"{oracle.passed} passed, {oracle.failed} failed, {oracle.skipped} skipped")
    return 1 if oracle.failed else 0


if __name__ == "__main__":
    sys.exit(main())
