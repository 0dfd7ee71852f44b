# SPDX-License-Identifier: GPL-2.0-or-later
"""
Scripted conversations of two ends, packet by packet, by way of a firewall that says of each packet
what it took it for.

A packet tells its number by its hop limit. The firewall has a chain that counts, for each hop
limit, what rules can ask about the packet's connection; then it drops those above DROPPED.
"""

import ctypes
import re
import socket
import struct
from dataclasses import dataclass, field

from firewall import Filter
from network import Namespace, Row
from packets import FIN, ICMP, ICMPV6, SYN, TCP, TCP_FLAG_LETTERS, UDP, ethernet
from packets import icmp as icmp_message
from packets import icmpv6 as icmpv6_message
from packets import ipv4, tcp, udp
from packets_ipv6 import ipv6

FIRST, STEPS, DROPPED = 10, 26, 100
SENTINEL_PORT = 9
CONDITIONS = (*(f"-m conntrack --ctstate {state}"
                for state in ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")),
              "-m conntrack --ctdir REPLY",
              *(f"-m conntrack --ctstatus {status}"
                for status in ("SEEN_REPLY", "ASSURED", "CONFIRMED")),
              "-m conntrack --ctproto 6", "-m conntrack --ctorigdstport 80",
              "-m conntrack --ctreplsrcport 80 --ctdir ORIGINAL",
              "-m conntrack --ctexpire 5:600000")
FULL_QUOTE = 1000
SO_ATTACH_FILTER = 26


def rules(family: int) -> list[str]:
    match = {4: "-m ttl --ttl", 6: "-m hl --hl"}[family]
    hops = [first + step for first in (FIRST, FIRST + DROPPED) for step in range(STEPS)]
    return [":steps", f"-A FORWARD -p udp -m udp --dport {SENTINEL_PORT} -j ACCEPT",
            *(f"-A {chain} -j steps" for chain in ("INPUT", "FORWARD", "OUTPUT")),
            *(f"-A steps {match}-eq {hop} {condition}" for hop in hops
              for condition in CONDITIONS),
            f"-A steps {match}-gt {DROPPED} -j DROP"]


class Socket:
    """An end in a namespace of its own, that has no stack that could answer."""

    def __init__(self, row: Row, place: Namespace, device: str, neighbour: str) -> None:
        self.header = {version: bytes.fromhex((row.MACS[neighbour] + row.MACS[device])
                                              .replace(":", "")) for version in (4, 6)}
        self.socket = place.packet_socket(device, receive=True)

    def send(self, packet: bytes) -> None:
        version = packet[0] >> 4
        destination, source = self.header[version][:6], self.header[version][6:]
        self.socket.send(ethernet(destination, source, 0x0800 if version == 4 else 0x86dd, packet))

    def wait_for(self, packet: bytes) -> list[bytes]:
        """Packets that came before this one."""
        before = []
        while (got := self.socket.recv(65536)[14:])[-8:] != packet[-8:]:
            before.append(got)
        return before


class Stack:
    """The firewall itself: its sockets keep its stack from answering."""

    def __init__(self, place: Namespace) -> None:
        place.sysctl(ipv4__icmp_echo_ignore_all=1, ipv6__icmp__echo_ignore_all=1)
        self.silent = [place.inside(lambda kind=kind, port=port: self.deaf(kind, port))
                       for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM) for port in (80, 81)]
        self.senders = {version: place.inside(lambda family=family: socket.socket(
            family, socket.SOCK_RAW, socket.IPPROTO_RAW))
            for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6))}

    @staticmethod
    def deaf(kind: int, port: int) -> socket.socket:
        """A socket that takes all packets for its port, and drops them."""
        made = socket.socket(socket.AF_INET6, kind)
        nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # return 0
        made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                        struct.pack("HxxxxxxP", 1, ctypes.addressof(nothing)))
        made.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            made.listen()
        return made

    def send(self, packet: bytes) -> None:
        version = packet[0] >> 4
        destination = packet[16:20] if version == 4 else packet[24:40]
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        try:
            self.senders[version].sendto(packet, (socket.inet_ntop(family, destination), 0))
        except OSError:
            pass  # the rules have dropped it

    def close(self) -> None:
        for each in (*self.silent, *self.senders.values()):
            each.close()


@dataclass(frozen=True)
class Way:
    """Which ends talk: of A, who begins, and of B."""
    name: str
    a: str
    b: str
    addresses: dict[int, tuple[str, str]]


