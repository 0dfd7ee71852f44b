# SPDX-License-Identifier: GPL-2.0-or-later
"""What only IPv6's rulesets have: extension headers, hop limits, neighbour discovery."""

from random import Random

from addresses import IPV6
from rulesets import BASE_CHAINS, Generator
from topology import LINK_LOCAL_HOSTS, LINKS, LOCAL_ADDRESSES

HEADER_NAMES = ("hop", "dst", "route", "frag", "auth", "esp", "none", "prot")
ROUTING_TYPES = (0, 0, 2, 4, 253)
# Types of options: padding, of this family's protocols, unknown ones of each way of dealing with.
OPTION_TYPES = (0, 1, 1, 5, 5, 30, 30, 62, 138, 194, 201)
# Fragments' identifications that a run does not change (packets_ipv6.py KEPT_IDENTIFICATION).
FRAGMENT_IDS = (0x10001, 0x10002, 0x1FFFF, 0x12345678 | 0x10000, 0xFFFFFFFF)
DISCOVERY_TYPES = (133, 134, 135, 136, 137)
# The interface identifiers that the ends' MAC addresses give (RFC 4291 appendix A).
EUI64_HOSTS = ("2001:db8:1::ff:fe00:2", "2001:db8:ffff::ff:fe00:102", "fd00:5::ff:fe00:202")


