# SPDX-License-Identifier: GPL-2.0-or-later
"""
Random traffic that knows the rules: it aims at one rule after the other, along a path of jumps, and
hits it, or misses it by the smallest difference. Every shape of packet, and whole conversations.
"""

import shlex
import struct
from dataclasses import dataclass, replace
from random import Random

import packets
from packets import ACK, CWR, ECE, FIN, ICMP, PSH, RST, SYN, TCP, UDP
from rules import (Condition, RuleGraph, in_network, in_ports, name_matches, parse_flags,
                   parse_icmp, parse_network, parse_ports, parse_protocol, to_address, to_number)
from rulesets import BASE_CHAINS, Nat
from topology import BROADCASTS, ENDS, LOCAL_ADDRESSES

ODD_FLAGS = (0, 255, FIN | SYN, FIN | PSH | 32, SYN | RST, RST, RST | ACK, ACK, FIN | ACK, ECE,
             CWR | ECE | SYN)
USUAL_FLAGS = (SYN, SYN, SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, RST)
USUAL_ICMP = ((8, 0), (8, 0), (0, 0), (3, 1), (3, 3), (11, 0), (5, 1), (13, 0), (12, 0), (8, 1))
OTHER_PROTOCOLS = (0, 2, 4, 33, 41, 47, 50, 51, 99, 132, 136, 253, 255)
IP_OPTIONS = (b"\x01", b"\x07\x07\x04\0\0\0\0\0", b"\x94\x04\0\0",
              b"\x01" * 40, b"\x88\x04\0\1", b"\x07\x27\x04" + b"\0" * 37)
TCP_OPTIONS = (b"\x02\x04\x05\xb4", b"\x03\x03\x07", b"\x04\x02", b"\x01",
               b"\x01\x01\x08\x0a" + b"\0" * 8, b"\xfd\x04\xab\xcd")
MALFORMED_TCP_OPTIONS = (b"\x03\0\x01\x01", b"\x02\x01", b"\x02\xff", b"\x01\x01\x01\x02",
                         b"\x08\x0a\0\0", b"\0\0\0\x02", b"\x02", b"\xfe\x28", b"\x03\x03\x07\x02")


@dataclass
class Aim:
    """The values that a packet shall have."""
    chain: str
    source: str
    destination: str
    protocol: int
    source_port: int
    destination_port: int
    flags: int
    icmp: tuple[int, int]
    tcp_option: int | None
    fragment: bool
    input: str | None  # an interface of the firewall
    conversation: bool


def end_of(address: str) -> str:
    """Where the firewall's routes (topology.py) send an address."""
    if in_network(address, "10.1.0.0/16"):
        return "client"
    if in_network(address, "192.168.0.0/16") or in_network(address, "172.16.0.0/12"):
        return "uplink"
    return "server"


