# SPDX-License-Identifier: GPL-2.0-or-later
"""
Matches that keep something from packet to packet. What they say must not depend on how fast the
packets come: a token takes 20 minutes, and no address is forgotten in time.
"""

import re
from random import Random

# Where the kernel begins anew with each change of the table, and we do not.
KEPT_HERE_ONLY = re.compile(r"-m (limit|quota|statistic)\b")
RATE = re.compile(r"(limit[a-z-]*) \d+/[a-z]+")
SPAN = re.compile(r"--seconds \d+")
LISTS = ("--name visitors ", "--name friends ", "")


def _limit(random: Random) -> str:
    return f"-m limit --limit {random.randint(1, 3)}/hour --limit-burst {random.randint(1, 12)}"


def _quota(random: Random) -> str:
    inverted = "! " if random.random() < 0.3 else ""
    return f"-m quota {inverted}--quota {random.choice((0, 40, 200, 1000, 3000, 10000))}"


def _statistic(random: Random) -> str:
    inverted = "! " if random.random() < 0.3 else ""
    if random.random() < 0.1:
        return f"-m statistic --mode random {inverted}--probability {random.choice((0, 1))}"
    every = random.randint(1, 5)
    return f"-m statistic --mode nth {inverted}--every {every} --packet {random.randrange(every)}"


def _recent(random: Random, masks: tuple[str, ...]) -> str:
    command = random.choice(("--set", "--set", "--set", "--rcheck", "--rcheck", "--update",
                             "--update", "--remove"))
    inverted = "! " if random.random() < 0.15 else ""
    text = f"-m recent {inverted}{command} {random.choice(LISTS)}"
    if command in ("--rcheck", "--update"):
        seconds = random.random() < 0.5
        text += "--seconds 36000 " if seconds else ""
        text += "--reap " if seconds and random.random() < 0.4 else ""
        text += f"--hitcount {random.randint(1, 5)} " if random.random() < 0.5 else ""
        text += "--rttl " if random.random() < 0.3 else ""
    return text + f"--mask {random.choice(masks)} {random.choice(('--rsource', '--rdest'))}"


def _hashlimit(random: Random, family: int) -> str:
    """A table is as the first rule that names it wants it; it is full, or never."""
    modes = ",".join(random.sample(("srcip", "dstip", "srcport", "dstport"), random.randint(0, 4)))
    by_rate = random.random() < 0.3
    name = f"{random.choice(('a', 'b', 'c'))}-{'rate' if by_rate else 'bucket'}"
    text = f"-m hashlimit --hashlimit-name {name} " \
        f"--hashlimit-{random.choice(('upto', 'above'))} "
    if by_rate:
        text += random.choice(("1/sec", "3/sec", "60/min", "512b/s", "2kb/s"))
        text += " --hashlimit-rate-match --hashlimit-rate-interval 36000"
        text += "" if "b/s" in text else f" --hashlimit-burst {random.randint(1, 6)}"
    else:
        text += f"{random.randint(1, 3)}/hour --hashlimit-burst {random.randint(1, 8)}"
    text += " --hashlimit-htable-expire 36000000"
    if modes:
        text += f" --hashlimit-mode {modes}"
    for end in ("src", "dst"):
        if f"{end}ip" in modes and random.random() < 0.4:
            length = random.choice((0, 8, 17, 24, 31, 32) if family == 4 else
                                   (0, 16, 33, 64, 65, 96, 127, 128))
            text += f" --hashlimit-{end}mask {length}"
    if random.random() < 0.15:
        text += " --hashlimit-htable-size 4 --hashlimit-htable-max 6"
    return text


def stateful_match(random: Random, family: int) -> str:
    masks = ("255.255.255.255", "255.255.255.0") if family == 4 else \
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::")
    return random.choice((_limit, _quota, _statistic, lambda random: _recent(random, masks),
                          lambda random: _recent(random, masks),
                          lambda random: _hashlimit(random, family),
                          lambda random: _hashlimit(random, family)))(random)


def begins_anew_with_changes(rules: str) -> bool:
    """Would the kernel's answers depend on commands in between?"""
    return KEPT_HERE_ONLY.search(rules) is not None


def slowed(rules: str) -> str:
    """The same rules with rates and times so long that no case lasts as long."""
    return SPAN.sub("--seconds 36000", RATE.sub(r"\1 1/hour", rules))
