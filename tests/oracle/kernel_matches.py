# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rules about what the kernel knows of a packet beside its bytes, and the mangle table that has it know
some of it; and rules whose targets are the kernel's own. They are for the netfilter hook.
"""

from random import Random

from kernel_sets import KernelSets

ADDRESS_TYPES = {4: ("UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE",
                     "UNREACHABLE", "PROHIBIT"),
                 6: ("UNICAST", "LOCAL", "ANYCAST", "MULTICAST", "UNREACHABLE")}
MARKS = ("0x0", "0x1", "0x10", "0x11", "0xffffffff", "0x12345678")
MASKS = ("", "", "/0x1", "/0xf0", "/0x0", "/0xffff0000")
OWNERS = ("--uid-owner 0", "--gid-owner 0", "--uid-owner 1-4294967294", "--socket-exists",
          "--gid-owner 0 --suppl-groups")
GATEWAYS = {4: ("10.1.0.2", "10.2.0.2"), 6: ("2001:db8:1::2", "2001:db8:2::2")}
ESTIMATOR = "RATEEST --rateest-name oracle --rateest-interval 250ms --rateest-ewmalog 500ms"
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
        makers += [self._processor, self._bytecode]
        makers += [self._owner] * 3 if chain == "OUTPUT" else []
        makers += [self._socket] * 2 if chain == "INPUT" else []
        makers += [self._control_group] if chain in ("INPUT", "OUTPUT") else []
        makers += [lambda: self._of_route("in", "src")] if chain in ("INPUT", "FORWARD") else []
        makers += [lambda: self._of_route("out", "dst")] if chain in ("FORWARD", "OUTPUT") else []
        makers += [self._connection_mark, self._connection_bytes, self._helper,
                   self._label] if tracked else []
        return self.random.choice(makers)()

    def target(self, protocol: str) -> str:
        kinds = REJECTIONS[self.version] + ("",) + ("tcp-reset",) * (4 * (protocol == "tcp"))
        kind = self.random.choice(kinds)
        return f"-j REJECT --reject-with {kind}" if kind else "-j REJECT"

    def action(self, chain: str, marks: bool, sets: bool) -> str:
        """A target that the kernel carries out, and that changes @marks or @sets only if told."""
        simple = ["LOG", "NFLOG", "AUDIT --type accept",
                  f'LOG --log-prefix "{self.random.choice(("in: ", "dropped "))}" --log-level 4 '
                  "--log-tcp-options --log-ip-options --log-uid --log-tcp-sequence",
                  f"NFLOG --nflog-group {self.random.choice((1, 65535))} --nflog-prefix x "
                  "--nflog-size 64 --nflog-threshold 2",
                  f"NFQUEUE --queue-num {self.random.choice((0, 7))}"
                  f"{self.random.choice((' --queue-bypass', ''))}",
                  f"TEE --gateway {self.random.choice(GATEWAYS[self.version])}",
                  f"IDLETIMER --timeout 36000 --label oracle{self.random.choice((1, 2))}",
                  ESTIMATOR]
        if chain in ("FORWARD", "OUTPUT"):
            simple.append("CLASSIFY --set-class 1:2")
        makers = [lambda: self.random.choice(simple)]
        if marks:
            makers += [self._marking, self._marking]
        if sets:
            makers += [KernelSets(self.random, self.version).target] * 2
        return "-j " + self.random.choice(makers)()

    def _marking(self) -> str:
        kind = self.random.choice(("MARK", "MARK", "CONNMARK", "HMARK"))
        if kind == "HMARK":
            return "HMARK --hmark-tuple src,dst,sport,dport --hmark-mod 8 --hmark-offset 1 " \
                "--hmark-rnd 0x1234"
        option = self.random.choice(("--set-xmark", "--set-mark"))
        return f"{kind} {option} {self._masked()}"

    def rate(self) -> str:
        """No packet changes what it says: the rate is always far below."""
        return f"-m rateest --rateest oracle --rateest-bps 1gbit " \
            f"--rateest-{self.random.choice(('lt', 'gt'))}"

    def mangle_end(self) -> str:
        """A mangle table whose counters tell the marks that packets have behind the filter."""
        lines = [f"-A POSTROUTING -m {match} --mark {mark}" for match in ("mark", "connmark") for mark in (*MARKS, *range(2, 9), "0x1/0x1")]
        return "\n".join(["*mangle", *lines, "COMMIT", ""])

    def _processor(self) -> str:
        return f"-m cpu {self._not()}--cpu 4000"

    def _bytecode(self) -> str:
        protocol = 9 if self.version == 4 else 6
        wanted = self.random.choice((1, 6, 17, 58))
        program = f"4,48 0 0 {protocol},21 0 1 {wanted},6 0 0 1,6 0 0 0"
        return f'-m bpf --bytecode "{program}"'

    def _socket(self) -> str:
        options = self.random.sample(("--transparent", "--nowildcard"), self.random.randint(0, 2))
        return " ".join(["-m socket", *options])

    def _control_group(self) -> str:
        return f"-m cgroup {self._not()}--cgroup {self.random.choice((0, 1))}"

    def _label(self) -> str:
        return f"-m connlabel {self._not()}--label {self.random.choice((0, 5))}"

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
