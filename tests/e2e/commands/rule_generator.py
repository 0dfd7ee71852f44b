# SPDX-License-Identifier: GPL-2.0-or-later
"""Random rule specifications in iptables' syntax, mostly valid, over the extensions we support."""

import random

import byte_vocabulary
from vocabulary import (BAD_INTERFACES, BAD_PORTS, BAD_PROTOCOLS, COMMENTS, CONNTRACK_STATES, INTERFACES,
                        PORTS, STATES, STATUSES, TCP_FLAG_SETS, Match, Vocabulary)


class RuleGenerator:
    def __init__(self, source: random.Random, words: Vocabulary):
        self.random = source
        self.words = words
        # How often something wrong is made: 1 for commands of one rule, less for whole tables.
        self.faults = 1.0
        self.byte_matches = byte_vocabulary.OF_FAMILY[4 if words.address_bits == 32 else 6]

    def fault(self, probability: float) -> bool:
        return self.random.random() < probability * self.faults

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, good: list[str], bad: list[str]) -> str:
        return self.random.choice(bad if self.fault(0.01) else good)

    def some(self, values: list[str], most: int) -> str:
        return ",".join(self.random.sample(values, self.random.randint(1, min(most, len(values)))))

    def option(self, name: str, *values: str, invertible: bool = True) -> list[str]:
        """`name values`, `! name values`, or in a hundredth of the cases a wrong form of it."""
        if self.fault(0.005):
            return [name]
        inverted = ["!"] if invertible and self.chance(0.2) else []
        return [*inverted, name, *values]

    def address(self) -> str:
        if self.chance(0.04):
            return ",".join(self.random.choice(self.words.addresses) for _ in range(2))
        if self.chance(0.3):
            number = self.random.getrandbits(self.words.address_bits)
            length = self.random.randint(0, self.words.address_bits)
            return f"{self.words.to_address(number)}/{length}"
        return self.pick(self.words.addresses, self.words.bad_addresses)

    def header(self, protocol: str | None, chain: str) -> list[str]:
        words = []
        if protocol:
            words += self.option(self.random.choice(["-p", "--protocol"]), protocol)
        if self.chance(0.35):
            words += self.option(self.random.choice(["-s", "--source", "--src"]), self.address())
        if self.chance(0.35):
            words += self.option(self.random.choice(["-d", "--destination", "--dst"]), self.address())
        # An interface that the hook cannot have is an error of its own: seldom.
        if self.chance(0.2) if chain != "OUTPUT" else self.fault(0.01):
            words += self.option("-i", self.pick(INTERFACES, BAD_INTERFACES))
        if self.chance(0.2) if chain != "INPUT" else self.fault(0.01):
            words += self.option("-o", self.pick(INTERFACES, BAD_INTERFACES))
        if self.words.has_fragment_option and self.chance(0.06):
            words += self.option("-f")
        return words

    def tcp(self) -> list[str]:
        words = [] if self.chance(0.5) else ["-m", "tcp"]
        if self.chance(0.4):
            words += self.option("--sport", self.pick(PORTS, BAD_PORTS))
        if self.chance(0.6):
            words += self.option("--dport", self.pick(PORTS, BAD_PORTS))
        if self.chance(0.2):
            words += self.option("--tcp-flags", self.random.choice(TCP_FLAG_SETS),
                                 self.random.choice(TCP_FLAG_SETS))
        elif self.chance(0.15):
            words += self.option("--syn")
        if self.chance(0.15):
            words += self.option("--tcp-option", "256" if self.fault(0.05) else self.random.choice(["2", "3", "8", "254", "255"]))
        return words

    def udp(self) -> list[str]:
        words = [] if self.chance(0.5) else ["-m", "udp"]
        if self.chance(0.4):
            words += self.option("--source-port", self.pick(PORTS, BAD_PORTS))
        if self.chance(0.6):
            words += self.option("--destination-port", self.pick(PORTS, BAD_PORTS))
        return words

    def icmp(self) -> list[str]:
        words = [] if self.chance(0.5) else ["-m", self.words.icmp_match]
        return words + self.option(self.words.icmp_option,
                                   self.pick(self.words.icmp_types, self.words.bad_icmp_types))

    def multiport(self) -> list[str]:
        count = 16 if self.fault(0.05) else self.random.choice([1, 2, 3, 8, 15])
        ports = [self.random.choice(["22", "80", "443", "1000:2000", "0", "65535", "53", "7"])
                 for _ in range(count)]
        name = self.random.choice(["--sports", "--dports", "--ports", "--source-ports"])
        return ["-m", "multiport", *self.option(name, ",".join(ports))]

    def state(self) -> list[str]:
        return ["-m", "state", *self.option("--state", self.some(STATES, 3))]

    def conntrack(self) -> list[str]:
        words = ["-m", "conntrack"]
        if self.chance(0.6):
            words += self.option("--ctstate", self.some(CONNTRACK_STATES, 4))
        if self.chance(0.15):
            words += self.option("--ctproto", self.pick(["tcp", "17", self.words.icmp], BAD_PROTOCOLS))
        for name in ("--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst"):
            if self.chance(0.1):
                words += self.option(name, self.pick(self.words.addresses, self.words.bad_addresses))
        for name in ("--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport"):
            if self.chance(0.08):
                words += self.option(name, self.pick(PORTS, BAD_PORTS))
        if self.chance(0.15):
            words += self.option("--ctstatus", self.some(STATUSES, 3))
        if self.chance(0.1):
            words += self.option("--ctexpire", self.pick(["0", "10", "10:20", ":5"], ["20:10", "x"]))
        if self.chance(0.15):
            words += self.option("--ctdir", self.pick(["ORIGINAL", "REPLY"], ["SIDEWAYS"]),
                                 invertible=False)
        return words if len(words) > 2 or self.fault(0.1) else words + ["--ctstate", "NEW"]

    def comment(self) -> list[str]:
        text = "y" * 256 if self.fault(0.02) else self.random.choice(COMMENTS)
        return ["-m", "comment", "--comment", text]

    def matches(self, protocol: str | None) -> list[str]:
        words = []
        by_protocol = {"tcp": self.tcp, "6": self.tcp, "udp": self.udp, self.words.icmp: self.icmp}
        if protocol in by_protocol and self.chance(0.7):
            words += by_protocol[protocol]()
        if (protocol in ("tcp", "udp") and self.chance(0.15)) or self.fault(0.01):
            words += self.multiport()
        if self.chance(0.08):
            words += self.state()
        if self.chance(0.12):
            words += self.conntrack()
        if self.chance(0.12):
            words += self.comment()
        for match in self.words.further_matches:
            if self.chance(0.03):
                words += self.further(match)
        if self.chance(0.15):
            words += self.further(self.random.choice(self.byte_matches))
        if self.fault(0.01):
            words += ["-m", self.random.choice(["nosuchmatch", "tcp", "icmp", ""])]
        return words

    def further(self, match: Match) -> list[str]:
        words = ["-m", match.name]
        for option in match.options:
            if self.chance(option.probability) or option.required:
                values = [self.pick(option.values, option.bad_values)] if option.values else []
                # Two words are two arguments.
                values = values[0].split(" ", 1) if option.name == "--chunk-types" else values
                words += self.option(option.name, *values, invertible=option.invertible)
        return words

    def target(self, chain: str, user_chains: list[str]) -> list[str]:
        if self.chance(0.08):
            return []
        if self.fault(0.01):
            return ["-j", self.random.choice(["NOSUCHTARGET", "INPUT", "accept", "", "QUEUED"])]
        # Circles are refused: chains jump to those after them in the alphabet, but for a few.
        if chain in user_chains and not self.fault(0.05):
            user_chains = [other for other in user_chains if other > chain]
        if user_chains and self.chance(0.35):
            return [self.random.choice(["-j", "-j", "-g", "--jump"]), self.random.choice(user_chains)]
        return ["-j", self.random.choice(["ACCEPT", "DROP", "RETURN"])]

    def rule(self, chain: str, user_chains: list[str]) -> list[str]:
        protocol = None
        if self.chance(0.7):
            protocol = self.random.choice(["tcp", "tcp", "udp", self.words.icmp,
                                           self.pick(self.words.protocols, BAD_PROTOCOLS)])
        words = self.header(protocol, chain) + self.matches(protocol) + self.target(chain, user_chains)
        if self.chance(0.2):
            words += ["-c", str(self.random.randrange(1 << self.random.randint(1, 50))),
                      str(self.random.randrange(1 << self.random.randint(1, 60)))]
        if self.fault(0.004):
            words += [self.random.choice(["--nosuchoption", "stray", "-p", "--dport", "-Q"])]
        return words
