# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rules about what the kernel knows of a packet beside its bytes, and the mangle table that has it know
some of it; and rules whose targets are the kernel's own. They are for the netfilter hook.
"""

from random import Random

ADDRESS_TYPES = {4: ("UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE",
                     "UNREACHABLE", "PROHIBIT"),
                 6: ("UNICAST", "LOCAL", "ANYCAST", "MULTICAST", "UNREACHABLE")}
MARKS = ("0x0", "0x1", "0x10", "0x11", "0xffffffff", "0x12345678")
MASKS = ("", "", "/0x1", "/0xf0", "/0x0", "/0xffff0000")
OWNERS = ("--uid-owner 0", "--gid-owner 0", "--uid-owner 1-4294967294", "--socket-exists",
          "--gid-owner 0 --suppl-groups")
REJECTIONS = {
    4: ("icmp-net-unreachable", "icmp-host-unreachable", "icmp-port-unreachable",
        "icmp-proto-unreachable", "icmp-net-prohibited", "icmp-host-prohibited",
        "icmp-admin-prohibited"),
    6: ("icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-port-unreachable",
        "icmp6-policy-fail", "icmp6-reject-route"),
}


class KernelMatches:
    def __init__(self, random: Random, version: int) -> None:
        self.random = random
        self.version = version

    def _not(self) -> str:
        return "! " if self.random.random() < 0.3 else ""

    def mangle_table(self, hosts: list[str]) -> str:
        lines = []
        for chain in ("PREROUTING", "OUTPUT"):
            for _ in range(self.random.randint(1, 3)):
                target = self.random.choice(("MARK", "MARK", "CONNMARK"))
                lines.append(f"-A {chain} {self._not()}-{self.random.choice('sd')} "
                             f"{self.random.choice(hosts)} -j {target} --set-xmark "
                             f"{self.random.choice(MARKS)}/0xffffffff")
        return "\n".join(["*mangle", *lines, "COMMIT", ""])

    def match(self, chain: str, tracked: bool) -> str:
        """In a base chain also those that the kernel takes in some chains only."""
        makers = [self._address_type, self._address_type, self._mark, self._mark, self._realm,
                  self._physical_device]
        makers += [self._owner] * 3 if chain == "OUTPUT" else []
        makers += [lambda: self._of_route("in", "src")] if chain in ("INPUT", "FORWARD") else []
        makers += [lambda: self._of_route("out", "dst")] if chain in ("FORWARD", "OUTPUT") else []
        makers += [self._connection_mark, self._connection_bytes, self._helper] if tracked else []
        return self.random.choice(makers)()

    def target(self, protocol: str) -> str:
        kinds = REJECTIONS[self.version] + ("",) + ("tcp-reset",) * (4 * (protocol == "tcp"))
        kind = self.random.choice(kinds)
        return f"-j REJECT --reject-with {kind}" if kind else "-j REJECT"

    def _address_type(self) -> str:
        options = []
        for option in self.random.sample(("--src-type", "--dst-type"), self.random.choice((1, 1, 2))):
            types = self.random.sample(ADDRESS_TYPES[self.version], self.random.choice((1, 1, 2, 3)))
            options.append(f"{self._not()}{option} {','.join(types)}")
        return "-m addrtype " + " ".join(options)

    def _masked(self) -> str:
        return self.random.choice(MARKS) + self.random.choice(MASKS)

    def _mark(self) -> str:
        return f"-m mark {self._not()}--mark {self._masked()}"

    def _connection_mark(self) -> str:
        return f"-m connmark {self._not()}--mark {self._masked()}"

    def _connection_bytes(self) -> str:
        first, last = sorted(self.random.choices((0, 1, 2, 3, 40, 60, 100, 1000), k=2))
        mode = self.random.choice(("packets", "bytes", "avgpkt"))
        direction = self.random.choice(("original", "reply", "both"))
        return f"-m connbytes {self._not()}--connbytes {first}:{last} --connbytes-dir {direction} " \
            f"--connbytes-mode {mode}"

    def _helper(self) -> str:
        return f"-m helper {self._not()}--helper {self.random.choice(('ftp', 'sip'))}"

    def _of_route(self, direction: str, end: str) -> str:
        if self.random.random() < 0.5:
            return f"-m policy --dir {direction} --pol {self.random.choice(('none', 'ipsec'))}"
        return f"-m devgroup {self._not()}--{end}-group {self.random.choice((0, 1))}"

    def _realm(self) -> str:
        return f"-m realm {self._not()}--realm {self.random.choice((0, 1))}" if self.version == 4 \
            else self._mark()

    def _physical_device(self) -> str:
        return f"-m physdev {self._not()}--physdev-is-bridged"

    def _owner(self) -> str:
        return f"-m owner {self._not()}{self.random.choice(OWNERS)}"