WAYS = (Way("FORWARD", "client", "server", {4: ("10.1.0.2", "10.2.0.2"),
                                            6: ("2001:db8:1::2", "2001:db8:2::2")}),
        Way("INPUT", "client", "firewall", {4: ("10.1.0.2", "10.1.0.1"),
                                            6: ("2001:db8:1::2", "2001:db8:1::1")}),
        Way("OUTPUT", "firewall", "server", {4: ("10.2.0.1", "10.2.0.2"),
                                             6: ("2001:db8:2::1", "2001:db8:2::2")}))
STRANGER = {4: "10.2.0.77", 6: "2001:db8:2::77"}


class Stage:
    """A firewall with its rules, and the ends."""

    def __init__(self, row: Row, ours: bool) -> None:
        row.silence()
        self.row = row
        self.filter = Filter(row.firewall, ours)
        self.ends = {"client": Socket(row, row.client, "c0", "west"),
                     "server": Socket(row, row.server, "s0", "east"),
                     "firewall": Stack(row.firewall)}
        self.sentinels = 0
        self.before: dict[int, dict[str, tuple[int, int]]] = {}
        for family in (4, 6):
            self.filter.rules(family, *rules(family))
            self.before[family] = {}

    def close(self) -> None:
        self.ends["client"].socket.close()
        self.ends["server"].socket.close()
        self.ends["firewall"].close()
        self.row.close()

    def send(self, end: str, packet: bytes) -> list[bytes]:
        """Returns when it has been judged: what came to the other end, but for the firewall's."""
        self.ends[end].send(packet)
        if end == "firewall":
            return []  # sending is judging
        # Packets stay in order: when this one is through, that one has been judged.
        other = {"client": "server", "server": "client"}[end]
        self.sentinels += 1
        addresses = ("10.1.0.2", "10.2.0.2") if end == "client" else ("10.2.0.2", "10.1.0.2")
        sentinel = ipv4(*addresses, UDP, udp(*addresses, 9, SENTINEL_PORT,
                                             payload=struct.pack("!Q", self.sentinels)))
        self.ends[end].send(sentinel)
        return self.ends[other].wait_for(sentinel)

    def labels(self, family: int) -> dict[int, dict[str, int]]:
        """What was counted since the last time: for each hop limit, for each condition."""
        now = self.filter.counters(family)
        result: dict[int, dict[str, int]] = {}
        for rule, (count, _) in now.items():
            found = re.fullmatch(r"-A steps -m (?:ttl --ttl|hl --hl)-eq (\d+) -m conntrack --(.*)",
                                 rule)
            count -= self.before[family].get(rule, (0, 0))[0]
            if found and count:
                result.setdefault(int(found[1]), {})[found[2]] = count
        self.before[family] = now
        return result