class GeneratorIPv6(Generator):
    family = IPV6
    icmp = ("ipv6-icmp", "58", "icmpv6")
    icmp_match = ("icmp6", "--icmpv6-type")
    icmp_types = ("echo-request", "echo-reply", "128", "129", "1", "1/0", "1/1", "1/4", "2",
                  "2/0", "3", "3/0", "4", "4/1", "130", "133", "134", "135", "136", "136/0", "137",
                  "143", "144", "255/255", "port-unreachable", "time-exceeded", "packet-too-big",
                  "neighbour-solicitation", "neighbour-advertisement", "0", "0/255")
    other_protocols = ("udplite", "sctp", "dccp", "gre", "esp", "ah", "ipv6-nonxt", "ipv6-opts",
                       "ipv6-route", "ipv6-frag", "hopopt", "mh", "mh", "mh", "41", "4", "1", "99",
                       "108", "132", "253", "255", "all", "0")
    lengths = (16, 32, 48, 64, 64, 96, 112, 127, 128, 0)
    odd_masks = ("::ff00:0", "ffff:ffff::ffff", "0:0:0:0:0:0:ffff:0", "::ffff:ffff:ffff:ffff",
                 "ffff::", "8000::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "::",
                 "ffff:0:ffff:0:ffff:0:ffff:0", "0:ffff::ffff:ffff:0")
    special_addresses = (*LOCAL_ADDRESSES[6], *(link.link_local for link in LINKS), "::1", "::",
                         "ff02::1", "ff02::1:ff00:1", "fe80::", *LINK_LOCAL_HOSTS)
    nat_public = ("2001:db8:d::50", "2001:db8:d::51", "2001:db8:2:c8::1")
    nat_targets = ("2001:db8:a000:5::5", "2001:db8:ffff:d::77", "fd00:2::9")
    nat_aliases = ("2001:db8:ffff:5::1", "2001:db8:ffff:5::2")

    def __init__(self, random: Random, interfaces: list[str]) -> None:
        """Some rulesets are all about headers, with little else that could keep rules off."""
        super().__init__(random, interfaces)
        self.focused = random.random() < 0.35
        if self.focused:
            self.address_share = 0.05
            self.protocol_weights = (70, 8, 8, 4, 10)
            self.conntrack = random.random() < 0.25

    def _pick_hosts(self) -> list[str]:
        number = self.random.randrange
        return [f"2001:db8:1:{number(4):x}::{number(2, 256):x}",
                f"2001:db8:1:{number(4):x}::{number(2, 256):x}",
                f"2001:db8:a{number(1 << 12):03x}::{number(1 << 16):x}:{number(256):x}",
                f"fd00:{number(1 << 16):x}::{number(1, 256):x}",
                f"2001:db8:ffff::{number(2, 40):x}", f"2001:db8:fffe:{number(4):x}::1",
                self.random.choice(EUI64_HOSTS), "2001:4860:4860::8888",
                f"2{number(1 << 12):03x}:{number(1 << 16):x}:{number(1 << 16):x}::"
                f"{number(1 << 16):x}:{number(1 << 16):x}"]

    def first_rules(self) -> list[str]:
        """What becomes of neighbour discovery is often said at once, and for each type."""
        if self.chance(0.65):
            return []
        chains = self.random.choice((["INPUT"], ["OUTPUT"], ["INPUT", "OUTPUT"]))
        types = self.random.sample(DISCOVERY_TYPES, self.random.randint(1, 5))
        target = self.random.choice(("ACCEPT", "ACCEPT", "DROP"))
        return [f"-A {chain} -p ipv6-icmp -m icmp6 --icmpv6-type {kind} -j {target}"
                for chain in chains for kind in types]

    def family_matches(self, protocol: str, chain: str) -> list[str]:
        share = 3.5 if self.focused else 1
        makers = [(0.07, self._header_match), (0.06, self._fragment_match),
                  (0.06, self._routing_match), (0.05, lambda: self._options_match("hbh")),
                  (0.05, lambda: self._options_match("dst")),
                  (0.06, lambda: self.hop_limit_match("hl"))]
        matches = [maker() for probability, maker in makers if self.chance(share * probability)]
        if protocol == "mh" and self.chance(0.8):
            matches.append(f"-m mh {self.maybe_not(0.25)}--mh-type {self._range(0, 8)}")
        if chain in BASE_CHAINS[:2] and self.chance(0.05):  # OUTPUT cannot have it
            matches.append("-m eui64")
        return matches

    def _range(self, low: int, high: int) -> str:
        first, last = sorted(self.random.randint(low, high) for _ in range(2))
        return self.random.choice((f"{first}", f"{first}", f"{first}:{last}"))

    def _some(self, *options: tuple[float, str]) -> str:
        return "".join(f" {text}" for probability, text in options if self.chance(probability))

    def _header_match(self) -> str:
        names = self.random.sample(HEADER_NAMES, self.random.choice((1, 1, 1, 2, 2, 3, 5)))
        if self.chance(0.5) and "prot" not in names:
            names.append("prot")  # without --soft the headers have to be exactly these
        text = f"-m ipv6header {self.maybe_not(0.25)}--header {','.join(names)}"
        return text + self._some((0.55, "--soft"))

    def _fragment_match(self) -> str:
        first, last = sorted(self.random.sample(FRAGMENT_IDS, 2))
        ids = self.random.choice((f"{first}", f"{first}:{last}", "0:65535", f"{last}:", ":65535"))
        which = self.random.choice(("--fragmore", "--fraglast"))
        return "-m frag" + self._some((0.4, f"{self.maybe_not(0.25)}--fragid {ids}"),
                                      (0.2, "--fragres"), (0.3, "--fragfirst"), (0.3, which),
                                      (0.04, "--fraglen 8"))

    def _routing_match(self) -> str:
        kind = self.random.choice(ROUTING_TYPES)
        text = "-m rt" + self._some(
            (0.3, f"{self.maybe_not(0.25)}--rt-segsleft {self._range(0, 4)}"),
            (0.2, f"{self.maybe_not(0.25)}--rt-len {self.random.choice((8, 24, 40, 56, 9))}"))
        if kind == 0 and self.chance(0.6):
            addresses = self.random.sample(self.hosts, self.random.randint(1, 3))
            not_strict = self._some((0.4, "--rt-0-not-strict"))
            return text + " --rt-type 0" + self._some(
                (0.3, "--rt-0-res"), (0.7, f"--rt-0-addrs {','.join(addresses)}{not_strict}"))
        return text + self._some((0.6, f"{self.maybe_not(0.25)}--rt-type {kind}"))

    def _options_match(self, name: str) -> str:
        types = self.random.choices(OPTION_TYPES, k=self.random.choice((1, 1, 2, 2, 3, 6)))
        lengths = [f":{self.random.choice((0, 1, 2, 2, 4, 4, 255))}" if kind and self.chance(0.4)
                   else "" for kind in types]
        options = ",".join(f"{kind}{length}" for kind, length in zip(types, lengths))
        return f"-m {name}" + self._some(
            (0.35, f"{self.maybe_not(0.25)}--{name}-len {self.random.choice((8, 8, 16, 24, 9))}"),
            (0.6, f"--{name}-opts {options}"))
