# SPDX-License-Identifier: GPL-2.0-or-later
"""
The firewall's own senders and receivers: sockets of every kind, whose errors are results.

TCP here is the firewall's real stack, with a scripted peer at the end of a link that answers what
it really received: initial sequence numbers are random, so nothing can be written beforehand.
"""

import errno
import socket
import struct

from addresses import family_of
from packets import ACK, ICMP, ICMPV6, PSH, RST, SYN, TCP, icmp, tcp
from packets_ipv6 import addresses_of, ip_packet, transport_of
from topology import ENDS, Topology, end_of

IPPROTO_RAW = 255
PEER_SEQUENCE = 7_000_000


def outcome(action) -> str:
    """What a system call did, in a word that can be compared."""
    try:
        value = action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return value.decode("latin-1") if isinstance(value, bytes) else "ok"


def socket_address(topology: Topology, destination: str) -> tuple:
    """With a link where the address alone does not say which."""
    if not destination.startswith(("fe80:", "ff02:")):
        return destination, 0
    link = socket.if_nametoindex(topology.names[ENDS.index(end_of(destination))])
    return destination, 0, 0, link


def send_raw(topology: Topology, packet: bytes) -> str:
    """The header is the packet's own: with this protocol IPv6 takes it from the sender too."""
    destination = addresses_of(packet)[1]
    with socket.socket(family_of(destination).number, socket.SOCK_RAW, IPPROTO_RAW) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return outcome(lambda: sender.sendto(packet, socket_address(topology, destination)))


def send_udp(topology: Topology, step: dict) -> list[str]:
    """Sends twice: the second one also shows the error that an ICMP answer left on the socket."""
    family = family_of(step["to"])
    with socket.socket(family.number, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.bind((family.any, step["source_port"]))
        results = [outcome(lambda: sender.connect((step["to"], step["port"])))]
        for number in range(2):
            results.append(outcome(lambda: sender.send(b"datagram%d" % number)))
            topology.synchronise()
        return results


def send_ping(topology: Topology, step: dict) -> str:
    message = icmp(step["type"], step["code"], rest=struct.pack("!HH", step["identifier"], 1),
                   payload=b"ping")
    family = family_of(step["to"])
    protocol = ICMPV6 if family.version == 6 else ICMP  # the kernel computes ICMPv6's checksum
    with socket.socket(family.number, socket.SOCK_RAW, protocol) as sender:
        result = outcome(lambda: sender.sendto(message, (step["to"], 0)))
        topology.synchronise()
    return result


class Peer:
    """The scripted end of one TCP connection with the firewall's stack."""

    def __init__(self, topology: Topology, firewall_port: int, port: int) -> None:
        self.topology = topology
        self.ports = (firewall_port, port)
        self.next_sequence = PEER_SEQUENCE

    def received(self, flags: int) -> tuple[int, bytes] | None:
        """The last packet of the connection with exactly these flags: (link, packet)."""
        self.topology.synchronise()
        for link, frames in enumerate(self.topology.captured):
            for frame in reversed(frames):
                packet = frame[14:]
                protocol, start = transport_of(packet)
                segment = packet[start:]
                if protocol == TCP and len(segment) >= 20 and segment[13] == flags and \
                        struct.unpack_from("!HH", segment) == self.ports:
                    return link, packet
        return None

    def answer(self, link: int, packet: bytes, flags: int, payload: bytes = b"") -> None:
        """Acknowledges all of the firewall's packet, and sends."""
        segment = packet[transport_of(packet)[1]:]
        destination, source = addresses_of(packet)
        sequence = struct.unpack_from("!I", segment, 4)[0]
        consumed = len(segment) - (segment[12] >> 4) * 4 + bool(segment[13] & SYN)
        self.topology.send(link, ip_packet(source, destination, TCP, tcp(
            source, destination, self.ports[1], self.ports[0], flags=flags, payload=payload,
            sequence=self.next_sequence, acknowledgement=sequence + consumed)))
        self.next_sequence += len(payload) + bool(flags & SYN)
        self.topology.synchronise()


def tcp_socket(remote: str, port: int) -> socket.socket:
    """Of @remote's family. Closing it sends a RST and leaves nothing that could send later."""
    family = family_of(remote)
    result = socket.socket(family.number, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    result.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    result.bind((family.any, port))
    return result


def connect_out(topology: Topology, step: dict) -> list[str]:
    """The firewall opens a connection to a scripted server, exchanges data and aborts."""
    peer = Peer(topology, step["source_port"], step["port"])
    with tcp_socket(step["to"], step["source_port"]) as client:
        results = [outcome(lambda: client.connect((step["to"], step["port"])))]
        received = peer.received(SYN)
        if received:
            peer.answer(*received, SYN | ACK)
            results.append(outcome(lambda: client.send(b"request")))
            received = peer.received(PSH | ACK)
        if received:
            peer.answer(*received, PSH | ACK, b"response")
            results.append(outcome(lambda: client.recv(100)))
    topology.synchronise()
    return results


def accept_from(topology: Topology, step: dict) -> list[str]:
    """A scripted client opens a connection to the firewall, exchanges data; both abort it."""
    link = ENDS.index(step["at"])
    peer = Peer(topology, step["port"], step["source_port"])
    results: list[str] = []
    with tcp_socket(step["to"], step["port"]) as listener:
        results.append(outcome(lambda: listener.listen(8)))
        topology.send(link, ip_packet(step["from"], step["to"], TCP, tcp(
            step["from"], step["to"], step["source_port"], step["port"], flags=SYN,
            sequence=peer.next_sequence)))
        peer.next_sequence += 1
        received = peer.received(SYN | ACK)
        if received:
            peer.answer(*received, ACK)
            peer.answer(*received, PSH | ACK, b"request")
            results += serve(listener, peer)
            peer.answer(*received, RST | ACK)
    topology.synchronise()
    return results


def serve(listener: socket.socket, peer: Peer) -> list[str]:
    try:
        server = listener.accept()[0]
    except OSError as error:
        return [errno.errorcode[error.errno]]
    with server:
        server.setblocking(False)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        results = [outcome(lambda: server.recv(100)), outcome(lambda: server.send(b"response"))]
        peer.topology.synchronise()
    return results


def loopback(topology: Topology, step: dict) -> list[str]:
    """A connection of the firewall with itself: OUTPUT, then INPUT, through lo."""
    with tcp_socket(step["to"], step["port"]) as listener, \
            tcp_socket(step["to"], step["source_port"]) as client:
        results = [outcome(lambda: listener.listen(8)),
                   outcome(lambda: client.connect((step["to"], step["port"])))]
        topology.synchronise()
        results.append(outcome(lambda: client.send(b"request")))
        topology.synchronise()
        results += serve(listener, Peer(topology, 0, 0))
    topology.synchronise()
    return results


