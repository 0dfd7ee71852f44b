# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of rulesets that are measured at several sizes; each the same in every run."""

from collections.abc import Callable
from random import Random

from measure import classbench, rules
from measure.flows import UDP, Prefix, Rule

HOST = 32

# How many blocked prefixes of each length there are among a hundred, about as in published lists.
PREFIX_LENGTHS = {16: 2, 18: 2, 19: 3, 20: 5, 21: 5, 22: 9, 23: 6, 24: 28, 32: 40}


def number(address: str) -> int:
    first, second, third, fourth = map(int, address.split("."))
    return first << 24 | second << 16 | third << 8 | fourth


def five_fields(count: int) -> list[Rule]:
    return [Rule(Prefix(number(rule.source), HOST), Prefix(number(rule.destination), HOST), UDP,
                 (rule.source_port, rule.source_port),
                 (rule.destination_port, rule.destination_port))
            for rule in rules.five_fields(rules.IPV4, count)]


def addresses(count: int) -> list[Rule]:
    return [Rule(Prefix(number(address), HOST)) for address in rules.blocklist(count)]


def prefixes(count: int) -> list[Rule]:
    random = Random(f"prefixes {count}")
    made: dict[Prefix, None] = {}
    while len(made) < count:
        length = random.choices(list(PREFIX_LENGTHS), list(PREFIX_LENGTHS.values()))[0]
        address = random.randrange(1 << 24, 224 << 24)
        made[Prefix(address >> (32 - length) << (32 - length), length)] = None
    return [Rule(prefix) for prefix in made]


def shaped(name: str) -> Callable[[int], list[Rule]]:
    return lambda count: classbench.rules(name, count)


MIXES: dict[str, Callable[[int], list[Rule]]] = {
    "five fields": five_fields,
    "addresses": addresses,
    "prefixes": prefixes,
    **{name: shaped(name) for name in classbench.SHAPES},
}


def text(made: list[Rule]) -> str:
    return rules.restore_text([f"{rule.conditions()} -j DROP" for rule in made])
