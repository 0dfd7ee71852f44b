#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Ten times as many forged packets as the tables have room for: no connection is lost, and others can
still be made. The seed is printed; BPF_IPTABLES_SEED gives one.
"""

import ipaddress
import os
import random
import unittest

from connection import CLIENT, FIREWALL, PORT, SERVER, Peers
from firewall import Daemon, Filter
from network import Row
from on_devices import OnDevices
from packets import ACK, SYN, TCP, ethernet, tcp
from packets_ipv6 import ip_packet

CONNECTIONS, HALF_OPEN = 500, 250
FLOOD = 10 * (CONNECTIONS + HALF_OPEN)  # for each family
BATCH = 50
CLOSED_PORT = 7005
FORGED = {4: ipaddress.ip_network("11.0.0.0/8"), 6: ipaddress.ip_network("2001:db8:f000::/36")}


def rules(family: int) -> list[str]:
    """What concerns the client is counted apart."""
    client = CLIENT[family]
    lines = []
    for chain in "INPUT", "FORWARD":
        lines += [f"-A {chain} -m conntrack --ctstate ESTABLISHED -j ACCEPT",
                  f"-A {chain} -s {client} -m conntrack --ctstate INVALID",
                  f"-A {chain} -d {client} -m conntrack --ctstate INVALID",
                  f"-A {chain} -d {client} -m conntrack --ctstate NEW",
                  f"-A {chain} -s {client} -p tcp ! --syn -m conntrack --ctstate NEW",
                  f"-A {chain} -s {client} -p tcp --syn -m conntrack --ctstate NEW -j ACCEPT",
                  f"-A {chain} -p tcp --dport {PORT}:{CLOSED_PORT} "
                  "-m conntrack --ctstate NEW -j ACCEPT"]
    return lines


class FloodTest(OnDevices, unittest.TestCase):
    def setUp(self) -> None:
        seed = int(os.environ.get("BPF_IPTABLES_SEED", random.randrange(1 << 32)))
        print(f"seed {seed}", flush=True)
        self.random = random.Random(seed)
        self.row = Row()
        self.addCleanup(self.row.close)
        self.row.give_addresses()
        # Answers to forged addresses go the way back.
        self.row.firewall.ip("route add default via 10.1.0.2",
                             "-6 route add default via 2001:db8:1::2")
        self.attacker = self.row.client.packet_socket("c0")
        self.addCleanup(self.attacker.close)
        self.peers = Peers(self.row)
        self.addCleanup(self.peers.close)

    def forge(self, family: int) -> bytes:
        """A SYN that is answered or refused, or what seems to be the middle of a connection."""
        network = FORGED[family]
        source = str(network[self.random.randrange(network.num_addresses)])
        destination = self.random.choice((SERVER, FIREWALL))[family]
        segment = tcp(source, destination, self.random.randrange(1024, 65536),
                      self.random.choice((PORT, PORT, CLOSED_PORT)),
                      flags=self.random.choice((SYN,) * 7 + (ACK,)),
                      sequence=self.random.getrandbits(32))
        addresses = bytes.fromhex((Row.MACS["west"] + Row.MACS["c0"]).replace(":", ""))
        return ethernet(addresses[:6], addresses[6:], 0x0800 if family == 4 else 0x86dd,
                        ip_packet(source, destination, TCP, segment))

    def flood(self) -> None:
        """While everybody talks, and some make new connections."""
        talking = 0
        for number in range(FLOOD // BATCH):
            for family in (4, 6):
                for _ in range(BATCH):
                    self.attacker.send(self.forge(family))
            for _ in range(10):
                talking = (talking + 1) % len(self.peers.connections)
                self.peers.connections[talking].exchange()
            if number % 10 == 0:
                for connection in self.peers.everywhere():
                    connection.exchange()

    def check(self, hook: str) -> None:
        daemon = Daemon(self.row.firewall, "--hook", hook, "--connections", str(CONNECTIONS),
                        "--half-open", str(HALF_OPEN))
        self.addCleanup(daemon.close)
        rule = Filter(self.row.firewall, ours=True)
        for family in (4, 6):
            rule.rules(family, *rules(family), policy="DROP")
        for _ in range(20):
            for connection in self.peers.everywhere():
                connection.exchange()
        self.flood()
        for connection in self.peers.connections:
            connection.exchange()
        for connection in self.peers.everywhere():
            connection.exchange()
        for family in (4, 6):
            self.check_counters(rule, family)
        self.assertEqual(daemon.stop(), "")

    def check_counters(self, rule: Filter, family: int) -> None:
        accepted = 0
        for chain in "INPUT", "FORWARD":
            for text, (packets, _) in rule.counters(family).items():
                if not text.startswith(f"-A {chain} "):
                    continue
                if "dport" in text:
                    accepted += packets
                elif "--tcp-flags" in text and "!" not in text:
                    self.assertEqual(packets, len(self.peers.connections) // 4, text)
                elif "ESTABLISHED" not in text:
                    self.assertEqual(packets, 0, text)
        self.assertEqual(accepted, FLOOD)


if __name__ == "__main__":
    unittest.main()
