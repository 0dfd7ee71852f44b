#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Devices come, are renamed, move to another namespace and back, and go, flooded from their first
moment to their last with packets that the rules refuse: none passes, and the daemon keeps nothing.
"""

import fcntl
import os
import signal
import socket
import struct
import time
import unittest

from firewall import Daemon, Filter
from network import Namespace, Row, die_with_parent, wait_until
from on_devices import OnDevices
from packets import UDP, ethernet, udp
from packets_ipv6 import ip_packet

REFUSED, ALLOWED = 4711, 4712
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
CYCLES, WARM = 18, 6
DOWNS = 40
TOGETHER = 12  # devices that come at once
GROWTH = 1024  # KiB that the daemon may grow in the cycles after the first
BURST, PAUSE = 32, 0.0002  # seconds
MAC, PEER_MAC = "02:00:00:00:07:01", "02:00:00:00:07:02"
# The firewall's own, which its devices need no address for, and one behind it.
DESTINATIONS = {4: ("172.31.255.1", "10.2.0.2"), 6: ("2001:db8:ffff::1", "2001:db8:2::2")}
SOURCE = {4: "10.7.0.2", 6: "2001:db8:7::2"}
FAMILIES = (4, 6)


def frame(family: int, destination: str, port: int, payload: bytes = b"") -> bytes:
    packet = ip_packet(SOURCE[family], destination, UDP,
                       udp(SOURCE[family], destination, 1, port, payload=payload))
    addresses = bytes.fromhex((MAC + PEER_MAC).replace(":", ""))
    return ethernet(addresses[:6], addresses[6:], 0x0800 if family == 4 else 0x86dd, packet)


FORBIDDEN = [frame(family, destination, REFUSED) for family in FAMILIES
             for destination in DESTINATIONS[family]]


def open_device(name: str) -> socket.socket | None:
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        fcntl.ioctl(sender, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), IFF_UP))
        sender.bind((name, 0))
        return sender
    except OSError:
        sender.close()
        return None


def flood() -> None:
    """At each device of this namespace, which is set up first."""
    senders: dict[str, socket.socket] = {}
    while True:
        for name in {name for _, name in socket.if_nameindex()} - set(senders) - {"lo"}:
            if sender := open_device(name):
                senders[name] = sender
        for name, sender in list(senders.items()):
            try:
                for _ in range(BURST):
                    for each in FORBIDDEN:
                        sender.send(each)
            except OSError:
                # It is down, or gone; another one may have the name.
                senders.pop(name).close()
        time.sleep(PAUSE)


class ChurnTest(OnDevices, unittest.TestCase):
    def setUp(self) -> None:
        self.row = Row()
        self.addCleanup(self.row.close)
        self.row.silence()
        self.outside, self.elsewhere = Namespace(), Namespace()
        for place in self.outside, self.elsewhere:
            self.addCleanup(place.close)
        self.firewall = self.row.firewall
        self.firewall.sysctl(ipv4__conf__default__rp_filter=0, ipv4__conf__all__rp_filter=0,
                             ipv6__conf__default__accept_dad=0)
        self.outside.sysctl(ipv6__conf__default__disable_ipv6=1)
        self.firewall.ip(f"addr add {DESTINATIONS[4][0]}/32 dev lo",
                         f"addr add {DESTINATIONS[6][0]}/128 dev lo")
        self.server = self.row.server.packet_socket("s0", receive=True)
        self.addCleanup(self.server.close)
        self.server.setblocking(False)
        self.sockets = {port: self.firewall.inside(lambda port=port: self.bound(port))
                        for port in (REFUSED, ALLOWED)}
        self.number = 0

    def bound(self, port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        made.bind(("::", port))
        made.setblocking(False)
        return made

    def start_flood(self) -> None:
        child = os.fork()
        if child == 0:
            die_with_parent()
            self.outside.inside(flood)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, signal.SIGKILL)

    @staticmethod
    def received(from_socket: socket.socket) -> list[bytes]:
        result = []
        try:
            while True:
                result.append(from_socket.recv(65536))
        except BlockingIOError:
            return result

    def create(self, name: str) -> None:
        """Up at once; its peer, which has the same name, is set up by who floods it."""
        self.firewall.ip(f"link add {name} address {MAC} type veth "
                         f"peer name {name} address {PEER_MAC} netns {self.outside.pid}",
                         f"link set {name} up")

    def check_passes(self, peer: str) -> None:
        """What is allowed comes through."""
        for family in FAMILIES:
            self.number += 1
            mark = b"%d" % self.number
            packet = frame(family, DESTINATIONS[family][0], ALLOWED, mark)
            with self.outside.packet_socket(peer) as sender:
                def arrives() -> bool:
                    try:
                        sender.send(packet)
                    except OSError:
                        return False  # it is not up yet
                    return mark in self.received(self.sockets[ALLOWED])
                wait_until(arrives, f"an IPv{family} packet comes through {peer}")

    def refused(self) -> dict[str, int]:
        return {f"{family} {rule}": packets for family in FAMILIES
                for rule, (packets, _) in self.filter.counters(family).items() if "-p udp" in rule}

    def check_none_has_passed(self) -> None:
        self.assertEqual(self.received(self.sockets[REFUSED]), [])
        for each in self.received(self.server):
            port = each[36:38] if each[12:14] == b"\x08\x00" else each[56:58]
            self.assertNotEqual(port, REFUSED.to_bytes(2, "big"))

    def cycle(self, number: int) -> None:
        name = f"f{number}"
        self.create(name)
        before = self.refused()
        self.check_passes(name)
        if number % 3 == 1:
            self.firewall.ip(f"link set {name} down", f"link set {name} name g{number}",
                             f"link set g{number} up")
            self.check_passes(name)
        if number % 3 == 2:
            self.firewall.ip(f"link set {name} netns {self.elsewhere.pid}")
            wait_until(lambda: "prog/xdp" not in self.elsewhere.output(
                "ip", "-details", "link", "show", name), "the device is without our program")
            self.elsewhere.ip(f"link set {name} netns {self.firewall.pid}")
            self.firewall.ip(f"link set {name} up")
            self.check_passes(name)
        wait_until(lambda: all(count > before[rule] for rule, count in self.refused().items()),
                   f"the flood of {name} is refused everywhere")
        self.outside.ip(f"link delete {name}")

    def check_down_and_up(self) -> None:
        """A veth that goes down lets packets pass by its XDP program."""
        self.create("shut")
        self.check_passes("shut")
        for _ in range(DOWNS):
            self.firewall.ip("link set shut down", "link set shut up")
        self.check_passes("shut")
        self.outside.ip("link delete shut")

    def check_together(self) -> None:
        names = [f"many{number}" for number in range(TOGETHER)]
        for name in names:
            self.create(name)
        for name in names[:3]:
            self.check_passes(name)
        self.outside.ip(*(f"link delete {name}" for name in names))

    def check(self, hook: str) -> None:
        daemon = Daemon(self.firewall, "--hook", hook)
        self.addCleanup(daemon.close)
        self.filter = Filter(self.firewall, ours=True)
        for family in FAMILIES:
            self.filter.rules(family, *(f"-A {chain} -p udp --dport {REFUSED} -j DROP"
                                        for chain in ("INPUT", "FORWARD")))
        objects = {kind: daemon.objects(kind) for kind in ("link", "prog", "map")}
        descriptors = daemon.descriptors()
        self.start_flood()
        for number in range(CYCLES):
            if number == WARM:
                self.check_together()
                memory = daemon.memory()
            self.cycle(number)
        self.check_together()
        self.check_down_and_up()
        self.check_none_has_passed()
        for kind, numbers in objects.items():
            wait_until(lambda: daemon.objects(kind) == numbers, f"no {kind} is left")
        wait_until(lambda: daemon.descriptors() == descriptors, "no descriptor is left")
        self.assertLess(daemon.memory(), memory + GROWTH)
        self.assertEqual(daemon.stop(), "")


if __name__ == "__main__":
    unittest.main()
