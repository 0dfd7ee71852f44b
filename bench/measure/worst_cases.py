# SPDX-License-Identifier: GPL-2.0-or-later
"""Rulesets that are made to be slow, or large: docs/algorithm.md says why they are."""

from measure.flows import UDP, Flow, Prefix, Rule

HERE, ELSEWHERE = 0x0A000001, 0x0A000002
PORT, OTHER_PORT = 1000, 2000
NETWORK = 0x0B000000
VICTIM = Flow(HERE, HERE, PORT, PORT, UDP)

# Of a row: bits of a word, and words of a group.
WORD, GROUP = 64, 64

HEAD = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]"]


def nearly(number: int) -> Rule:
    """Matches VICTIM but for one of four fields."""
    differs = [number % 4 == field for field in range(4)]
    addresses = [Prefix(ELSEWHERE if other else HERE, 32) for other in differs[:2]]
    ports = [(OTHER_PORT,) * 2 if other else (PORT,) * 2 for other in differs[2:]]
    return Rule(*addresses, UDP, *ports)


def failing_words(count: int) -> list[Rule]:
    """Of VICTIM's values each is in three rules of four, so every word of every row has bits; but
    no rule has all: every word is looked at in every field, in vain."""
    return [nearly(number) for number in range(count)]


def deep_chains(count: int) -> str:
    """As many chains as rules, each of which jumps to the next; the last drops VICTIM."""
    last = Rule(Prefix(HERE, 32)).conditions()
    lines = [f":c{number} - [0:0]" for number in range(1, count)]
    names = ["INPUT", *(f"c{number}" for number in range(1, count))]
    lines += [f"-A {name} -j {following}" for name, following in zip(names, names[1:])]
    return "\n".join([*HEAD, *lines, f"-A {names[-1]} {last} -j DROP", "COMMIT", ""])


def overlapping_ranges(count: int) -> list[Rule]:
    """Ranges of ports, each begins behind the one before it, and half of all hold any port between:
    as many different rows as ranges, with many bits each."""
    step = max(1, 32768 // count)
    return [Rule(protocol=UDP, destination_ports=(number * step, number * step + 32767))
            for number in range(min(count, 32768))]


def both_ends_of_groups(count: int) -> list[Rule]:
    """A rule for many addresses in the first and in the last word of each group of words, between
    them rules for one of these addresses each: as many different rows as rules, all of which have
    bits at both ends of every group."""
    made = []
    for number in range(count):
        place = number % (WORD * GROUP)
        wide = place in (0, WORD * GROUP - 1)
        if wide:
            made.append(Rule(Prefix(NETWORK, 8), protocol=UDP, destination_ports=(PORT, PORT)))
        else:
            made.append(Rule(Prefix(NETWORK + number, 32)))
    return made
