# SPDX-License-Identifier: GPL-2.0-or-later
"""
The firewall's own senders and receivers: sockets of every kind, whose errors are results.

TCP here is the firewall's real stack, with a scripted peer at the end of a link that answers what
it really received: initial sequence numbers are random, so nothing can be written beforehand.
"""

import errno
import socket
import struct

from packets import (ACK, ICMP, PSH, RST, SYN, TCP, header_length, icmp, ipv4, tcp)
from topology import ENDS, Topology

IPPROTO_RAW = 255
PEER_SEQUENCE = 7_000_000


def outcome(action) -> str:
    """What a system call did, in a word that can be compared."""
    try:
        value = action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return value.decode("latin-1") if isinstance(value, bytes) else "ok"


def send_raw(packet: bytes) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, IPPROTO_RAW) as sender:
        destination = socket.inet_ntoa(packet[16:20])
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        return outcome(lambda: sender.sendto(packet, (destination, 0)))


def send_udp(topology: Topology, step: dict) -> list[str]:
    """Sends twice: the second one also shows the error that an ICMP answer left on the socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.bind(("0.0.0.0", step["source_port"]))
        results = [outcome(lambda: sender.connect((step["to"], step["port"])))]
        for number in range(2):
            results.append(outcome(lambda: sender.send(b"datagram%d" % number)))
            topology.synchronise()
        return results


def send_ping(topology: Topology, step: dict) -> str:
    message = icmp(step["type"], step["code"], rest=struct.pack("!HH", step["identifier"], 1),
                   payload=b"ping")
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, ICMP) as sender:
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
                segment = packet[header_length(packet):]
                if packet[9] == TCP and len(segment) >= 20 and segment[13] == flags and \
                        struct.unpack_from("!HH", segment) == self.ports:
                    return link, packet
        return None

    def answer(self, link: int, packet: bytes, flags: int, payload: bytes = b"") -> None:
        """Acknowledges all of the firewall's packet, and sends."""
        segment = packet[header_length(packet):]
        source, destination = socket.inet_ntoa(packet[16:20]), socket.inet_ntoa(packet[12:16])
        sequence = struct.unpack_from("!I", segment, 4)[0]
        consumed = len(segment) - (segment[12] >> 4) * 4 + bool(segment[13] & SYN)
        self.topology.send(link, ipv4(source, destination, TCP, tcp(
            source, destination, self.ports[1], self.ports[0], flags=flags, payload=payload,
            sequence=self.next_sequence, acknowledgement=sequence + consumed)))
        self.next_sequence += len(payload) + bool(flags & SYN)
        self.topology.synchronise()


def tcp_socket(*, address: str = "0.0.0.0", port: int = 0) -> socket.socket:
    """Closing it sends a RST and leaves nothing behind that could send later."""
    result = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    result.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    result.bind((address, port))
    return result


def connect_out(topology: Topology, step: dict) -> list[str]:
    """The firewall opens a connection to a scripted server, exchanges data and aborts."""
    peer = Peer(topology, step["source_port"], step["port"])
    with tcp_socket(port=step["source_port"]) as client:
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
    with tcp_socket(port=step["port"]) as listener:
        results.append(outcome(lambda: listener.listen(8)))
        topology.send(link, ipv4(step["from"], step["to"], TCP, tcp(
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
    with tcp_socket(port=step["port"]) as listener, \
            tcp_socket(port=step["source_port"]) as client:
        results = [outcome(lambda: listener.listen(8)),
                   outcome(lambda: client.connect((step["to"], step["port"])))]
        topology.synchronise()
        results.append(outcome(lambda: client.send(b"request")))
        topology.synchronise()
        results += serve(listener, Peer(topology, 0, 0))
    topology.synchronise()
    return results