@dataclass
class Talk:
    """One conversation; each packet is a step."""
    stage: Stage
    way: Way
    family: int
    number: int  # conversations of one stage have different ones
    text: list[str] = field(default_factory=list)
    arrived: list[bool | None] = field(default_factory=list)
    sent: dict[str, bytes] = field(default_factory=dict)  # last packets, as they were received

    def __post_init__(self) -> None:
        self.address = dict(zip("AB", self.way.addresses[self.family]))
        port = 1000 + self.number
        self.port = {"A": 81, "B": port} if self.way.a == "firewall" else {"A": port, "B": 80}
        self.sequence = {"A": 100000, "B": 5000000}
        self.last = dict(self.sequence)

    def packet(self, source: str, destination: str, protocol: int, segment: bytes, hops: int,
               **options: object) -> bytes:
        if self.family == 4:
            return ipv4(source, destination, protocol, segment, ttl=hops, **options)
        return ipv6(source, destination, protocol, segment, hop_limit=hops, **options)

    def step(self, who: str, protocol: int, segment: bytes, text: str, *, dropped: bool = False,
             source: str = "", destination: str = "", again: bool = False) -> None:
        """@again: with the number of the last one."""
        if not again:
            self.text.append(f"{who} {'(to be dropped) ' if dropped else ''}{text}")
        hops = FIRST + (DROPPED if dropped else 0) + len(self.text) - 1
        assert len(self.text) <= STEPS
        end = self.way.a if who == "A" else self.way.b
        source = source or self.address[who]
        destination = destination or self.address["B" if who == "A" else "A"]
        received = self.packet(source, destination, protocol, segment, hops)
        self.sent[who] = received
        # A firewall that forwards takes one off before it looks.
        came = self.stage.send(end, self.packet(source, destination, protocol, segment,
                                                hops + (self.way.name == "FORWARD")))
        if not again:
            self.arrived.append(received in came if self.way.name == "FORWARD" else None)

    def result(self) -> list[str]:
        """A line for each step."""
        labels = self.stage.labels(self.family)
        return [f"{text}: " + (
            ", ".join(f"{label} {count}" for label, count in sorted(
                (labels.get(FIRST + step) or labels.get(FIRST + DROPPED + step) or {}).items()))
            or "nothing") + {True: "; arrives", False: "; does not arrive", None: ""}[arrived]
            for step, (text, arrived) in enumerate(zip(self.text, self.arrived))]

    TOKEN = re.compile(r"([AB])(!?):([FSRPAUEC0]+)(\d*)(\^?)([+-]\d+)?|([AB])=(\d+)")

    def tcp(self, script: str) -> None:
        """
        Segments, each as in A:PA100: who, flags, length. `A!:` is dropped by the rules, `^` has
        the number of that side's last segment again, `+5` another one. `A=7` goes on from there.
        """
        for token in script.split():
            who, dropped, letters, length, again, shift, jumper, place = \
                self.TOKEN.fullmatch(token).groups()
            if jumper:
                self.sequence[jumper] = int(place)
                continue
            flags = sum(1 << TCP_FLAG_LETTERS.index(letter) for letter in letters.strip("0"))
            other = "B" if who == "A" else "A"
            sequence = self.last[who] if again else self.sequence[who]
            payload = b"x" * int(length or 0)
            segment = tcp(self.address[who], self.address[other], self.port[who], self.port[other],
                          flags=flags, sequence=sequence + int(shift or 0), payload=payload,
                          acknowledgement=self.sequence[other] if "A" in letters else 0)
            if not again and not shift:
                self.last[who] = sequence
                self.sequence[who] += len(payload) + bool(flags & SYN) + bool(flags & FIN)
            self.step(who, TCP, segment, token, dropped=bool(dropped))

    def udp(self, who: str, *, dropped: bool = False, again: bool = False,
            wrong_checksum: bool = False) -> None:
        other = "B" if who == "A" else "A"
        self.step(who, UDP, udp(self.address[who], self.address[other], self.port[who],
                                self.port[other], payload=b"question",
                                wrong_checksum=wrong_checksum),
                  "udp", dropped=dropped, again=again)

    def message(self, who: str, kind: int, code: int, rest: bytes, payload: bytes, text: str, *,
                source: str = "", destination: str = "", dropped: bool = False) -> None:
        source = source or self.address[who]
        destination = destination or self.address["B" if who == "A" else "A"]
        message = icmp_message(kind, code, rest=rest, payload=payload) if self.family == 4 else \
            icmpv6_message(source, destination, kind, code, rest=rest, payload=payload)
        self.step(who, ICMP if self.family == 4 else ICMPV6, message, text, source=source,
                  destination=destination, dropped=dropped)

    def echo(self, who: str, *, reply: bool = False, shift: int = 0, dropped: bool = False) -> None:
        kinds = {4: (8, 0), 6: (128, 129)}[self.family]
        self.message(who, kinds[reply], 0, struct.pack("!HH", self.number + shift, 1), b"ping",
                     f"echo {'reply' if reply else 'request'} {shift or ''}", dropped=dropped)

    # (type, code) of ICMP and ICMPv6
    ERRORS = {"port unreachable": ((3, 3), (1, 4)), "too big": ((3, 4), (2, 0)),
              "time exceeded": ((11, 0), (3, 0)), "parameter problem": ((12, 0), (4, 0))}

    def error(self, who: str, name: str, *, quoted: bytes | None = None, size: int = FULL_QUOTE,
              **options: object) -> None:
        """About the last packet of the other end."""
        quoted = self.sent["B" if who == "A" else "A"] if quoted is None else quoted
        kind, code = self.ERRORS[name][self.family == 6]
        rest = struct.pack("!I", 1400) if name == "too big" else bytes(4)
        self.message(who, kind, code, rest, quoted[:size],
                     f"{name}, {min(size, len(quoted))} bytes", **options)
