# SPDX-License-Identifier: GPL-2.0-or-later
"""
Real firewalls: files of iptables-save text (*.v4) in a directory that is not part of the project.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from measure.flows import ICMP, TCP, UDP, Flow
from measure.mixes import number

DIRECTORY = Path(__file__).resolve().parents[2].parent / "shared" / "rulesets"

ADDRESS = re.compile(r"\b(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\b(?:/(\d{1,2})\b(?!\.))?")
PORT = re.compile(r"(?:port|ports|sport|dport|sports|dports) ([\d:,]+)")


def files() -> Iterator[Path]:
    """Says why if there are none."""
    if not DIRECTORY.is_dir():
        print(f"Real rulesets are left out: there is no directory {DIRECTORY}")
        return
    yield from sorted(DIRECTORY.glob("*.v4"))


def count_rules(text: str) -> int:
    return sum(line.lstrip("[0123456789:] ").startswith("-A") for line in text.splitlines())


def addresses(text: str, random: Random) -> list[int]:
    """One of each network that the rules name, and some others."""
    made = [random.getrandbits(32) for _ in range(8)]
    for address, length in ADDRESS.findall(text):
        if max(map(int, address.split("."))) < 256:
            made.append(number(address) | random.getrandbits(32 - min(int(length or 32), 32)))
    return made


def ports(text: str, random: Random) -> list[int]:
    words = {word for match in PORT.findall(text) for word in re.split("[:,]", match) if word}
    return [int(word) for word in sorted(words) if int(word) < 65536] + \
        [random.randrange(1024, 65536) for _ in range(8)]


def flows(text: str, count: int) -> list[Flow]:
    """Any combinations of what the rules name: for each file the same ones."""
    random = Random(text)
    known_addresses, known_ports = addresses(text, random), ports(text, random)
    return [Flow(random.choice(known_addresses), random.choice(known_addresses),
                 random.choice((random.choice(known_ports), random.randrange(1024, 65536))),
                 random.choice(known_ports), random.choices((TCP, UDP, ICMP), (6, 3, 1))[0])
            for _ in range(count)]
