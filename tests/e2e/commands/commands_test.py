#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same commands for iptables and for bpf-iptables, each in a network namespace of its own: exit
status, standard output, standard error and the saved tables must be the same. So for ip6tables, and for
both families in turns in the same namespace. Reports in TAP."""

import argparse
import difflib
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from command_generator import Command, CommandGenerator, Model, save_of
from command_side import Pair, Programs, Result
from known_sequences import KNOWN_SEQUENCES
from known_sequences_ipv6 import KNOWN_SEQUENCES_IPV6, KNOWN_SEQUENCES_OF_BOTH
from vocabulary import VOCABULARIES, Vocabulary

BATCH = 40
COMMANDS_PER_STATE = 4
SHRINK_SECONDS = 60  # for all failures together
SAVES = {words.command: save_of(words) for words in VOCABULARIES.values()}
FAMILIES = {"4": ["iptables"], "6": ["ip6tables"], "both": ["iptables", "ip6tables"]}
KNOWN = {"4": KNOWN_SEQUENCES, "6": KNOWN_SEQUENCES_IPV6, "both": KNOWN_SEQUENCES_OF_BOTH}

Maker = Callable[[], Pair]


class Difference(Exception):
    def __init__(self, commands: list[Command], expected: Result, got: Result):
        super().__init__()
        # The last one is that which differs. States are looked at again whenever these are run.
        self.commands = without_states(commands[:-1]) + commands[-1:]
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        lines = [f"{len(self.commands)} commands, the last of which differs:"]
        lines += ["  " + line for command in self.commands for line in str(command).splitlines()]
        if self.expected.status != self.got.status:
            lines.append(f"exit status: expected {self.expected.status}, got {self.got.status}")
        for name in ("stdout", "stderr"):
            lines += difflib.unified_diff(
                getattr(self.expected, name).splitlines(), getattr(self.got, name).splitlines(),
                f"{name} expected", f"{name} got", lineterm="", n=2)
        return "\n".join(lines)


def family_of(command: Command) -> str:
    return command.program.split("-")[0]


def without_states(commands: list[Command]) -> list[Command]:
    return [command for command in commands if command not in SAVES.values()]


def with_states(commands: list[Command], families: list[str], every: int = 1) -> list[Command]:
    """The saved tables are looked at every few commands, and at the end."""
    saves = [SAVES[family] for family in families]
    mixed = []
    for index, command in enumerate(commands, 1):
        mixed.append(command)
        if index % every == 0:
            mixed += saves
    return mixed if mixed and len(commands) % every == 0 else mixed + saves


def first_difference(commands: list[Command], pairs: list[tuple[Result, Result]]) -> int | None:
    for index, (expected, got) in enumerate(pairs):
        if expected != got:
            return index
    return None


def run_and_compare(pair: Pair, before: list[Command], commands: list[Command]) -> dict[str, str]:
    """Raises Difference. Returns each family's tables as saved last."""
    pairs = pair.run(commands)
    index = first_difference(commands, pairs)
    if index is not None:
        raise Difference(before + commands[: index + 1], *pairs[index])
    return {family_of(command): expected.stdout for command, (expected, _) in zip(commands, pairs)
            if command in SAVES.values()}


def run_random(make_pair: Maker, seed: int, count: int, vocabularies: list[Vocabulary]) -> None:
    source = random.Random(seed)
    generators = {words.command: CommandGenerator(source, words) for words in vocabularies}
    done: list[Command] = []
    with make_pair() as pair:
        while len(done) < count:
            commands = [source.choice(list(generators.values())).command()
                        for _ in range(min(BATCH, count - len(done)))]
            saved = run_and_compare(pair, done,
                                    with_states(commands, list(generators), COMMANDS_PER_STATE))
            for family, text in saved.items():
                generators[family].model = Model.from_save(text)
            done += without_states(commands)


def run_known(make_pair: Maker, commands: list[Command]) -> None:
    families = sorted({family_of(command) for command in commands})
    with make_pair() as pair:
        run_and_compare(pair, [], with_states(commands, families))


def reproduce(make_pair: Maker, commands: list[Command]) -> Difference | None:
    try:
        run_known(make_pair, commands)
    except Difference as difference:
        return difference
    return None


class Shrinker:
    """Looks for fewer commands with a difference, by leaving out ever smaller parts."""

    def __init__(self, make_pair: Maker, seconds: float):
        self.make_pair = make_pair
        self.seconds = seconds

    def shrink(self, found: Difference) -> Difference:
        started = time.monotonic()
        deadline = started + self.seconds
        best = found
        size = len(best.commands) // 2
        while size >= 1 and time.monotonic() < deadline:
            best = self.leave_out(best, size, deadline)
            size //= 2
        self.seconds -= time.monotonic() - started
        return best

    def leave_out(self, best: Difference, size: int, deadline: float) -> Difference:
        start = 0
        while start < len(best.commands) and time.monotonic() < deadline:
            fewer = best.commands[:start] + best.commands[start + size:]
            smaller = reproduce(self.make_pair, fewer)
            if smaller and len(smaller.commands) < len(best.commands):
                best = smaller
            else:
                start += size
        return best