class Traffic:
    def __init__(self, random: Random, graph: RuleGraph, hosts: list[str], interfaces: list[str],
                 nat: Nat, local: list[str]) -> None:
        self.random = random
        self.graph = graph
        self.interfaces = interfaces
        self.nat = nat
        self.local = [*LOCAL_ADDRESSES, *LOCAL_ADDRESSES, *local]
        self.networks = [*{value for name in ("source", "destination") for value in
                           graph.values(name)}] + hosts + list(nat.destinations)
        self.ports = [port for name in ("source_port", "destination_port") for value in
                      graph.values(name) for pair in parse_ports(value) for port in pair]
        self.ports += [22, 80, 443, 53]
        self.identification = random.randrange(1 << 16)
        self.unique = 20000

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # The values of one packet

    def aim(self) -> Aim:
        chain, conditions = self.random.choice(BASE_CHAINS), []
        if self.graph.rules and self.chance(0.93):
            chain, conditions = self.graph.path(self.random, self.random.choice(self.graph.rules))
        fields: dict[str, list[Condition]] = {}
        for condition in conditions:
            fields.setdefault(condition.field, []).append(condition)
        aim = Aim(chain, self._source(chain, fields.get("source", [])),
                  self._destination(chain, fields), self._protocol(fields),
                  self._port(fields.get("source_port", [])),
                  self._port(fields.get("destination_port", [])), self._flags(fields),
                  self._icmp(fields), self._tcp_option(fields),
                  any(not condition.inverted for condition in fields.get("fragment", [])),
                  self._input(fields.get("input", [])),
                  self.chance(0.6 if "state" in fields else 0.1))
        return self._near_miss(aim) if self.chance(0.3) else aim

    def _near_miss(self, aim: Aim) -> Aim:
        name = self.random.choice(("source", "destination", "protocol", "source_port",
                                   "destination_port", "flags", "icmp", "fragment"))
        value = getattr(aim, name)
        step = self.random.choice((-1, 1))
        if name in ("source", "destination"):
            bit = 1 << self.random.choice((0, 0, self.random.randrange(32)))
            value = self._sendable(to_address(to_number(value) ^ bit))
        elif name == "icmp":
            value = ((value[0] + step) % 256, value[1]) if self.chance(0.5) else \
                (value[0], (value[1] + step) % 256)
        elif name == "fragment":
            value = not value
        elif name == "flags":
            value ^= 1 << self.random.randrange(8)
        else:
            value = (value + step) % (256 if name == "protocol" else 65536)
        return replace(aim, **{name: value})

    def _from_conditions(self, conditions: list[Condition], inside, anything, fits):
        """The first of a few candidates that fits all conditions, or else the last candidate."""
        candidate = anything()
        for _ in range(8):
            positive = [condition for condition in conditions if not condition.inverted]
            candidate = inside(self.random.choice(positive).value) if positive else anything()
            if all(fits(candidate, condition.value) != condition.inverted
                   for condition in conditions):
                break
        return candidate

    def _address_in(self, value: str) -> str:
        network, mask = parse_network(value)
        host_bits = self.random.choice((0, 0xFFFFFFFF, self.random.getrandbits(32), 1))
        host = self.random.choice(self.networks).split("/")[0]
        if in_network(host, value) and self.chance(0.5):
            return host
        return to_address(network & mask | host_bits & ~mask)

    def _any_address(self) -> str:
        if self.chance(0.15):
            return to_address(self.random.getrandbits(32))
        return self._address_in(self.random.choice(self.networks))

    @staticmethod
    def _sendable(address: str) -> str:
        """The IP stack drops zero, loopback and multicast sources and targets before any hook."""
        return address if 1 <= to_number(address) >> 24 < 224 and not address.startswith("127.") \
            else f"203.0.113.{to_number(address) % 254 + 1}"

    def _source(self, chain: str, conditions: list[Condition]) -> str:
        address = self._from_conditions(conditions, self._address_in, self._any_address, in_network)
        if chain == "OUTPUT":
            fitting = self._fitting(self.local, conditions)
            return self.random.choice(fitting) if fitting and self.chance(0.7) else \
                self._sendable(address)
        address = self._sendable(address)
        while address in self.local:  # a martian
            address = to_address(to_number(address) + 1)
        return address

    @staticmethod
    def _fitting(addresses: list[str], conditions: list[Condition]) -> list[str]:
        return [address for address in addresses
                if all(in_network(address, condition.value) != condition.inverted
                       for condition in conditions)]

    def _destination(self, chain: str, fields: dict[str, list[Condition]]) -> str:
        conditions = fields.get("destination", [])
        if chain == "INPUT":
            special = [*BROADCASTS, "255.255.255.255", "224.0.0.1"]
            return self.random.choice(self._fitting(self.local + special, conditions)
                                      or self.local)
        wanted = [ENDS[index] for index, name in enumerate(self.interfaces)
                  if all(name_matches(name, condition.value) != condition.inverted
                         for condition in fields.get("output", []))]
        address = ""
        for _ in range(6):
            address = self._sendable(self._from_conditions(
                conditions, self._address_in, self._any_address, in_network))
            if end_of(address) in wanted and address not in self.local:
                break
        if chain == "FORWARD" and self.nat.destinations and self.chance(0.3):
            return self.random.choice(list(self.nat.destinations))
        return address

    def _protocol(self, fields: dict[str, list[Condition]]) -> int:
        conditions = fields.get("protocol", [])
        for name, protocol in (("icmp", ICMP), ("flags", TCP), ("tcp_option", TCP)):
            if name in fields:
                return protocol
        if any(condition.inverted for condition in conditions) and self.chance(0.5):
            return self.random.choice((TCP, UDP, ICMP, *OTHER_PROTOCOLS))
        usual = self.random.choice((TCP, TCP, TCP, UDP, UDP, UDP, ICMP,
                                    self.random.choice(OTHER_PROTOCOLS)))
        for condition in conditions:
            if not condition.inverted:
                return parse_protocol(condition.value) % 256 or usual
        return usual

    def _port_in(self, value: str) -> int:
        first, last = self.random.choice(parse_ports(value))
        return self.random.choice((first, last, self.random.randint(min(first, last),
                                                                    max(first, last))))

    def _any_port(self) -> int:
        if self.chance(0.1):
            return self.random.randrange(65536)
        return min(max(self.random.choice(self.ports) + self.random.choice((0, 0, 0, 1, -1)), 0),
                   65535)

    def _port(self, conditions: list[Condition]) -> int:
        return self._from_conditions(conditions, self._port_in, self._any_port, in_ports)

    def _flags(self, fields: dict[str, list[Condition]]) -> int:
        def inside(value: str) -> int:
            mask, wanted = parse_flags(value)
            return wanted | self.random.getrandbits(8) & ~mask & (255 if self.chance(0.5) else 0)

        def fits(flags: int, value: str) -> bool:
            mask, wanted = parse_flags(value)
            return flags & mask == wanted

        usual = ODD_FLAGS if self.chance(0.15) else USUAL_FLAGS
        return self._from_conditions(fields.get("flags", []), inside,
                                     lambda: self.random.choice(usual), fits)

    def _icmp(self, fields: dict[str, list[Condition]]) -> tuple[int, int]:
        for condition in fields.get("icmp", []):
            kind, code = parse_icmp(condition.value)
            if kind != 255 and not condition.inverted:
                return kind, self.random.choice((0, 0, 1, 255)) if code is None else code
        return self.random.choice(USUAL_ICMP)

    def _tcp_option(self, fields: dict[str, list[Condition]]) -> int | None:
        for condition in fields.get("tcp_option", []):
            return int(condition.value)
        return None

    def _input(self, conditions: list[Condition]) -> str | None:
        names = [name for name in self.interfaces
                 if all(name_matches(name, condition.value) != condition.inverted
                        for condition in conditions)]
        return self.random.choice(names) if names and conditions else None

    # The bytes of one packet

    def next_identification(self) -> int:
        self.identification = (self.identification + 1) % 65536 or 1
        return self.identification

    def _segment(self, aim: Aim) -> bytes:
        payload = b"p" * self.random.choice((0, 0, 4, 18, 100))
        ends = (aim.source, aim.destination)
        wrong = self.chance(0.015)
        if aim.protocol == TCP:
            return packets.tcp(*ends, aim.source_port, aim.destination_port, flags=aim.flags,
                               sequence=self.random.getrandbits(32), payload=payload,
                               acknowledgement=self.random.getrandbits(32), wrong_checksum=wrong,
                               **self._tcp_header(aim))
        if aim.protocol == UDP:
            return packets.udp(*ends, aim.source_port, aim.destination_port, payload=payload,
                               wrong_checksum=wrong)
        if aim.protocol == ICMP:
            if aim.icmp[0] in packets.ICMP_ERRORS:
                payload = self._quotation()
            return packets.icmp(*aim.icmp, payload=payload, rest=struct.pack(
                "!HH", self.client_port(aim.source_port), 1))
        return struct.pack("!HH", aim.source_port, aim.destination_port) + \
            self.random.randbytes(self.random.choice((0, 4, 8, 16, 60)))

    def _tcp_header(self, aim: Aim) -> dict:
        options = b"".join(self.random.sample(TCP_OPTIONS, self.random.choice((0, 0, 0, 1, 2))))
        if aim.tcp_option is not None and self.chance(0.75):
            options += bytes((aim.tcp_option, 4, 0, 0)) if aim.tcp_option > 1 else b"\x01"
        if self.chance(0.05):
            options += self.random.choice(MALFORMED_TCP_OPTIONS)
        header: dict = {"options": options[:40]}
        if self.chance(0.04):
            header["header_words"] = self.random.choice((0, 1, 4, 5, 6, 15))
        return header

    def _quotation(self) -> bytes:
        """Of a packet that nobody sent; those of real flows are in the conversations."""
        inner = packets.udp("10.1.0.77", "8.8.8.8", 5000, 53, payload=b"q")
        return packets.ipv4("10.1.0.77", "8.8.8.8", UDP, inner)[:28]

    def _ip_options(self) -> bytes:
        return self.random.choice(IP_OPTIONS) if self.chance(0.05) else b""

    def _packets(self, aim: Aim) -> list[bytes]:
        segment = self._segment(aim)
        identification, options = self.next_identification(), self._ip_options()
        where = (aim.source, aim.destination, aim.protocol)
        if aim.fragment or self.chance(0.07):
            return self._fragments(where, segment + b"f" * 48, identification, options)
        if self.chance(0.07):
            segment = segment[:self.random.choice((0, 1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 19, 20, 24))]
        padding = b"\0" * self.random.choice((0, 0, 0, 0, 0, 6))  # Ethernet's, beyond the length
        return [packets.ipv4(*where, segment, identification=identification, options=options,
                             dont_fragment=self.chance(0.3),
                             tos=self.random.choice((0, 0, 16, 255)),
                             ttl=self.random.choice((64,) * 12 + (255, 2, 1))) + padding]

    def _fragments(self, where: tuple, segment: bytes, identification: int,
                   options: bytes) -> list[bytes]:
        kind = self.random.choice(("whole", "whole", "shuffled", "one", "odd"))
        if kind == "odd":
            offset = self.random.choice((0, 1, 1, 2, 3, 185, 8100))
            return [packets.ipv4(*where, segment[:self.random.choice((8, 16, 24))], offset=offset,
                                 more_fragments=offset == 0 or self.chance(0.5),
                                 identification=identification, options=options)]
        first = self.random.choice((8, 16, 24, 32))
        parts = packets.fragments(*where, segment, [first, 16], identification=identification,
                                  options=options)
        if kind == "shuffled":
            self.random.shuffle(parts)
        return [self.random.choice(parts)] if kind == "one" else parts

    # The steps of a case

    def steps(self, count: int) -> list[dict]:
        steps: list[dict] = []
        while len(steps) < count:
            aim = self.aim()
            steps += self._conversation(aim) if aim.conversation else self._lone(aim)
        return [step for step in steps if not self._collides_with_nat(step)]

    def _lone(self, aim: Aim) -> list[dict]:
        if aim.chain == "OUTPUT":
            return self._local(aim)
        return [self._frame(packet, self._entrance(aim)) for packet in self._packets(aim)]

    def _entrance(self, aim: Aim) -> str:
        if aim.input:
            return ENDS[self.interfaces.index(aim.input)]
        return self.random.choice(ENDS) if self.chance(0.1) else end_of(aim.source)

    def _frame(self, packet: bytes, at: str) -> dict:
        step = {"do": "frame", "at": at, "hex": packet.hex()}
        if packet[16] in (224, 255) or self.chance(0.004):
            step["broadcast"] = True
        return step

    def _local(self, aim: Aim) -> list[dict]:
        kind = self.random.random()
        destination = self.random.choice(self.local) if self.chance(0.1) else aim.destination
        if kind < 0.8 or self.nat.destinations:
            return [{"do": "raw", "hex": self._raw(packet).hex()} for packet in self._packets(aim)]
        if aim.protocol == ICMP:
            return [{"do": "ping", "to": destination, "type": aim.icmp[0], "code": aim.icmp[1],
                     "identifier": aim.source_port}]
        return [{"do": "udp", "to": destination, "port": aim.destination_port or 9,
                 "source_port": aim.source_port or 9}]

    def _raw(self, packet: bytes) -> bytes:
        """Root may send a header that is too short for IP; the hooks see it."""
        if self.chance(0.01):
            return bytes((0x40 | self.random.randrange(5),)) + packet[1:]
        return packet

    def _collides_with_nat(self, step: dict) -> bool:
        """Lone packets with a translation's addresses could make the kernel pick random ports."""
        private = self.nat.private()
        if "hex" in step:
            packet = bytes.fromhex(step["hex"])
            return any(to_address(int.from_bytes(packet[start:start + 4], "big")) in private
                       for start in (12, 16))
        return step.get("to") in private

    # Conversations

    def client_port(self, wanted: int) -> int:
        """Each of its own where there is NAT, for the reason above."""
        if not self.nat.private():
            return wanted
        self.unique += 1
        return self.unique

    def _conversation(self, aim: Aim) -> list[dict]:
        translated = aim.source in self.nat.sources or aim.destination in self.nat.destinations
        if aim.chain == "OUTPUT" and not self.nat.private():
            return [self._stack_conversation(aim)]
        if aim.chain == "INPUT" and aim.protocol == TCP and not self.nat.private() and \
                aim.destination in LOCAL_ADDRESSES:
            return [self._stack_conversation(aim)]
        if aim.chain != "FORWARD" or aim.source in self.nat.private():
            return self._lone(aim)
        frames = Conversation(self, aim).frames()
        return [{"do": "exchange", "frames": frames}] if translated else frames

    def _stack_conversation(self, aim: Aim) -> dict:
        ports = {"port": aim.destination_port or 80, "source_port": aim.source_port or 1025}
        if ports["port"] == ports["source_port"]:
            ports["source_port"] = ports["port"] % 60000 + 1
        if aim.chain == "INPUT":
            return {"do": "accept", "at": end_of(aim.source), "from": aim.source,
                    "to": aim.destination, **ports}
        if self.chance(0.3):
            return {"do": "loopback", "to": self.random.choice(LOCAL_ADDRESSES), **ports}
        return {"do": "connect", "to": aim.destination, **ports}


