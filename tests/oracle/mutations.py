# SPDX-License-Identifier: GPL-2.0-or-later
"""
Deliberately wrong rulesets, which the oracle has to notice by what they do.

That the listing shows the mutated rule itself proves nothing, so that line is left out of the
comparison: the packets, the senders' errors or the counters of all other lines have to tell.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from case import Case
from compare import (compare_captured, compare_steps, filter_counters, normalised_captures,
                     split_tables)
from topology import ENDS

HEADER_OPTIONS = ("--(?:header|fragid|rt-type|rt-segsleft|rt-len|hbh-len|dst-len|mh-type|hl-eq|"
                  "ttl-eq)")
COUNTED_VERDICT = re.compile(r"^\[([1-9]\d*):\d+\] .*-j (ACCEPT|DROP)$")


@dataclass
class Mutation:
    kind: str
    lines: list[str]
    pairs: list[tuple[int, int]]  # lines to compare: index before, index after
    rule: str


def without(count: int, *left_out: int) -> list[tuple[int, int]]:
    return [(index, index) for index in range(count) if index not in left_out]


def replaced(kind: str, lines: list[str], index: int, line: str) -> Mutation | None:
    if line == lines[index]:
        return None
    return Mutation(kind, [*lines[:index], line, *lines[index + 1:]], without(len(lines), index),
                    lines[index])


def delete(lines: list[str], index: int) -> Mutation:
    pairs = [(place, place - (place > index)) for place in range(len(lines)) if place != index]
    return Mutation("rule deleted", lines[:index] + lines[index + 1:], pairs, lines[index])


def change_port(lines: list[str], index: int) -> Mutation | None:
    line = re.sub(r"(?<!! )(--[sd]port) (\d+)(?= )", lambda found:
                  f"{found[1]} {int(found[2]) ^ 1}", lines[index], count=1)
    return replaced("port changed", lines, index, line)


def flip_inversion(lines: list[str], index: int) -> Mutation | None:
    line = re.sub(r"(! )?(-[sd] \S+|-[io] \S+|-f)(?= )", lambda found:
                  found[2] if found[1] else "! " + found[2], lines[index], count=1)
    return replaced("inversion flipped", lines, index, line)


def flip_header_inversion(lines: list[str], index: int) -> Mutation | None:
    line = re.sub(rf"(! )?({HEADER_OPTIONS} \S+)", lambda found:
                  found[2] if found[1] else "! " + found[2], lines[index], count=1)
    return replaced("inversion in a header's match flipped", lines, index, line)


def flip_verdict(lines: list[str], index: int) -> Mutation | None:
    """Not in INPUT: the firewall's stack ignores many a packet that it gets."""
    if lines[index].split()[2] not in ("FORWARD", "OUTPUT"):
        return None
    line = re.sub(r"-j (ACCEPT|DROP)$", lambda found:
                  "-j " + ("DROP" if found[1] == "ACCEPT" else "ACCEPT"), lines[index])
    return replaced("verdict flipped", lines, index, line)


def change_counter(lines: list[str], index: int) -> Mutation:
    """Here the line itself is what has to tell."""
    mutation = replaced("counter changed", lines, index, "[1:1]" + lines[index][5:])
    mutation.pairs = without(len(lines))
    return mutation


def swap(lines: list[str], index: int) -> Mutation | None:
    following = lines[index + 1]
    if lines[index].split()[2:3] != following.split()[2:3] or lines[index] == following:
        return None
    pairs = without(len(lines), index, index + 1) + [(index, index + 1), (index + 1, index)]
    return Mutation("order swapped", [*lines[:index], following, lines[index], *lines[index + 2:]],
                    pairs, lines[index])


# What has hit a rule and no longer does is seen elsewhere, but for the rare packet that a later
# match drops uncounted (hotdrop), or that IP drops behind the hook. An order need not matter.
NEARLY_ALWAYS_NOTICED = (delete, change_port, flip_inversion, flip_header_inversion, flip_verdict,
                         change_counter)
MUTATORS: tuple[Callable, ...] = (*NEARLY_ALWAYS_NOTICED, swap)


def without_counters(case: Case) -> Case:
    return case.with_filter(re.sub(r"^(:\S+ \S+ )?\[\d+:\d+\]", r"\1[0:0]",
                                   case.tables["filter"], flags=re.MULTILINE))


def settled(case: Case, result: dict) -> tuple[Case, list[str], list[int]]:
    """
    The case with its filter table in the order of the listing and counters at zero, that table's
    lines, and the indices of verdicts that packets reached.
    """
    listed = split_tables(result["save"]["stdout"])["*filter"]
    hit = [index for index, line in enumerate(listed) if COUNTED_VERDICT.match(line)]
    lines = [re.sub(r"\[\d+:\d+\]", "[0:0]", line, count=1) for line in listed]
    return case.with_filter("\n".join(["*filter", *lines, ""])), lines, hit


def mutate(case_lines: list[str], hit: list[int], mutator: Callable,
           random: Random) -> Mutation | None:
    for index in random.sample(hit, len(hit)):
        mutation = mutator(case_lines, index)
        if mutation:
            return mutation
    return None


def noticed(case: Case, mutation: Mutation, before: dict, after: dict) -> set[str]:
    """In which ways the two results betray the mutation: counters, packets, errors."""
    ways = set()
    counters = filter_counters(before), filter_counters(after)
    if any(counters[0][first] != counters[1][second] for first, second in mutation.pairs
           if "COMMIT" not in mutation.lines[second]):
        ways.add("counters")
    captures = normalised_captures(case, before), normalised_captures(case, after)
    if any(compare_captured(end, first, second) for end, first, second in zip(ENDS, *captures)):
        ways.add("packets")
    if compare_steps(case, before, after):
        ways.add("errors")
    return ways
