# SPDX-License-Identifier: GPL-2.0-or-later
"""
Random traffic that knows the rules: it aims at one rule after the other, along a path of jumps, and
hits it, or misses it by the smallest difference. Every shape of packet, and whole conversations.
"""

import shlex
import struct
from dataclasses import replace
from random import Random

import packets
from addresses import Family, in_network, moved, parse_network, to_address, to_number
from byte_matches import byte_segment, text_payload
from conversation import Conversation
from discovery import discovery_steps
from packets import ACK, CWR, ECE, FIN, PSH, RST, SYN, TCP, UDP
from packets_ipv6 import addresses_of
from rules import (Condition, RuleGraph, in_ports, name_matches, parse_flags, parse_icmp,
                   parse_ports, parse_protocol)
from rulesets import BASE_CHAINS, Nat
from rulesets_ipv6 import EUI64_HOSTS
from shapes import Aim
from shapes_ipv4 import ShapesIPv4
from shapes_ipv6 import ShapesIPv6
from topology import ENDS, LOCAL_ADDRESSES, end_of

ODD_FLAGS = (0, 255, FIN | SYN, FIN | PSH | 32, SYN | RST, RST, RST | ACK, ACK, FIN | ACK, ECE,
             CWR | ECE | SYN)
USUAL_FLAGS = (SYN, SYN, SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, RST)
TCP_OPTIONS = (b"\x02\x04\x05\xb4", b"\x02\x04\x05\x78", b"\x03\x03\x07", b"\x04\x02", b"\x01",
               b"\x01\x01\x08\x0a" + b"\0" * 8, b"\xfd\x04\xab\xcd")
MALFORMED_TCP_OPTIONS = (b"\x03\0\x01\x01", b"\x02\x01", b"\x02\xff", b"\x01\x01\x01\x02",
                         b"\x08\x0a\0\0", b"\0\0\0\x02", b"\x02", b"\xfe\x28", b"\x03\x03\x07\x02")


