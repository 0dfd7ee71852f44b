#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Addresses, local routes and forwarding change under a flood of packets that the rules refuse
wherever they go: none of them passes, and each is in the chain that it belongs to from the moment
on in which the command has returned.
"""

import os
import signal
import socket
import time
import unittest

from firewall import Daemon, Filter
from network import Row, die_with_parent, wait_until
from on_devices import OnDevices
from packets import UDP, ethernet, udp
from packets_ipv6 import ip_packet

FLOODED, PROBED, ALLOWED = 4711, 4712, 4713
PROBES = 20
BURST, PAUSE = 16, 0.0001  # seconds: the queue of a veth is short
SOURCE = {4: "10.1.0.2", 6: "2001:db8:1::2"}
OWN = {4: "10.1.0.1", 6: "2001:db8:1::1"}
# They come and go; while they are not the firewall's they are beyond it.
SECONDARY = {4: "10.2.0.50", 6: "2001:db8:2::50"}
IN_NET = {4: "172.20.7.7", 6: "2001:db8:20::7"}
NETS = {4: "172.20.0.0/16", 6: "2001:db8:20::/48"}
BEYOND = {4: "10.2.0.2", 6: "2001:db8:2::2"}
FAMILIES = (4, 6)
LENGTHS = {4: 32, 6: 128}

RULES = [f"-A {chain} -p udp -m udp --dport {port} -j DROP"
         for chain in ("INPUT", "FORWARD") for port in (FLOODED, PROBED)]


def frame(family: int, destination: str, port: int, number: int = 0) -> bytes:
    source = SOURCE[family]
    packet = ip_packet(source, destination, UDP,
                       udp(source, destination, 1, port, payload=b"%8d" % number))
    addresses = bytes.fromhex((Row.MACS["west"] + Row.MACS["c0"]).replace(":", ""))
    return ethernet(addresses[:6], addresses[6:], 0x0800 if family == 4 else 0x86dd, packet)


class AddressesTest(OnDevices, unittest.TestCase):
    def setUp(self) -> None:
        self.row = Row()
        self.addCleanup(self.row.close)
        self.row.silence()
        firewall = self.row.firewall
        mac = Row.MACS["s0"]
        firewall.ip("link set lo up", *(
            f"neighbour replace {address} lladdr {mac} dev east" for address in SECONDARY.values()),
            f"route add 172.16.0.0/12 via {BEYOND[4]}",
            f"-6 route add 2001:db8:20::/44 via {BEYOND[6]}")
        self.sender = self.row.client.packet_socket("c0")
        self.addCleanup(self.sender.close)
        self.server = self.row.server.packet_socket("s0", receive=True)
        self.addCleanup(self.server.close)
        self.server.setblocking(False)
        self.sockets = {port: firewall.inside(lambda port=port: self.bound(port))
                        for port in (FLOODED, PROBED, ALLOWED)}
        self.number = 0
        self.forwarded: list[bytes] = []

    def bound(self, port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        made.bind(("::", port))
        made.setblocking(False)
        return made

    def start_flood(self) -> None:
        frames = [frame(family, address[family], FLOODED) for address in (SECONDARY, IN_NET, BEYOND)
                  for family in FAMILIES]
        child = os.fork()
        if child == 0:
            die_with_parent()
            while True:
                for _ in range(BURST):
                    for each in frames:
                        self.sender.send(each)
                time.sleep(PAUSE)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, signal.SIGKILL)

    def arrives(self, family: int, destination: str) -> str:
        """Where an allowed packet comes out that is sent again and again: "here" or "beyond"."""
        self.number += 1
        mark = b"%8d" % self.number
        places: list[str] = []

        def has_arrived() -> bool:
            self.sender.send(frame(family, destination, ALLOWED, self.number))
            here, beyond = self.received(self.sockets[ALLOWED]), self.received(self.server)
            self.forwarded += beyond
            places.extend(["here"] * any(each[-8:] == mark for each in here) +
                          ["beyond"] * any(each[-8:] == mark for each in beyond))
            return bool(places)

        wait_until(has_arrived, f"a packet to {destination} arrives")
        return places[0]

    @staticmethod
    def received(from_socket: socket.socket) -> list[bytes]:
        result = []
        try:
            while True:
                result.append(from_socket.recv(65536))
        except BlockingIOError:
            return result

    def probe(self, family: int, destination: str) -> dict[str, int]:
        """How many of the packets that are sent from now on each chain counts."""
        before = self.counted(family)
        for _ in range(PROBES):
            self.sender.send(frame(family, destination, PROBED))
        # What comes behind them has to come in first.
        self.assertEqual(self.arrives(family, OWN[family]), "here")
        now = self.counted(family)
        return {chain: now[chain] - before[chain] for chain in now}

    def counted(self, family: int, port: int = PROBED) -> dict[str, int]:
        counters = self.filter.counters(family)
        return {chain: counters[f"-A {chain} -p udp -m udp --dport {port} -j DROP"][0]
                for chain in ("INPUT", "FORWARD")}

    def expect(self, family: int, destination: str, chain: str) -> None:
        counts = self.probe(family, destination)
        self.assertGreater(counts.pop(chain), 0, f"{destination} in {chain}")
        self.assertEqual(set(counts.values()), {0}, f"{destination} only in {chain}")
        self.assertEqual(self.arrives(family, destination),
                         "here" if chain == "INPUT" else "beyond")

    def change(self, line: str) -> None:
        self.row.firewall.ip(line)
        words = line.split()
        if words[0] != "-6":
            return
        address = words[3].split("/")[0] if words[1] == "addr" else words[4].split("/")[0]
        # IPv6 makes and removes its routes later, in a queue.
        wait_until(lambda: bool(self.row.firewall.output(
            "ip", "-6", "route", "show", "table", "local", "match", address).strip())
            == (words[2] == "add"), f"this is in force: {line}")

    def check(self, hook: str) -> None:
        daemon = Daemon(self.row.firewall, "--hook", hook)
        self.addCleanup(daemon.close)
        self.filter = Filter(self.row.firewall, ours=True)
        for family in FAMILIES:
            self.filter.rules(family, *RULES)
        self.start_flood()
        for _ in range(12):
            self.check_addresses()
        for _ in range(4):
            self.check_local_nets()
            self.check_forwarding()
        self.check_the_moment()
        for family in FAMILIES:
            for chain, count in self.counted(family, FLOODED).items():
                self.assertGreater(count, 100, chain)
        for port in FLOODED, PROBED:
            self.assertEqual(self.received(self.sockets[port]), [])
        refused = [port.to_bytes(2, "big") for port in (FLOODED, PROBED)]
        for each in self.forwarded + self.received(self.server):
            self.assertNotIn(each[36:38] if each[12:14] == b"\x08\x00" else each[56:58], refused)
        self.assertEqual(daemon.stop(), "")

    def check_addresses(self) -> None:
        for what, chain in ("add", "INPUT"), ("del", "FORWARD"):
            for family in FAMILIES:
                self.change(f"-{family} addr {what} {SECONDARY[family]}/{LENGTHS[family]} dev lo")
                self.expect(family, SECONDARY[family], chain)

    def check_local_nets(self) -> None:
        for what, chain in ("add", "INPUT"), ("del", "FORWARD"):
            for family in FAMILIES:
                self.change(f"-{family} route {what} local {NETS[family]} dev lo")
                self.expect(family, IN_NET[family], chain)

    def check_forwarding(self) -> None:
        self.row.firewall.sysctl(ipv4__ip_forward=0, ipv6__conf__all__forwarding=0)
        for family in FAMILIES:
            self.wait_for_nothing(family, BEYOND[family])
            self.expect(family, OWN[family], "INPUT")
        self.row.firewall.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        for family in FAMILIES:
            self.expect(family, BEYOND[family], "FORWARD")

    def wait_for_nothing(self, family: int, destination: str) -> None:
        """Until the daemon knows for certain a packet is judged as one for here."""
        wait_until(lambda: self.probe(family, destination) == {"INPUT": 0, "FORWARD": 0},
                   "the kernel is left to drop what is for nobody")

    def check_the_moment(self) -> None:
        """What was left to the kernel to drop is on its way when the address appears."""
        self.row.firewall.sysctl(ipv4__ip_forward=0, ipv6__conf__all__forwarding=0)
        for _ in range(40):
            for family in FAMILIES:
                self.wait_for_nothing(family, SECONDARY[family])
                address = f"{SECONDARY[family]}/{LENGTHS[family]}"
                self.change(f"-{family} addr add {address} dev lo")
                self.change(f"-{family} addr del {address} dev lo")


if __name__ == "__main__":
    unittest.main()