class Conversation:
    """A scripted flow between two ends; NAT is undone for the far end, which sees translations."""

    def __init__(self, traffic: Traffic, aim: Aim) -> None:
        self.traffic = traffic
        self.random = traffic.random
        self.aim = aim
        self.near = (aim.source, aim.destination)
        target = traffic.nat.destinations.get(aim.destination, aim.destination)
        alias = traffic.nat.sources.get(aim.source, aim.source)
        self.far = (target, alias)
        self.ports = (traffic.client_port(aim.source_port), aim.destination_port)
        self.sequences = [self.random.getrandbits(32), self.random.getrandbits(32)]

    def frames(self) -> list[dict]:
        makers = {TCP: self._tcp, UDP: self._udp, ICMP: self._icmp}
        frames = makers.get(self.aim.protocol, self._other)()
        if self.traffic.chance(0.4):
            frames.insert(self.random.randint(1, len(frames)), self._error(frames[0]))
        if self.traffic.chance(0.3):
            frames = frames[:self.random.randint(1, len(frames))]
        return frames

    def _send(self, reply: bool, segment_maker) -> dict:
        source, destination = self.far if reply else self.near
        protocol = self.aim.protocol
        packet = packets.ipv4(source, destination, protocol, segment_maker(source, destination),
                              identification=self.traffic.next_identification())
        return {"do": "frame", "at": end_of(source), "hex": packet.hex()}

    def _tcp_packet(self, reply: bool, flags: int, payload: bytes = b"", shift: int = 0) -> dict:
        ports = self.ports[::-1] if reply else self.ports
        frame = self._send(reply, lambda source, destination: packets.tcp(
            source, destination, *ports, flags=flags, payload=payload,
            sequence=self.sequences[reply] + shift,
            acknowledgement=self.sequences[not reply] if flags & ACK else 0))
        if not shift:
            self.sequences[reply] += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        return frame

    def _tcp(self) -> list[dict]:
        frames = [self._tcp_packet(False, SYN), self._tcp_packet(True, SYN | ACK),
                  self._tcp_packet(False, ACK), self._tcp_packet(False, PSH | ACK, b"request")]
        if self.traffic.chance(0.3):  # out of the window: INVALID
            frames.append(self._tcp_packet(self.traffic.chance(0.5), ACK, b"x", 1 << 30))
        frames += [self._tcp_packet(True, PSH | ACK, b"response"), self._tcp_packet(False, ACK)]
        if self.traffic.chance(0.3):
            return [*frames, self._tcp_packet(True, RST | ACK), self._tcp_packet(False, ACK)]
        return [*frames, self._tcp_packet(False, FIN | ACK), self._tcp_packet(True, FIN | ACK),
                self._tcp_packet(False, ACK), self._tcp_packet(True, ACK)]

    def _udp(self) -> list[dict]:
        return [self._send(reply, lambda source, destination, reply=reply: packets.udp(
            source, destination, *(self.ports[::-1] if reply else self.ports), payload=b"datagram"))
            for reply in (False, True, False, True)]

    def _icmp(self) -> list[dict]:
        query, answer = self.random.choice(((8, 0), (8, 0), (8, 0), (13, 14), (17, 18), (15, 16)))
        rest = struct.pack("!HH", self.ports[0], 1)
        return [self._send(reply, lambda _source, _destination, reply=reply: packets.icmp(
            answer if reply else query, 0, rest=rest, payload=b"ping" * 3))
            for reply in (False, True, False, True, True)]

    def _other(self) -> list[dict]:
        payload = struct.pack("!HH", *self.ports) + b"\0" * 8
        return [self._send(reply, lambda _source, _destination: payload)
                for reply in (False, True, False)]

    def _error(self, first: dict) -> dict:
        """A router's, or the far end's, about the first packet as the far end saw it."""
        quoted = bytes.fromhex(first["hex"])
        target, alias = self.far
        segment = quoted[packets.header_length(quoted):]
        inner = packets.ipv4(alias, target, self.aim.protocol, segment)
        inner = inner[:self.random.choice((28, 28, 48, 24))]
        kind, code = self.random.choice(((3, 1), (3, 3), (3, 4), (11, 0), (12, 0), (4, 0), (5, 1)))
        sender = target if self.traffic.chance(0.5) else "203.0.113.254"
        packet = packets.ipv4(sender, alias, ICMP, packets.icmp(kind, code, payload=inner),
                              identification=self.traffic.next_identification())
        return {"do": "frame", "at": end_of(sender), "hex": packet.hex()}


def random_commands(random: Random, filter_text: str, count: int) -> list[dict]:
    """Changes to the table between packets: what is not touched keeps its counters."""
    rules = [words for line in filter_text.splitlines()
             if "-A " in line and (words := shlex.split(line[line.index("-A "):]))]
    commands = []
    for _ in range(count if rules else 0):
        _, chain, *body = random.choice(rules)
        commands.append({"do": "command", "arguments": random.choice((
            ["-Z"], ["-Z", chain], ["-I", chain, *body], ["-A", chain, *body],
            ["-I", chain, "2", *body], ["-D", chain, "1"], ["-D", chain, *body],
            ["-R", chain, "1", *body], ["-P", random.choice(BASE_CHAINS), "ACCEPT"],
            ["-N", "new-chain"], ["-F", chain], ["-L", chain, "-n", "-v", "-x"],
            ["-S", chain, "-v"]))})
    return commands
