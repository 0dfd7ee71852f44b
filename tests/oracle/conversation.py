# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole flows, as connection tracking sees them."""

import struct
from random import Random

import packets
from packets import ACK, FIN, PSH, RST, SYN, TCP, UDP
from packets_ipv6 import ip_packet
from rulesets import Nat
from shapes import Aim, Shapes
from topology import end_of


class Conversation:
    """A scripted flow between two ends; NAT is undone for the far end, which sees translations."""

    def __init__(self, random: Random, shapes: Shapes, nat: Nat, aim: Aim,
                 client_port: int) -> None:
        self.random = random
        self.shapes = shapes
        self.aim = aim
        self.near = (aim.source, aim.destination)
        target = nat.destinations.get(aim.destination, aim.destination)
        alias = nat.sources.get(aim.source, aim.source)
        self.far = (target, alias)
        self.ports = (client_port, aim.destination_port)
        self.sequences = [self.random.getrandbits(32), self.random.getrandbits(32)]

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def frames(self) -> list[dict]:
        makers = {TCP: self._tcp, UDP: self._udp, self.shapes.icmp_protocol: self._icmp}
        frames = makers.get(self.aim.protocol, self._other)()
        if self.chance(0.4):
            frames.insert(self.random.randint(1, len(frames)), self._error(frames[0]))
        if self.chance(0.3):
            frames = frames[:self.random.randint(1, len(frames))]
        return frames

    def _send(self, reply: bool, segment_maker) -> dict:
        source, destination = self.far if reply else self.near
        packet = self.shapes.plain(source, destination, self.aim.protocol,
                                   segment_maker(source, destination))
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
        if self.chance(0.3):  # out of the window: INVALID
            frames.append(self._tcp_packet(self.chance(0.5), ACK, b"x", 1 << 30))
        frames += [self._tcp_packet(True, PSH | ACK, b"response"), self._tcp_packet(False, ACK)]
        if self.chance(0.3):
            return [*frames, self._tcp_packet(True, RST | ACK), self._tcp_packet(False, ACK)]
        return [*frames, self._tcp_packet(False, FIN | ACK), self._tcp_packet(True, FIN | ACK),
                self._tcp_packet(False, ACK), self._tcp_packet(True, ACK)]

    def _udp(self) -> list[dict]:
        return [self._send(reply, lambda source, destination, reply=reply: packets.udp(
            source, destination, *(self.ports[::-1] if reply else self.ports), payload=b"datagram"))
            for reply in (False, True, False, True)]

    def _icmp(self) -> list[dict]:
        query, answer = self.random.choice(self.shapes.icmp_queries)
        rest = struct.pack("!HH", self.ports[0], 1)
        return [self._send(reply, lambda source, destination, reply=reply: self.shapes.icmp(
            source, destination, answer if reply else query, 0, rest=rest, payload=b"ping" * 3))
            for reply in (False, True, False, True, True)]

    def _other(self) -> list[dict]:
        payload = struct.pack("!HH", *self.ports) + b"\0" * 8
        return [self._send(reply, lambda _source, _destination: payload)
                for reply in (False, True, False)]

    def _error(self, first: dict) -> dict:
        """A router's, or the far end's, about the first packet as the far end saw it."""
        quoted = bytes.fromhex(first["hex"])
        target, alias = self.far
        inner = ip_packet(alias, target, self.aim.protocol, quoted[self.shapes.header_length:])
        inner = inner[:self.shapes.header_length + self.random.choice((8, 8, 28, 4))]
        kind, code = self.random.choice(self.shapes.icmp_errors)
        sender = target if self.chance(0.5) else self.shapes.router
        message = self.shapes.icmp(sender, alias, kind, code, payload=inner)
        packet = self.shapes.plain(sender, alias, self.shapes.icmp_protocol, message)
        return {"do": "frame", "at": end_of(sender), "hex": packet.hex()}
