#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same commands for iptables and for bpf-iptables, each in a network namespace of its own: exit
status, standard output, standard error and the saved tables must be the same. Reports in TAP."""

import argparse
import difflib
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from command_generator import SAVE, Command, CommandGenerator, Model
from command_side import Pair, Programs, Result
from known_sequences import KNOWN_SEQUENCES

BATCH = 40
COMMANDS_PER_STATE = 4
SHRINK_SECONDS = 60  # for all failures together

Maker = Callable[[], Pair]


class Difference(Exception):
    def __init__(self, commands: list[Command], expected: Result, got: Result):
        super().__init__()
        # The last one is that which differs. States are looked at again whenever these are run.
        self.commands = [command for command in commands[:-1] if command != SAVE] + commands[-1:]
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


def with_states(commands: list[Command], every: int = 1) -> list[Command]:
    """The saved tables are looked at every few commands, and at the end."""
    mixed = []
    for index, command in enumerate(commands, 1):
        mixed.append(command)
        if index % every == 0:
            mixed.append(SAVE)
    return mixed if mixed and mixed[-1] == SAVE else mixed + [SAVE]


def first_difference(commands: list[Command], pairs: list[tuple[Result, Result]]) -> int | None:
    for index, (expected, got) in enumerate(pairs):
        if expected != got:
            return index
    return None


def run_and_compare(pair: Pair, before: list[Command], commands: list[Command]) -> str:
    """Raises Difference. Returns the tables as saved by the last command, a SAVE."""
    pairs = pair.run(commands)
    index = first_difference(commands, pairs)
    if index is not None:
        raise Difference(before + commands[: index + 1], *pairs[index])
    return pairs[-1][0].stdout


def run_random(make_pair: Maker, seed: int, count: int) -> None:
    generator = CommandGenerator(seed)
    done: list[Command] = []
    with make_pair() as pair:
        while len(done) < count:
            commands = [generator.command() for _ in range(min(BATCH, count - len(done)))]
            commands = with_states(commands, COMMANDS_PER_STATE)
            saved = run_and_compare(pair, done, commands)
            generator.model = Model.from_save(saved)
            done += [command for command in commands if command != SAVE]


def run_known(make_pair: Maker, commands: list[Command]) -> None:
    with make_pair() as pair:
        run_and_compare(pair, [], with_states(commands))


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
        run_random(make_pair, seed, 120)
    except Difference as difference:
        shrunk = Shrinker(make_pair, SHRINK_SECONDS).shrink(difference)
        if len(shrunk.commands) > 6:
            return f"found, but shrunk to {len(shrunk.commands)} commands only:\n{shrunk}"
        return None
    return "commands that differ in their target were not noticed"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=6000, help="random commands in all")
    parser.add_argument("--sequences", type=int, default=6, help="that share the random commands")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--against", choices=["ours", "legacy"], default="ours",
                        help="legacy: the reference on both sides, which must not differ")
    build = os.environ.get("BPF_IPTABLES_BUILD", Path(__file__).resolve().parents[3] / "build")
    parser.add_argument("--build", type=Path, default=Path(build))
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    reference = Programs.legacy()
    ours = Programs.ours(arguments.build) if arguments.against == "ours" else reference
    missing = reference.missing() + ours.missing()
    if missing:
        print("there is no", ", no ".join(missing))
        return 1

    def make_pair() -> Pair:
        return Pair(reference, ours)

    print(f"# seed {arguments.seed}; again with: --seed {arguments.seed} --commands {arguments.commands}"
          f" --sequences {arguments.sequences}", flush=True)
    shrinker = Shrinker(make_pair, SHRINK_SECONDS)
    tap = Tap(1 + len(KNOWN_SEQUENCES) + arguments.sequences)
    tap.case("a wrong target is noticed", check_that_it_notices(reference, arguments.seed))
    for name, commands in KNOWN_SEQUENCES.items():
        tap.case(name, try_case(shrinker, lambda: run_known(make_pair, commands)))
    count = arguments.commands // arguments.sequences
    for seed in range(arguments.seed, arguments.seed + arguments.sequences):
        tap.case(f"{count} random commands, seed {seed}",
                 try_case(shrinker, lambda: run_random(make_pair, seed, count)))
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
