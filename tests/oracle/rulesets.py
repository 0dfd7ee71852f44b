# SPDX-License-Identifier: GPL-2.0-or-later
"""
Random rulesets over everything that bpf-iptables knows: what both families have. The rest is in
rulesets_ipv4.py and rulesets_ipv6.py.

Constants come from small pools, made anew for each ruleset, so that rules overlap densely and a
packet meets many of them.
"""

from dataclasses import dataclass, field
from random import Random

from addresses import Family, packed, unpacked
from byte_matches import ByteMatches
from kernel_matches import ESTIMATOR, KernelMatches
from kernel_sets import KernelSets
from stateful import stateful_match

BASE_CHAINS = ("INPUT", "FORWARD", "OUTPUT")
PORTS = (0, 1, 22, 53, 80, 123, 443, 1023, 1024, 8080, 32768, 33434, 65534, 65535)
TCP_FLAGS = ("SYN", "ACK", "FIN", "RST", "URG", "PSH")
CONNTRACK_STATES = ("INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED", "SNAT", "DNAT")
CONNTRACK_STATUSES = ("NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED")
# Seconds; far from any state's timeout, so that the speed of a run does not matter.
EXPIRIES = (0, 5, 20, 45, 90, 200, 450, 100000, 4294967295)
COMMENTS = ("plain", "two words", 'a "quoted" one', "back\\\\slash", "it's", "x" * 255, "-j DROP",
            "[1:2]", "#", "caf\u00e9")
CHAIN_NAMES = ("lowercase", "With-Dash", "dots.and.dots", "under_score", "UPPER", "x",
               "DOCKER-USER", "ufw-before-logging-input0123", "tcp", "a:b", "22", "input",
               "accept")
MULTIPORT_PROTOCOLS = ("tcp", "udp", "udplite", "sctp", "dccp")
HOP_LIMITS = (0, 1, 2, 63, 64, 65, 254, 255)
COUNTERS = (0, 1, 2, 1000, 2**32 - 1, 2**32, 2**63, 2**64 - 2)

@dataclass
class Nat:
    destinations: dict[str, str] = field(default_factory=dict)  # public address: target
    sources: dict[str, str] = field(default_factory=dict)       # source address: alias

    def private(self) -> set[str]:
        return {*self.destinations.values(), *self.sources.values()}


@dataclass
class Ruleset:
    tables: dict[str, str]
    hosts: list[str]
    nat: Nat
    sets: list[str] = field(default_factory=list)  # what ipset restore is told


