# SPDX-License-Identifier: GPL-2.0-or-later
"""One firewall in the middle of a row, ours or the kernel's, and what can be seen around it."""

import struct
from dataclasses import dataclass, field

from firewall import Daemon, Filter
from network import Namespace, Row
from packets import ICMP, ICMPV6, ethernet, icmp, icmpv6
from packets_ipv6 import ip_packet, version

SOURCE = {4: "10.1.0.2", 6: "2001:db8:1::2"}
FIREWALL = {4: "10.1.0.1", 6: "2001:db8:1::1"}
SERVER = {4: "10.2.0.2", 6: "2001:db8:2::2"}
ETHERTYPES = {4: 0x0800, 6: 0x86dd}
ECHO_REPLY = {4: (ICMP, 0), 6: (ICMPV6, 129)}


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


WEST, CLIENT = mac(Row.MACS["west"]), mac(Row.MACS["c0"])


def echo_request(family: int, destination: str, mark: bytes) -> bytes:
    if family == 4:
        message = icmp(8, 0, payload=mark)
    else:
        message = icmpv6(SOURCE[6], destination, 128, 0, payload=mark)
    return ip_packet(SOURCE[family], destination, ICMP if family == 4 else ICMPV6, message)


def comparable(packet: bytes) -> bytes:
    """Without what the kernel chooses: IPv4's identification, and the checksum over it."""
    if packet[0] >> 4 != 4:
        return packet
    return packet[:4] + b"\0\0" + packet[6:10] + b"\0\0" + packet[12:]


def is_own(packet: bytes) -> bool:
    """What IPv6 says of its own accord, from link-local addresses or none."""
    return version(packet) == 6 and (packet[8:10] == b"\xfe\x80" or packet[8:24] == bytes(16))


@dataclass
class Side:
    ours: bool
    arguments: tuple[str, ...] = ()
    row: Row = field(default_factory=Row)

    def __post_init__(self) -> None:
        self.firewall: Namespace = self.row.firewall
        self.row.silence()
        # Answers are compared one by one: no limit is to swallow any.
        self.firewall.sysctl(ipv4__icmp_ratelimit=0, ipv4__icmp_msgs_per_sec=1000000,
                             ipv4__icmp_msgs_burst=1000000, ipv6__icmp__ratelimit=0,
                             ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0,
                             ipv4__conf__west__rp_filter=0)
        # Answers that wait for an address keep the kernel's sockets for answers busy.
        self.firewall.ip(*(f"neighbour replace {net}{last:x} lladdr {Row.MACS['c0']} dev west"
                           for net in ("10.1.0.", "2001:db8:1::") for last in range(2, 16)
                           if net[-1] == ":" or last < 10),
                         *(f"neighbour replace 10.1.0.{last} lladdr {Row.MACS['c0']} dev west"
                           for last in range(10, 16)))
        self.client = self.row.client.packet_socket("c0", receive=True)
        self.server = self.row.server.packet_socket("s0", receive=True)
        self.daemon = Daemon(self.firewall, *self.arguments) if self.ours else None
        self.filter = Filter(self.firewall, self.ours)
        self.rounds = 0

    def close(self) -> None:
        if self.daemon:
            self.daemon.close()
        self.client.close()
        self.server.close()
        self.row.close()

    def send(self, packet: bytes, to: bytes = WEST) -> None:
        self.client.send(ethernet(to, CLIENT, ETHERTYPES[version(packet)], packet))

    def received(self, receiver, family: int, mark: bytes) -> list[bytes]:
        """Packets up to the echo that carries @mark, which is not among them."""
        packets = []
        while True:
            frame = receiver.recv(65535)
            packet = frame[14:]
            if struct.unpack("!H", frame[12:14])[0] != ETHERTYPES[family] or is_own(packet):
                continue
            if mark in packet:
                return packets
            packets.append(packet)

    def answers(self, family: int, sent: list[tuple[bytes, bytes]]) -> list[bytes]:
        """What the client gets for packets that it sends, each to a MAC address."""
        self.rounds += 1
        mark = b"round %06d" % self.rounds
        for packet, to in sent:
            self.send(packet, to)
        self.send(echo_request(family, FIREWALL[family], mark))
        return [comparable(each) for each in self.received(self.client, family, mark)]

    def forwarded(self, family: int, sent: list[bytes]) -> list[bytes]:
        """What comes out at the server."""
        self.rounds += 1
        mark = b"round %06d" % self.rounds
        for packet in sent:
            self.send(packet)
        self.send(echo_request(family, SERVER[family], mark))
        return [comparable(each) for each in self.received(self.server, family, mark)]