class Tap:
    def __init__(self, total: int):
        self.number = 0
        self.failed = False
        print(f"1..{total}", flush=True)

    def case(self, name: str, problem: str | None) -> None:
        self.number += 1
        self.failed |= problem is not None
        print(f"{'ok' if problem is None else 'not ok'} {self.number} - {name}", flush=True)
        for line in (problem or "").splitlines():
            print(f"# {line}", flush=True)


def try_case(shrinker: Shrinker, run: Callable[[], None]) -> str | None:
    try:
        run()
    except Difference as difference:
        return str(shrinker.shrink(difference))
    except RuntimeError as error:
        return str(error)
    return None


class Saboteur(Pair):
    """Ours gets something else than the reference, whenever a certain word is in a command."""

    def run(self, commands: list[Command]) -> list[tuple[Result, Result]]:
        altered = [
            Command(command.program, tuple("RETURN" if word == "DROP" else word
                                           for word in command.arguments), command.input)
            for command in commands
        ]
        self.sides[0].submit(commands)
        self.sides[1].submit(altered)
        expected, got = [side.results() for side in self.sides]
        return list(zip(expected, got))


def check_that_it_notices(reference: Programs, seed: int) -> str | None:
    """A comparison that cannot fail proves nothing: one wrong target must be found, and shrunk."""
    def make_pair() -> Pair:
        return Saboteur(reference, reference)

    try:
        run_random(make_pair, seed, 120, [VOCABULARIES[4]])
    except Difference as difference:
        shrunk = Shrinker(make_pair, SHRINK_SECONDS).shrink(difference)
        if len(shrunk.commands) > 6:
            return f"found, but shrunk to {len(shrunk.commands)} commands only:\n{shrunk}"
        return None
    return "commands that differ in their target were not noticed"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=9000, help="random commands in all")
    parser.add_argument("--sequences", type=int, default=9, help="that share the random commands")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--family", choices=list(FAMILIES), action="append", dest="families",
                        help="4, 6, or both in the same namespace; without: each of these")
    parser.add_argument("--against", choices=["ours", "legacy"], default="ours",
                        help="legacy: the reference on both sides, which must not differ")
    build = os.environ.get("BPF_IPTABLES_BUILD", Path(__file__).resolve().parents[3] / "build")
    parser.add_argument("--build", type=Path, default=Path(build))
    arguments = parser.parse_args()
    arguments.families = arguments.families or list(FAMILIES)
    return arguments


def run_cases(arguments: argparse.Namespace, reference: Programs, make_pair: Maker) -> bool:
    shrinker = Shrinker(make_pair, SHRINK_SECONDS)
    known = {name: commands for kind in arguments.families for name, commands in KNOWN[kind].items()}
    tap = Tap(1 + len(known) + arguments.sequences)
    tap.case("a wrong target is noticed", check_that_it_notices(reference, arguments.seed))
    for name, commands in known.items():
        tap.case(name, try_case(shrinker, lambda: run_known(make_pair, commands)))
    count = arguments.commands // arguments.sequences
    for number in range(arguments.sequences):
        kind = arguments.families[number % len(arguments.families)]
        families = FAMILIES[kind]
        vocabularies = [words for words in VOCABULARIES.values() if words.command in families]
        seed = arguments.seed + number
        tap.case(f"{count} random commands, {' and '.join(families)}, seed {seed}", try_case(
            shrinker, lambda: run_random(make_pair, seed, count, vocabularies)))
    return not tap.failed


def main() -> int:
    arguments = parse_arguments()
    reference = Programs.legacy()
    ours = Programs.ours(arguments.build) if arguments.against == "ours" else reference
    families = {family for kind in arguments.families for family in FAMILIES[kind]}
    missing = reference.missing(families) + ours.missing(families)
    if missing:
        print("there is no", ", no ".join(missing))
        return 1
    chosen = " ".join(f"--family {kind}" for kind in arguments.families)
    print(f"# seed {arguments.seed}; again with: --seed {arguments.seed} --commands {arguments.commands}"
          f" --sequences {arguments.sequences} {chosen}", flush=True)
    return 0 if run_cases(arguments, reference, lambda: Pair(reference, ours)) else 1


if __name__ == "__main__":
    sys.exit(main())