class Generator:
    """One family's subclass says what these are."""

    family: Family
    icmp = ("icmp", "1")               # the protocol's name, and its other spellings
    icmp_match: tuple[str, str]        # and its option
    icmp_types: tuple[str, ...]
    other_protocols: tuple[str, ...]
    lengths: tuple[int, ...]           # of prefixes, the usual ones
    odd_masks: tuple[str, ...]
    special_addresses: tuple[str, ...]
    # NAT's addresses are nobody's otherwise: each translation is one to one, so that the kernel
    # never has to choose a port at random (nf_nat_core.c nf_nat_l4proto_unique_tuple()).
    nat_public: tuple[str, ...]
    nat_targets: tuple[str, ...]
    nat_aliases: tuple[str, ...]

    # The share of rules that name a source, and that name a destination.
    address_share = 0.3
    # Of rules for any protocol, TCP, UDP, ICMP, and another one.
    protocol_weights = (22, 34, 20, 12, 12)

    def __init__(self, random: Random, interfaces: list[str]) -> None:
        self.random = random
        self.interfaces = interfaces
        self.hosts = [unpacked(packed(host)) for host in self._pick_hosts()]
        self.ports = random.sample(PORTS, 4) + [random.randrange(65536) for _ in range(2)]
        self.conntrack = random.random() < 0.6
        self.stateful = random.random() < 0.3
        # Rules about what only the kernel knows, and rules whose targets are the kernel's.
        self.knowing = random.random() < 0.25
        self.rejecting = random.random() < 0.15
        self.acting = random.random() < 0.15
        self.rated = self.acting and random.random() < 0.3
        self.kernel = KernelMatches(random, self.family.version)
        self.sets = KernelSets(random, self.family.version) if random.random() < 0.15 else None
        self.nat = Nat()

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def _pick_hosts(self) -> list[str]:
        raise NotImplementedError

    def family_header(self) -> str:
        """Conditions of the rule itself, not of a match, that only one family has."""
        return ""

    def family_matches(self, protocol: str, chain: str) -> list[str]:
        return []

    def first_rules(self) -> list[str]:
        """Before all others."""
        return []

    def ruleset(self, only_filter: bool) -> Ruleset:
        tables = {}
        others = self.conntrack and not only_filter
        if only_filter:
            self.stateful = self.knowing = self.rejecting = False
            self.acting = self.rated = False
            self.sets = None
        if self.knowing and self.chance(0.6):
            tables["mangle"] = self.kernel.mangle_table(self.hosts)
        elif self.acting and not self.knowing:
            tables["mangle"] = self.kernel.mangle_end()
        if others and self.chance(0.12):
            tables["raw"] = self._raw_table()
        if others and self.chance(0.25):
            tables["nat"] = self._nat_table()
        tables["filter"] = self._filter_table()
        return Ruleset(tables, self.hosts, self.nat, self._members(tables))

    def _members(self, tables: dict[str, str]) -> list[str]:
        if not self.sets and " -j SET " not in tables["filter"]:
            return []
        sets = self.sets or KernelSets(self.random, self.family.version)
        return sets.members(self.hosts, self.ports, self.interfaces)

    def _raw_table(self) -> str:
        lines = [f"-A {self.random.choice(('PREROUTING', 'OUTPUT'))} -{self.random.choice('sd')} "
                 f"{self.random.choice(self.hosts)} -j CT --notrack" for _ in range(2)]
        return "\n".join(["*raw", *lines, "COMMIT", ""])

    def _nat_table(self) -> str:
        lines = []
        publics = self.random.sample(self.nat_public, self.random.randint(0, 3))
        for public, target in zip(publics, self.random.sample(self.nat_targets, 3)):
            self.nat.destinations[public] = target
            lines.append(f"-A PREROUTING -d {public} -j DNAT --to-destination {target}")
        sources = self.random.sample(self.hosts[:4], self.random.randint(0, 2))
        for source, alias in zip(sources, self.nat_aliases):
            self.nat.sources[source] = alias
            lines.append(f"-A POSTROUTING -s {source} -j SNAT --to-source {alias}")
        return "\n".join(["*nat", *lines, "COMMIT", ""])

    def _size(self) -> int:
        low, high = self.random.choices(((0, 5), (5, 30), (30, 100), (100, 400)),
                                        (20, 48, 26, 6))[0]
        return self.random.randint(low, high)

    def _filter_table(self) -> str:
        chains = self._user_chains()
        with_counters = self.chance(0.4)
        lines = ["*filter"]
        for chain in BASE_CHAINS:
            policy = "ACCEPT" if self.chance(0.65) else "DROP"
            lines.append(f":{chain} {policy} {self._counters() if with_counters else '[0:0]'}")
        lines += [f":{chain} - [0:0]" for chain in self.random.sample(chains, len(chains))]
        for rule in self._rules(chains):
            prefix = self._counters() + " " if with_counters and self.chance(0.8) else ""
            lines.append(prefix + rule)
        return "\n".join([*lines, "COMMIT", ""])

    def _counters(self) -> str:
        return f"[{self.random.choice(COUNTERS)}:{self.random.choice(COUNTERS)}]"

    def _user_chains(self) -> list[str]:
        """In an order in which jumps go forwards only: there are no loops."""
        count = self.random.choices((0, self.random.randint(1, 4), self.random.randint(4, 12)),
                                    (25, 50, 25))[0]
        names = self.random.sample(CHAIN_NAMES, min(count, len(CHAIN_NAMES)))
        if self.chance(0.06):
            names += [f"deep-{depth}" for depth in range(40)]
        return names

    def _rules(self, chains: list[str]) -> list[str]:
        size = self._size()
        places = [*BASE_CHAINS, *[chain for chain in chains if not chain.startswith("deep-")]]
        rules = [self._rule(chain, chains) for chain in
                 self.random.choices(places, [3, 5, 3] + [2] * (len(places) - 3), k=size)]
        if self.chance(0.08):
            place = self.random.randrange(len(rules) + 1)
            rules[place:place] = self._run(self.random.choice(places))
        rated = [f"-A INPUT -j {ESTIMATOR}"] if self.rated else []
        return self.first_rules() + rated + rules + self._deep_rules(chains)

    def _run(self, chain: str) -> list[str]:
        """Rules that only decide, so many that the compiler puts them into another order."""
        rules = []
        for _ in range(self.random.randint(300, 600)):
            protocol = self._protocol()
            specific = {"-p tcp": self._tcp_ports, "-p udp": self._udp}.get(protocol)
            parts = [self._header(chain), protocol, specific() if specific else ""]
            rules.append(" ".join(["-A", chain, *filter(None, parts),
                                   f"-j {self.random.choice(('ACCEPT', 'DROP'))}"]))
        return rules

    def _deep_rules(self, chains: list[str]) -> list[str]:
        """A tower of chains, and rules after each jump to see that the way back is found."""
        tower = [chain for chain in chains if chain.startswith("deep-")]
        if not tower:
            return []
        rules = [f"-A {self.random.choice(BASE_CHAINS)} {self._header(None)} -j {tower[0]}"
                 for _ in range(3)]
        for below, above in zip(tower, tower[1:]):
            rules += [f"-A {below} -{'g' if self.chance(0.1) else 'j'} {above}",
                      self._rule(below, []), f"-A {below}"]
        return [*rules, f"-A {tower[-1]}", self._rule(tower[-1], [])]

    def _rule(self, chain: str, chains: list[str]) -> str:
        protocol = self._protocol()
        parts = [self._header(chain), f"{protocol}" if protocol else ""]
        matches = self._matches(protocol.removeprefix("-p "), chain)
        self.random.shuffle(matches)
        parts += matches
        later = chains[chains.index(chain) + 1:] if chain in chains else chains
        if self.rejecting and self.chance(0.1):
            parts.append(self.kernel.target(protocol.removeprefix("-p ")))
        elif self.acting and self.chance(0.2):
            parts.append(self.kernel.action(chain, not self.knowing, not self.sets))
        else:
            parts.append(self._target(later, specific=len(" ".join(parts).split()) > 4))
        return " ".join(["-A", chain, *filter(None, parts)])

    def _target(self, later: list[str], specific: bool) -> str:
        kind = self.random.choices(("ACCEPT", "DROP", "RETURN", "jump", "goto", ""),
                                   (22, 22, 10, 25, 7, 14) if specific else (5, 4, 5, 40, 6, 25))[0]
        if kind in ("jump", "goto"):
            if not later:
                return ""
            return f"-{'j' if kind == 'jump' else 'g'} {self.random.choice(later)}"
        return f"-j {kind}" if kind else ""

    def maybe_not(self, probability: float = 0.2) -> str:
        return "! " if self.chance(probability) else ""

    def _header(self, chain: str | None) -> str:
        parts = []
        for option in ("-s", "-d"):
            if self.chance(self.address_share):
                parts.append(f"{self.maybe_not()}{option} {self.network()}")
        if chain is not None and chain != "OUTPUT" and self.chance(0.18):
            parts.append(f"{self.maybe_not(0.3)}-i {self._interface()}")
        if chain is not None and chain != "INPUT" and self.chance(0.18):
            parts.append(f"{self.maybe_not(0.3)}-o {self._interface()}")
        parts.append(self.family_header())
        return " ".join(filter(None, parts))

    def _interface(self) -> str:
        name = self.random.choice([*self.interfaces, "lo", "nosuch0"])
        if self.chance(0.35):
            name = name[:self.random.randint(1, min(len(name), 14))] + "+"
        elif self.chance(0.1):
            name = name[:-1] or name
        return "+" if self.chance(0.05) else name

    def address(self) -> str:
        return self.random.choice([*self.hosts, *self.hosts, *self.special_addresses])

    def network(self) -> str:
        """An address or a range of addresses, sometimes with a mask that is no prefix."""
        address = self.address()
        if self.chance(0.3):
            return address
        if self.chance(0.12):
            return f"{address}/{self.random.choice(self.odd_masks)}"
        length = self.random.choice((self.random.randint(0, self.family.bits), *self.lengths))
        return f"{address}/{length}"

    def _protocol(self) -> str:
        kind = self.random.choices(("", "tcp", "udp", "icmp", "other"), self.protocol_weights)[0]
        if kind != "other":
            spellings = {"tcp": ("tcp", "6"), "udp": ("udp", "17"), "icmp": self.icmp}.get(kind)
            return f"-p {self.random.choice(spellings) if self.chance(0.2) else spellings[0]}" \
                if kind else ""
        if self.chance(0.3):
            return f"! -p {self.random.choice(('tcp', 'udp', self.icmp[0], '99', 'sctp'))}"
        return f"-p {self.random.choice(self.other_protocols)}"

    def _matches(self, protocol: str, chain: str) -> list[str]:
        protocol = {"6": "tcp", "17": "udp", "132": "sctp"}.get(protocol, protocol)
        matches = self.family_matches(protocol, chain)
        matches += ByteMatches(self.random, self.hosts).of(self.family.version, protocol,
                                                           chain in BASE_CHAINS[:2])
        specific = self._icmp if protocol in self.icmp else \
            {"tcp": self._tcp, "udp": self._udp}.get(protocol)
        if specific and self.chance(0.65):
            matches.append(specific())
        if specific and self.chance(0.05):
            matches.append(specific())
        if protocol in MULTIPORT_PROTOCOLS and self.chance(0.3):
            matches.append(self._multiport())
        if self.conntrack and self.chance(0.25):
            matches.append(self._conntrack())
        if self.conntrack and self.chance(0.08):
            states = self._states(CONNTRACK_STATES[:5])
            matches.append(f"-m state {self.maybe_not()}--state {states}")
        if self.stateful and self.chance(0.2):
            matches.append(stateful_match(self.random, self.family.version))
        if self.knowing and self.chance(0.2):
            matches.append(self.kernel.match(chain, self.conntrack))
        if self.rated and self.chance(0.05):
            matches.append(self.kernel.rate())
        if self.sets and self.chance(0.25):
            matches.append(self.sets.match())
        if self.chance(0.08):
            matches.append(f"-m comment --comment {self._comment()}")
        return matches

    def _comment(self) -> str:
        return '"' + self.random.choice(COMMENTS).replace('"', '\\"') + '"'

    def port(self) -> int:
        port = self.random.choice(self.ports) + self.random.choice((0, 0, 0, 0, 1, -1))
        return min(max(port, 0), 65535)

    def _port_range(self) -> str:
        if self.chance(0.6):
            return str(self.port())
        first, last = sorted((self.port(), self.port()))
        return self.random.choice((f"{first}:{last}", f"{first}:{last}", f":{last}", f"{first}:"))

    def _closed_range(self) -> str:
        first, last = sorted((self.port(), self.port()))
        return str(first) if self.chance(0.5) else f"{first}:{last}"

    def hop_limit_match(self, name: str) -> str:
        value = self.random.choice(HOP_LIMITS)
        kind = self.random.choice(("eq", "eq", "lt", "gt"))
        inversion = self.maybe_not(0.3) if kind == "eq" else ""
        return f"-m {name} {inversion}--{name}-{kind} {value}"

    def _ports(self) -> str:
        return "".join(f" {self.maybe_not()}{option} {self._port_range()}"
                       for option in ("--sport", "--dport") if self.chance(0.5))

    def _tcp(self) -> str:
        text = "-m tcp" + self._ports()
        if self.chance(0.2):
            mask = self.random.sample(TCP_FLAGS, self.random.randint(1, 6))
            wanted = [flag for flag in mask if self.chance(0.4)]
            if self.chance(0.05):
                wanted.append(self.random.choice(TCP_FLAGS))
            flags = f"{','.join(mask)} {','.join(wanted) or 'NONE'}"
            flags = "ALL ALL" if self.chance(0.05) else flags
            text += f" {self.maybe_not(0.3)}--tcp-flags {flags}"
        elif self.chance(0.15):
            text += f" {self.maybe_not(0.3)}--syn"
        if self.chance(0.12):
            option = self.random.choice((1, 2, 3, 4, 8, 253))
            text += f" {self.maybe_not(0.35)}--tcp-option {option}"
        return text

    def _tcp_ports(self) -> str:
        return "-m tcp" + self._ports()

    def _udp(self) -> str:
        return "-m udp" + self._ports()

    def _icmp(self) -> str:
        name, option = self.icmp_match
        return f"-m {name} {self.maybe_not(0.25)}{option} {self.random.choice(self.icmp_types)}"

    def _multiport(self) -> str:
        option = self.random.choice(("--sports", "--dports", "--dports", "--ports"))
        parts, room = [], self.random.choice((1, 2, 3, 5, 15))
        while room > 0:
            first, last = sorted((self.port(), self.port()))
            is_range = first < last and room > 1 and self.chance(0.5)
            text = f"{first}:{last}" if is_range else str(last)
            parts.append(text)
            room -= 2 if ":" in text else 1
        return f"-m multiport {self.maybe_not(0.25)}{option} {','.join(parts)}"

    def _states(self, states: tuple[str, ...]) -> str:
        return ",".join(self.random.sample(states, self.random.choice((1, 1, 2, 2, 3))))

    def _conntrack(self) -> str:
        options = []
        if self.chance(0.6):
            options.append(f"{self.maybe_not()}--ctstate {self._states(CONNTRACK_STATES)}")
        for option in ("--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst"):
            if self.chance(0.1):
                options.append(f"{self.maybe_not()}{option} {self.network()}")
        for option in ("--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport"):
            if self.chance(0.08):
                options.append(f"{self.maybe_not()}{option} {self._closed_range()}")
        if self.chance(0.12):
            protocol = self.random.choice(("tcp", "udp", self.icmp[0], "47"))
            options.append(f"{self.maybe_not()}--ctproto {protocol}")
        if self.chance(0.15):
            options.append(f"{self.maybe_not()}--ctstatus {self._states(CONNTRACK_STATUSES)}")
        if self.chance(0.12):
            first, last = sorted(self.random.sample(EXPIRIES, 2))
            options.append(f"{self.maybe_not()}--ctexpire {first}:{last}")
        if self.chance(0.15) or not options:
            options.append(f"--ctdir {self.random.choice(('ORIGINAL', 'REPLY'))}")
        return "-m conntrack " + " ".join(options)
