# SPDX-License-Identifier: GPL-2.0-or-later
"""Who listens to NFLOG and NFQUEUE: linux/netfilter/nfnetlink_log.h and nfnetlink_queue.h."""

import socket
import struct

from network import PATIENCE, Namespace

NETLINK_NETFILTER = 12
LOG, QUEUE = 4 << 8, 3 << 8  # NFNL_SUBSYS_ULOG, NFNL_SUBSYS_QUEUE
PACKET, VERDICT_OR_LOG_CONFIG, CONFIG = 0, 1, 2
NLM_F_REQUEST, NLM_F_ACK = 1, 4
COMMAND_BIND = 1
COPY_PACKET = 2
ACCEPT, DROP = 1, 0


def attribute(number: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, number) + data + b"\0" * (-len(data) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    result = {}
    while len(data) >= 4:
        length, number = struct.unpack_from("=HH", data)
        result[number & 0x3fff] = data[4:length]
        data = data[(length + 3) & ~3:]
    return result


class Listener:
    """Of one group or queue."""

    def __init__(self, place: Namespace, subsystem: int, number: int):
        self.number = number
        self.subsystem = subsystem
        self.socket = place.inside(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                                         NETLINK_NETFILTER))
        self.socket.bind((0, 0))
        self.socket.settimeout(PATIENCE)
        config = VERDICT_OR_LOG_CONFIG if subsystem == LOG else CONFIG
        if subsystem == LOG:
            bind, mode = attribute(1, bytes([COMMAND_BIND])), struct.pack("!IBB", 65535, COPY_PACKET, 0)
        else:
            bind, mode = attribute(1, struct.pack("!BBH", COMMAND_BIND, 0, 0)), struct.pack(
                "!IB", 65535, COPY_PACKET)
        self.ask(config, bind)
        self.ask(config, attribute(2, mode))
        if subsystem == LOG:
            self.ask(config, attribute(5, struct.pack("!I", 1)))  # every message at once

    def close(self) -> None:
        self.socket.close()

    def message(self, kind: int, data: bytes, flags: int) -> bytes:
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, self.number) + data
        return struct.pack("=IHHII", 16 + len(body), self.subsystem | kind, NLM_F_REQUEST | flags, 1,
                           0) + body

    def ask(self, kind: int, data: bytes) -> None:
        self.socket.send(self.message(kind, data, NLM_F_ACK))
        error = struct.unpack_from("=i", self.socket.recv(65535), 16)[0]
        if error:
            raise OSError(-error, "nfnetlink")

    def packet(self) -> dict[int, bytes]:
        """The attributes of the next packet."""
        data = self.socket.recv(1 << 17)
        length, kind = struct.unpack_from("=IH", data)
        if kind != self.subsystem | PACKET:
            raise AssertionError(f"message {kind:#x}")
        return attributes(data[20:length])

    def decide(self, packet: dict[int, bytes], verdict: int) -> None:
        """On a packet of a queue; its number stands first in attribute 1."""
        self.socket.send(self.message(VERDICT_OR_LOG_CONFIG, attribute(
            2, struct.pack("!I", verdict) + packet[1][:4]), 0))
