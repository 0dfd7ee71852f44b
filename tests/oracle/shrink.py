# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a case smaller as long as its sides differ: delta debugging (Zeller, 2002)."""

import time
from collections.abc import Callable
from dataclasses import replace

from case import Case

Differs = Callable[[Case], bool]


def minimise(items: list, differs: Callable[[list], bool], deadline: float) -> list:
    """ddmin, complements only: leaves out ever smaller pieces until no single one can go."""
    pieces = 2
    while items and time.monotonic() < deadline:
        size = -(-len(items) // pieces)
        for start in range(0, len(items), size):
            if time.monotonic() > deadline:
                return items
            rest = items[:start] + items[start + size:]
            if differs(rest):
                items, pieces = rest, max(pieces - 1, 2)
                break
        else:
            if size == 1:
                break
            pieces = min(pieces * 2, len(items))
    return items


def with_rules(case: Case, table: str, rules: list[str]) -> Case:
    """The table with only these of its rules; its chains stay."""
    others = [line for line in case.tables[table].splitlines() if "-A " not in line]
    text = "\n".join([*others[:-1], *rules, others[-1], ""])
    return replace(case, tables=dict(case.tables, **{table: text}))


def without_chains(case: Case, chains: list[str]) -> Case:
    """Chains that are still jumped to cannot go: then the reference does not load it."""
    lines = [line for line in case.tables["filter"].splitlines()
             if not (line.startswith(":") and " - " in line) or line in chains]
    return case.with_filter("\n".join([*lines, ""]))


def shrink(case: Case, differs: Differs, seconds: float) -> Case:
    deadline = time.monotonic() + seconds
    if differs(case.with_steps([])):
        case = case.with_steps([])
    if case.other_tables and differs(replace(case, other_tables={})):
        case = replace(case, other_tables={})
    case = case.with_steps(minimise(case.steps, lambda steps: differs(case.with_steps(steps)),
                                    deadline))
    for table in list(case.tables):
        if table != "filter":
            smaller = {name: text for name, text in case.tables.items() if name != table}
            candidate = replace(case, tables=smaller)
            case = candidate if differs(candidate) else case
    for table in case.tables:
        rules = [line for line in case.tables[table].splitlines() if "-A " in line]
        case = with_rules(case, table, minimise(
            rules, lambda rest, table=table: differs(with_rules(case, table, rest)), deadline))
    chains = [line for line in case.tables["filter"].splitlines()
              if line.startswith(":") and " - " in line]
    case = without_chains(case, minimise(
        chains, lambda rest: differs(without_chains(case, rest)), deadline))
    return case.with_steps(minimise(case.steps, lambda steps: differs(case.with_steps(steps)),
                                    deadline))