class Traffic:
    def __init__(self, random: Random, family: Family, graph: RuleGraph, hosts: list[str],
                 interfaces: list[str], nat: Nat, local: list[str], tracked: bool = True) -> None:
        """@tracked: the kernel may follow connections, and so put fragments together."""
        self.random = random
        self.family = family
        self.graph = graph
        self.interfaces = interfaces
        self.nat = nat
        shapes = ShapesIPv6 if family.version == 6 else ShapesIPv4
        self.shapes = shapes(random, hosts, graph, tracked)
        self.local = [*LOCAL_ADDRESSES[family.version] * 2, *local]
        named = {value for name in ("source", "destination") for value in graph.values(name)}
        self.networks = sorted(named) + hosts + list(nat.destinations)
        self.ports = [port for name in ("source_port", "destination_port") for value in
                      graph.values(name) for pair in parse_ports(value) for port in pair]
        self.ports += [22, 80, 443, 53]
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
        aim = Aim(chain, self._source(chain, fields),
                  self._destination(chain, fields), self._protocol(fields),
                  self._port(fields.get("source_port", [])),
                  self._port(fields.get("destination_port", [])), self._flags(fields),
                  self._icmp(fields), self._tcp_option(fields),
                  any(not condition.inverted for condition in fields.get("fragment", [])),
                  self._input(fields.get("input", [])),
                  self.chance(0.6 if "state" in fields else 0.1), fields)
        return self._near_miss(aim) if self.chance(0.3) else aim

    def _near_miss(self, aim: Aim) -> Aim:
        name = self.random.choice(("source", "destination", "protocol", "source_port",
                                   "destination_port", "flags", "icmp", "fragment"))
        value = getattr(aim, name)
        step = self.random.choice((-1, 1))
        if name in ("source", "destination"):
            bit = 1 << self.random.choice((0, 0, self.random.randrange(self.family.bits)))
            value = self.shapes.sendable(to_address(to_number(value) ^ bit, self.family),
                                         neighbour=name == "source" and aim.chain == "INPUT")
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
        host_bits = self.random.choice((0, self.family.ones, 1,
                                        self.random.getrandbits(self.family.bits)))
        host = self.random.choice(self.networks).split("/")[0]
        if in_network(host, value) and self.chance(0.5):
            return host
        return to_address(network & mask | host_bits & ~mask, self.family)

    def _any_address(self) -> str:
        if self.chance(0.15):
            return to_address(self.random.getrandbits(self.family.bits), self.family)
        return self._address_in(self.random.choice(self.networks))

    def _source(self, chain: str, fields: dict[str, list[Condition]]) -> str:
        conditions = fields.get("source", [])
        if "eui64" in fields and self.chance(0.7):
            return self.random.choice(EUI64_HOSTS)
        address = self._from_conditions(conditions, self._address_in, self._any_address, in_network)
        if chain == "OUTPUT":
            fitting = self._fitting(self.local, conditions)
            return self.random.choice(fitting) if fitting and self.chance(0.7) else \
                self.shapes.sendable(address)
        address = self.shapes.sendable(address, neighbour=chain == "INPUT")
        while address in self.local:  # a martian
            address = moved(address, 1)
        return address

    @staticmethod
    def _fitting(addresses: list[str], conditions: list[Condition]) -> list[str]:
        return [address for address in addresses
                if all(in_network(address, condition.value) != condition.inverted
                       for condition in conditions)]

    def _destination(self, chain: str, fields: dict[str, list[Condition]]) -> str:
        conditions = fields.get("destination", [])
        if chain == "INPUT":
            return self.random.choice(
                self._fitting([*self.local, *self.shapes.special_destinations], conditions)
                or self.local)
        wanted = [ENDS[index] for index, name in enumerate(self.interfaces)
                  if all(name_matches(name, condition.value) != condition.inverted
                         for condition in fields.get("output", []))]
        address = ""
        for _ in range(6):
            address = self.shapes.sendable(self._from_conditions(
                conditions, self._address_in, self._any_address, in_network))
            if end_of(address) in wanted and address not in self.local:
                break
        if chain == "FORWARD" and self.nat.destinations and self.chance(0.3):
            return self.random.choice(list(self.nat.destinations))
        return address

    def _protocol(self, fields: dict[str, list[Condition]]) -> int:
        conditions = fields.get("protocol", [])
        for name, protocol in (("icmp", self.shapes.icmp_protocol), ("flags", TCP),
                               ("tcp_option", TCP)):
            if name in fields:
                return protocol
        if any(condition.inverted for condition in conditions) and self.chance(0.5):
            return self.random.choice((TCP, UDP, *self.shapes.protocols))
        usual = self.random.choice((TCP, TCP, TCP, UDP, UDP, UDP, self.shapes.icmp_protocol,
                                    self.random.choice(self.shapes.protocols)))
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
            kind, code = parse_icmp(condition.value, self.family.version)
            if kind != 255 and not condition.inverted:
                return kind, self.random.choice((0, 0, 1, 255)) if code is None else code
        return self.random.choice(self.shapes.usual_icmp)

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

    def _segment(self, aim: Aim) -> bytes:
        payload = b"p" * self.random.choice((0, 0, 4, 18, 100))
        payload = text_payload(self.random) if self.chance(0.3) else payload
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
        if aim.protocol == self.shapes.icmp_protocol:
            return self.shapes.icmp_message(aim, self.client_port(aim.source_port), payload)
        special = byte_segment(self.random, aim.protocol, aim.source_port, aim.destination_port)
        if special is not None and self.chance(0.9):
            return special
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

    # The steps of a case

    def steps(self, count: int) -> list[dict]:
        steps: list[dict] = []
        while len(steps) < count:
            if self.family.version == 6 and self.chance(0.02):
                steps += discovery_steps(self.random, self.shapes.hosts)
            aim = self.aim()
            steps += self._conversation(aim) if aim.conversation else self._lone(aim)
        return [step for step in steps if not self._collides_with_nat(step)]

    def _lone(self, aim: Aim) -> list[dict]:
        if aim.chain == "OUTPUT":
            return self._local(aim)
        return [self._frame(packet, self._entrance(aim)) for packet in
                self.shapes.packets(aim, self._segment(aim))]

    def _entrance(self, aim: Aim) -> str:
        if self.shapes.is_link_local(aim.destination):  # it is the firewall's on one link only
            return end_of(aim.destination)
        if aim.input:
            return ENDS[self.interfaces.index(aim.input)]
        return self.random.choice(ENDS) if self.chance(0.1) else end_of(aim.source)

    def _frame(self, packet: bytes, at: str) -> dict:
        step = {"do": "frame", "at": at, "hex": packet.hex()}
        if self.shapes.is_broadcast(packet) or self.chance(0.004):
            step["broadcast"] = True
        return step

    def _local(self, aim: Aim) -> list[dict]:
        kind = self.random.random()
        destination = self.random.choice(self.local) if self.chance(0.1) else aim.destination
        if kind < 0.8 or self.nat.destinations:
            return [{"do": "raw", "hex": self.shapes.raw(packet).hex()} for packet in
                    self.shapes.packets(aim, self._segment(aim))]
        if aim.protocol == self.shapes.icmp_protocol:
            return [{"do": "ping", "to": destination, "type": aim.icmp[0], "code": aim.icmp[1],
                     "identifier": aim.source_port}]
        return [{"do": "udp", "to": destination, "port": aim.destination_port or 9,
                 "source_port": aim.source_port or 9}]

    def _collides_with_nat(self, step: dict) -> bool:
        """Lone packets with a translation's addresses could make the kernel pick random ports."""
        private = self.nat.private()
        if "hex" in step:
            source, destination = addresses_of(bytes.fromhex(step["hex"]))
            return not private.isdisjoint((source, destination)) or source in self.nat.destinations
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
                aim.destination in LOCAL_ADDRESSES[self.family.version]:
            return [self._stack_conversation(aim)]
        if aim.chain != "FORWARD" or aim.source in self.nat.private():
            return self._lone(aim)
        client_port = self.client_port(aim.source_port)
        frames = Conversation(self.random, self.shapes, self.nat, aim, client_port).frames()
        return [{"do": "exchange", "frames": frames}] if translated else frames

    def _stack_conversation(self, aim: Aim) -> dict:
        ports = {"port": aim.destination_port or 80, "source_port": aim.source_port or 1025}
        if ports["port"] == ports["source_port"]:
            ports["source_port"] = ports["port"] % 60000 + 1
        if aim.chain == "INPUT":
            return {"do": "accept", "at": end_of(aim.source), "from": aim.source,
                    "to": aim.destination, **ports}
        if self.chance(0.3):
            local = self.random.choice(LOCAL_ADDRESSES[self.family.version])
            return {"do": "loopback", "to": local, **ports}
        return {"do": "connect", "to": aim.destination, **ports}


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
