#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The chain selector against the kernel: iptables-legacy counts, in INPUT and for each way out in
FORWARD, where each packet really goes; the selector has to have said so before.

Each packet is a UDP datagram whose source port is its number. Random parts print their seed, which
BPF_IPTABLES_SEED sets.
"""

import fcntl
import ipaddress
import os
import random
import re
import signal
import struct
import unittest
from dataclasses import dataclass, field

from driver import Driver
from network import Namespace, wait_until

PORT = 4711
ROUNDS = int(os.environ.get("BPF_IPTABLES_ROUNDS", "6"))
BROADCAST = b"\xff" * 6
LINK_GROUP = bytes.fromhex("0180c200000e")
STRANGER = bytes.fromhex("021122334455")
SENTINEL = "172.31.255.1"  # an address of lo
SENTINEL_IPV6 = "2001:db8:ffff::1"
FORWARDED_TO = ("a0", "b0", "c0", "br0", "tun0")


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


@dataclass
class Packet:
    device: str  # where it comes in
    source: str
    destination: str
    hop_limit: int = 64
    mac: bytes | None = None  # None: that of the device
    tos: int = 0
    comment: str = ""
    refused_source: bool = False  # the kernel drops it for its source, which we do not look at
    may_be_unknown: bool = False
    number: int = field(default=0, compare=False)

    @property
    def version(self) -> int:
        return 6 if ":" in self.destination else 4

    def datagram(self) -> bytes:
        udp = struct.pack("!HHHH", self.number, PORT, 12, 0) + b"test"
        source = ipaddress.ip_address(self.source).packed
        destination = ipaddress.ip_address(self.destination).packed
        if self.version == 6:
            return struct.pack("!IHBB", 6 << 28 | self.tos << 20, len(udp), 17,
                               self.hop_limit) + source + destination + udp
        head = struct.pack("!BBHHHBBH", 0x45, self.tos, 20 + len(udp), self.number, 0,
                           self.hop_limit, 17, 0) + source + destination
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp

    def __str__(self) -> str:
        mac = "" if self.mac is None else f", to MAC {self.mac.hex(':')}"
        return (f"{self.source} > {self.destination} at {self.device}, hop limit {self.hop_limit},"
                f" tos {self.tos:#x}{mac} {self.comment}")


class Kernel:
    """Where iptables sees the packets."""

    def __init__(self, namespace: Namespace, numbers: range):
        self.namespace = namespace
        lines = ["*filter"]
        chains = ["INPUT"] + [f"OUT_{device}" for device in FORWARDED_TO]
        lines += [f":{chain} {'ACCEPT' if chain == 'INPUT' else '-'}" for chain in chains]
        lines += [":FORWARD ACCEPT"]
        lines += [f"-A FORWARD -o {device} -j OUT_{device}" for device in FORWARDED_TO]
        lines += [f"-A {chain} -p udp --sport {number} --dport {PORT}"
                  for chain in chains for number in numbers]
        lines += ["COMMIT", ""]
        for command in "iptables", "ip6tables":
            namespace.output(f"{command}-legacy-restore", text="\n".join(lines))

    def seen(self) -> dict[int, list[str]]:
        places: dict[int, list[str]] = {}
        for command in "iptables", "ip6tables":
            text = self.namespace.output(f"{command}-legacy-save", "-c", "-t", "filter")
            for count, chain, number in re.findall(
                    r"^\[(\d+):\d+\] -A (\S+) -p udp -m udp --sport (\d+) ", text, re.MULTILINE):
                places.setdefault(int(number), []).extend([chain] * int(count))
        return places


class SelectorTest(unittest.TestCase):
    modes = ("xdp", "tc")

    def setUp(self) -> None:
        self.inside = self.namespace()
        self.peers = self.namespace()
        self.next_number = 1
        self.drivers: list[Driver] = []
        self.addCleanup(self.close_drivers)
        self.senders: dict[str, object] = {}
        self.set_up_devices()

    def namespace(self) -> Namespace:
        namespace = Namespace()
        self.addCleanup(namespace.close)
        return namespace

    def close_drivers(self) -> None:
        for sender in self.senders.values():
            sender.close()
        for driver in self.drivers:
            driver.kill()

    def set_up_devices(self) -> None:
        """Links a0 to c0, and p0 in the bridge br0. Peers have no addresses, and stay silent."""
        self.peers.sysctl(ipv6__conf__default__disable_ipv6=1, ipv4__conf__all__arp_ignore=8)
        self.inside.sysctl(
            ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0,
            ipv4__conf__default__accept_local=0, ipv6__conf__default__accept_dad=0,
            ipv6__conf__default__router_solicitations=0, ipv6__conf__default__accept_ra=0)
        for name in "a0", "b0", "c0", "p0":
            self.inside.ip(f"link add {name} type veth peer name {name} netns {self.peers.pid}",
                           f"link set {name} up")
            self.peers.ip(f"link set {name} up")
            self.senders[name] = self.peers.packet_socket(name)
        self.inside.ip(
            "link add br0 type bridge", "link set p0 master br0", "link set br0 up",
            "address add 10.1.0.1/16 broadcast 10.1.255.255 dev a0",
            "address add 10.1.0.2/16 dev a0", "address add 10.2.0.1/24 brd + dev b0",
            "address add 10.3.0.1/24 brd + dev c0", "address add 10.4.0.1/24 brd + dev br0",
            f"address add {SENTINEL}/32 dev lo", f"address add {SENTINEL_IPV6}/128 dev lo",
            "address add 2001:db8:1::1/64 dev a0 nodad", "address add 2001:db8:2::1/64 dev b0 nodad",
            "address add 2001:db8:3::1/64 dev c0 nodad", "address add 2001:db8:4::1/64 dev br0 nodad",
            "route add 192.168.0.0/16 via 10.2.0.2", "route add default via 10.3.0.2",
            "route add 2001:db8:aa::/48 via 2001:db8:2::2", "route add default via 2001:db8:3::2")
        self.macs = {name: self.inside.mac(name) for name in ("a0", "b0", "c0", "p0", "br0")}
        # Whatever is forwarded finds its neighbour at once.
        self.inside.ip(*(f"neighbour replace {address} lladdr 02:00:00:00:00:09 dev {device}"
                         for device, number in (("b0", 2), ("c0", 3))
                         for address in (f"10.{number}.0.2", f"2001:db8:{number}::2")))

    def forwarding(self, ipv4: int, ipv6: int) -> None:
        self.inside.sysctl(ipv4__ip_forward=ipv4, ipv6__conf__all__forwarding=ipv6)

    def driver(self, mode: str) -> Driver:
        driver = Driver(self.inside, mode)
        self.drivers.append(driver)
        driver.ask("fresh")
        return driver

    def number(self, packets: list[Packet]) -> range:
        first = self.next_number
        for packet in packets:
            packet.number = self.next_number
            self.next_number += 1
        return range(first, self.next_number)

    def send(self, packet: Packet) -> None:
        mac = self.macs[packet.device] if packet.mac is None else packet.mac
        ethertype = 0x86dd if packet.version == 6 else 0x0800
        header = mac + STRANGER + struct.pack("!H", ethertype) if mac else b""
        self.senders[packet.device].send(header + packet.datagram())

    def sentinels(self) -> list[Packet]:
        """Each device hands on its packets in order: what was sent before these has arrived."""
        mac = self.macs["br0"]
        packets = [Packet(device, "203.0.113.7", SENTINEL) for device in ("a0", "b0", "c0")]
        packets += [Packet("p0", "203.0.113.7", SENTINEL, mac=mac)]
        return packets

    def compare(self, driver: Driver, packets: list[Packet],
                allowed: tuple[tuple[str, str], ...] = ()) -> list[str]:
        """Sends all of them; returns what is wrong."""
        sentinels = self.sentinels()
        numbers = self.number(packets + sentinels)
        kernel = Kernel(self.inside, numbers)
        for packet in packets + sentinels:
            self.send(packet)
        last = [packet.number for packet in sentinels]
        wait_until(lambda: all(kernel.seen().get(number) == ["INPUT"] for number in last),
                   "the last packets are in INPUT")
        results = driver.results(numbers.start, numbers.stop - 1)
        places = kernel.seen()
        wrong = []
        for packet in packets:
            result = results[packet.number]
            expected = places.get(packet.number, [])
            said = {"none": [], "input": ["INPUT"], "forward": [f"OUT_{result.out}"],
                    "unknown": ["unknown"]}[result.selection]
            if packet.refused_source and expected == []:
                continue
            if packet.may_be_unknown and result.selection == "unknown":
                continue
            if said != expected and (result.selection, " ".join(expected)) not in allowed:
                wrong.append(f"{packet}: iptables: {expected}, selector: {result}")
        return wrong

    def check(self, packets: list[Packet], **options: object) -> None:
        for mode in self.modes:
            with self.subTest(mode):
                driver = self.driver(mode)
                wrong = self.compare(driver, packets, **options)
                driver.kill()
                self.drivers.remove(driver)
                self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def usual(self) -> list[Packet]:
        destinations = (
            "10.1.0.1 10.1.0.2 10.2.0.1 10.4.0.1 10.1.255.255 10.1.0.0 10.2.0.255 10.2.0.0 10.3.0.255"
            " 255.255.255.255 0.0.0.0 0.1.2.3 127.0.0.1 127.1.2.3 172.31.255.1 10.1.7.7 10.2.0.7"
            " 192.168.5.5 172.16.0.1 8.8.8.8 224.0.0.1 224.0.0.5 239.1.2.3 240.0.0.1")
        packets = [Packet("a0", "10.1.0.99", destination) for destination in destinations.split()]
        packets += [Packet("c0", "10.3.0.99", destination) for destination in destinations.split()]
        packets += [Packet("a0", source, destination, refused_source=source == "127.0.0.1")
                    for source in ("0.0.0.0", "0.0.0.9", "127.0.0.1", "224.0.0.9", "255.255.255.255")
                    for destination in ("10.1.0.1", "192.168.5.5", "255.255.255.255", "0.0.0.0")]
        for mac in BROADCAST, STRANGER, LINK_GROUP, bytes.fromhex("01005e000001"):
            packets += [Packet("a0", "10.1.0.99", destination, mac=mac)
                        for destination in ("10.1.0.1", "192.168.5.5", "10.1.255.255", "224.0.0.1")]
        packets += [Packet("a0", "10.1.0.99", destination, hop_limit=limit)
                    for destination in ("10.1.0.1", "192.168.5.5") for limit in (0, 1, 2)]
        return packets

    def usual_ipv6(self) -> list[Packet]:
        own = self.link_local("a0")
        other = self.link_local("b0")
        destinations = [
            "2001:db8:1::1", "2001:db8:2::1", "2001:db8:4::1", "2001:db8:1::", "2001:db8:2::",
            "2001:db8:ffff::1", "2001:db8:1::77", "2001:db8:2::77", "2001:db8:aa::1", "2a00::1",
            own, other, "fe80::77", "fe80::", "::1", "::", "::ffff:10.1.0.1", "ff02::1", "ff02::2",
            "ff02::5", "ff01::1", "ff00::1", "ff05::2", "ff0e::1234",
            "ff02::1:ff00:1", "ff02::1:ff77:7777"]
        packets = [Packet("a0", "2001:db8:1::99", destination) for destination in destinations]
        packets += [Packet("a0", source, destination)
                    for source in ("fe80::99", "::", "::1", "ff02::9")
                    for destination in ("2001:db8:1::1", own, "2001:db8:aa::1", "2001:db8:1::77",
                                        "fe80::77", "ff02::1", "2a00::1")]
        packets += [Packet("c0", "fe80::99", "2a00::1", comment="(back where it came from)")]
        for mac in BROADCAST, STRANGER, LINK_GROUP, bytes.fromhex("333300000001"):
            packets += [Packet("a0", "2001:db8:1::99", destination, mac=mac)
                        for destination in ("2001:db8:1::1", "2001:db8:aa::1", "ff02::1")]
        packets += [Packet("a0", "2001:db8:1::99", destination, hop_limit=limit)
                    for destination in ("2001:db8:1::1", "2001:db8:aa::1") for limit in (0, 1, 2)]
        return packets

    def link_local(self, device: str) -> str:
        text = self.inside.output("ip", "-6", "address", "show", "dev", device, "scope", "link")
        return re.search(r"inet6 (fe80[^/]*)/", text).group(1)

    def test_usual_packets(self) -> None:
        for forwarding in 0, 1:
            with self.subTest(forwarding=forwarding):
                self.forwarding(forwarding, forwarding)
                self.check(self.usual() + self.usual_ipv6())

    def test_routed_back_to_the_same_link(self) -> None:
        self.forwarding(1, 1)
        self.inside.ip("route add 10.50.0.0/16 via 10.1.0.9 dev a0",
                       "route add 2001:db8:50::/48 via 2001:db8:1::9 dev a0")
        self.inside.ip("neighbour replace 10.1.0.9 lladdr 02:00:00:00:00:09 dev a0",
                       "neighbour replace 2001:db8:1::9 lladdr 02:00:00:00:00:09 dev a0")
        self.check([Packet("a0", "10.1.0.99", "10.50.0.1"),
                    Packet("a0", "2001:db8:1::99", "2001:db8:50::1"),
                    Packet("a0", "fe80::99", "2001:db8:50::1"),
                    Packet("a0", "::", "2001:db8:50::1"),
                    Packet("a0", "2001:db8:1::99", "fe80::77"),
                    Packet("a0", "fe80::99", "fe80::77")])

    def test_bridge_and_its_port(self) -> None:
        """The port's packets are the bridge's, but for those that a bridge leaves with the port."""
        self.forwarding(1, 1)
        bridge, port = self.macs["br0"], self.macs["p0"]
        macs = (bridge, port, BROADCAST, STRANGER, LINK_GROUP)
        destinations = "10.4.0.1 10.1.0.1 192.168.5.5 2001:db8:4::1 2001:db8:aa::1 ff02::1".split()
        packets = [Packet("p0", "2001:db8:4::99" if ":" in destination else "10.4.0.99",
                          destination, mac=mac, comment="(port of br0)")
                   for mac in macs for destination in destinations]
        self.check(packets)

    def test_device_without_ethernet_header(self) -> None:
        self.forwarding(1, 1)
        self.add_tun()
        self.check([Packet("tun0", "10.9.0.2", destination, mac=b"")
                    for destination in ("10.9.0.1", "10.1.0.1", "192.168.5.5", "127.0.0.1")] +
                   [Packet("a0", "10.1.0.99", "10.9.0.7")] +
                   [Packet("tun0", "2001:db8:9::2", destination, mac=b"")
                    for destination in ("2001:db8:9::1", "2001:db8:aa::1", "ff02::1")])

    def add_tun(self) -> None:
        TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000

        def make() -> object:
            tun = open("/dev/net/tun", "r+b", buffering=0)
            fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
            return tun

        class Sender:
            def __init__(self, tun: object):
                self.tun = tun

            def send(self, frame: bytes) -> None:
                self.tun.write(frame)

            def close(self) -> None:
                self.tun.close()

        self.senders["tun0"] = Sender(self.inside.inside(make))
        self.inside.ip("link set tun0 up", "address add 10.9.0.1/24 dev tun0",
                       "address add 2001:db8:9::1/64 dev tun0 nodad")

    def test_local_networks(self) -> None:
        """`ip route add local`, in the kernel's own table and in others."""
        self.forwarding(1, 1)
        self.inside.ip("route add local 172.20.0.0/16 dev lo", "route add local 172.21.0.1 dev lo",
                       "route add local 192.168.7.0/24 dev lo table main",
                       "route add local 192.168.8.1 dev lo table 77",
                       "-6 route add local 2001:db8:20::/48 dev lo",
                       "-6 route add local 2001:db8:aa:7::/64 dev lo table main",
                       "-6 route add local 2001:db8:aa:8::1 dev lo table 77")
        self.check([Packet("a0", "10.1.0.99", destination) for destination in
                    ("172.20.1.1", "172.21.0.1", "172.21.0.2", "192.168.7.1",
                     "192.168.8.1", "192.168.9.1")] +
                   [Packet("a0", "2001:db8:1::99", destination) for destination in
                    ("2001:db8:20::5", "2001:db8:aa:7::1", "2001:db8:aa:8::1", "2001:db8:aa:9::1")])

    def test_joined_groups(self) -> None:
        self.inside.ip("address add 239.1.2.3/32 dev a0 autojoin",
                       "address add ff0e::1234/128 dev a0 autojoin")
        self.check([Packet(device, source, destination)
                    for device, source, destination in (
                        ("a0", "10.1.0.99", "239.1.2.3"), ("b0", "10.2.0.99", "239.1.2.3"),
                        ("a0", "2001:db8:1::99", "ff0e::1234"),
                        ("b0", "2001:db8:2::99", "ff0e::1234"))])

    def test_route_localnet(self) -> None:
        self.inside.sysctl(ipv4__conf__a0__route_localnet=1)
        self.check([Packet("a0", "10.1.0.99", "127.0.0.1"), Packet("b0", "10.2.0.99", "127.0.0.1")])

    def test_forwarding_of_single_devices(self) -> None:
        self.inside.sysctl(ipv4__conf__a0__forwarding=1, ipv6__conf__a0__forwarding=1)
        packets = [Packet(device, source, destination)
                   for device, net in (("a0", 1), ("b0", 2))
                   for source, destination in (
                       (f"10.{net}.0.99", "192.168.5.5"), (f"10.{net}.0.99", "10.1.0.1"),
                       (f"2001:db8:{net}::99", "2001:db8:aa::1"),
                       (f"2001:db8:{net}::99", "2001:db8:1::1"))]
        self.check(packets)
        self.inside.sysctl(ipv6__conf__all__forwarding=1, ipv6__conf__a0__forwarding=0)
        # The kernel forwards all the same, and nothing says whereto.
        self.check(packets, allowed=(("unknown", "OUT_b0"),))

    def test_policy_routing(self) -> None:
        self.forwarding(1, 1)
        self.inside.ip(
            "rule add iif a0 tos 0x10 table 88", "rule add from 10.1.0.66 table 88",
            "rule add to 10.2.0.1 priority 5 table 99", "rule delete from all lookup local",
            "rule add from all lookup local priority 10", "route add default via 10.3.0.2 table 88",
            "route add 10.2.0.1 via 10.3.0.2 table 99",
            "-6 rule add iif a0 table 88", "-6 route add default via 2001:db8:3::2 table 88")
        self.check([Packet("a0", source, destination, tos=tos)
                    for source in ("10.1.0.99", "10.1.0.66") for tos in (0, 0x10)
                    for destination in ("192.168.5.5", "10.2.0.1", "10.1.0.1", "8.8.8.8")] +
                   [Packet(device, source, destination)
                    for device, source in (("a0", "2001:db8:1::99"), ("b0", "2001:db8:2::99"))
                    for destination in ("2001:db8:aa::1", "2001:db8:1::1", "2a00::1")])

    def test_rules_that_suppress_routes(self) -> None:
        """IPv4 is exact; in IPv6 nobody says what the kernel will do with what is not local."""
        self.forwarding(1, 1)
        self.inside.ip("rule add lookup main suppress_prefixlength 0 priority 100",
                       "rule add lookup 77 priority 200", "route add default via 10.2.0.2 table 77",
                       "-6 rule add lookup main suppress_prefixlength 0 priority 100",
                       "-6 rule add lookup 77 priority 200",
                       "-6 route add default via 2001:db8:2::2 table 77")
        self.check([Packet("a0", "10.1.0.99", destination)
                    for destination in ("192.168.5.5", "8.8.8.8", "10.1.0.1")] +
                   [Packet("a0", "2001:db8:1::99", "2001:db8:1::1")] +
                   [Packet("a0", "2001:db8:1::99", destination, may_be_unknown=True)
                    for destination in ("2001:db8:aa::1", "2a00::1")])

    def test_several_ways(self) -> None:
        """The way out of routes with several next hops is the one that the kernel takes."""
        self.forwarding(1, 1)
        self.inside.ip("route replace default nexthop via 10.2.0.2 nexthop via 10.3.0.2",
                       "-6 route replace default nexthop via 2001:db8:2::2 nexthop via 2001:db8:3::2")
        self.check([Packet("a0", "10.1.0.99", f"8.8.8.{number}") for number in range(40)] +
                   [Packet("a0", "2001:db8:1::99", f"2a00::{number}") for number in range(40)])

    def test_nat_in_prerouting(self) -> None:
        """What would be dropped may not be, once its destination is another one: it is judged."""
        self.inside.output("iptables-legacy", "-t", "nat", "-A", "PREROUTING", "-d", "8.8.8.8", "-j",
                           "DNAT", "--to-destination", "10.1.0.1")
        self.check([Packet("a0", "10.1.0.99", "8.8.8.8")])

    def test_stale_addresses(self) -> None:
        """While the daemon does not follow, what the kernel delivers is judged all the same."""
        for mode in self.modes:
            with self.subTest(mode):
                driver = self.driver(mode)
                driver.process.send_signal(signal.SIGSTOP)
                self.inside.ip("address add 10.1.0.77/16 dev a0",
                               "address add 2001:db8:1::77/64 dev a0 nodad")
                # IPv6 makes its routes later, in a queue.
                wait_until(lambda: self.inside.output("ip", "-6", "route", "show", "table", "local",
                                                      "2001:db8:1::77"), "an address in use")
                packets = [Packet("a0", "10.1.0.99", "10.1.0.77"),
                           Packet("a0", "2001:db8:1::99", "2001:db8:1::77")]
                gone = [Packet("a0", "10.1.0.99", "10.1.0.78"),
                        Packet("a0", "2001:db8:1::99", "2001:db8:1::78")]
                numbers = self.number(packets + gone)
                for packet in packets + gone:
                    self.send(packet)
                driver.process.send_signal(signal.SIGCONT)
                results = driver.results(numbers.start, numbers.stop - 1)
                self.assertEqual({result.selection for result in results.values()}, {"input"})
                driver.ask("fresh")
                self.assertEqual(self.compare(driver, packets + gone), [])
                self.inside.ip("address delete 10.1.0.77/16 dev a0",
                               "address delete 2001:db8:1::77/64 dev a0")
                driver.ask("fresh")
                self.assertEqual(self.compare(driver, packets + gone), [])

    def test_address_that_becomes_somebody_elses(self) -> None:
        """A stale entry must not hide that the packet is forwarded."""
        self.forwarding(1, 1)
        for mode in self.modes:
            with self.subTest(mode):
                self.inside.ip("address replace 10.88.0.1/32 dev lo",
                               "address replace 2001:db8:88::1/128 dev lo")
                driver = self.driver(mode)
                driver.process.send_signal(signal.SIGSTOP)
                self.inside.ip("address delete 10.88.0.1/32 dev lo",
                               "address delete 2001:db8:88::1/128 dev lo")
                packets = [Packet("a0", "10.1.0.99", "10.88.0.1"),
                           Packet("a0", "2001:db8:1::99", "2001:db8:88::1")]
                numbers = self.number(packets)
                for packet in packets:
                    self.send(packet)
                driver.process.send_signal(signal.SIGCONT)
                self.assertEqual({(result.selection, result.out) for result in
                                  driver.results(numbers.start, numbers.stop - 1).values()},
                                 {("forward", "c0")})

    def test_way_out_is_known_by_its_present_name(self) -> None:
        self.forwarding(1, 1)
        driver = self.driver("xdp")
        driver.process.send_signal(signal.SIGSTOP)
        self.inside.ip("link set c0 name renamed")
        packets = [Packet("a0", "10.1.0.99", "8.8.8.8")]
        self.number(packets)
        self.send(packets[0])
        driver.process.send_signal(signal.SIGCONT)
        number = packets[0].number
        wait_until(lambda: driver.results(number, number)[number].seen == 1, "the packet is seen")
        self.assertEqual(driver.results(number, number)[number].out, "renamed")

    def test_way_out_among_many_devices(self) -> None:
        """Several of them in one bucket of the kernel's list."""
        self.forwarding(1, 1)
        number = self.inside.ifindex("c0")
        self.inside.ip(*(f"link add same{i} index {number + 256 * i} type ifb" for i in range(1, 4)))
        self.check([Packet("a0", "10.1.0.99", "8.8.8.8"), Packet("a0", "10.1.0.99", "192.168.5.5")])

    def test_random_routes(self) -> None:
        seed = int(os.environ.get("BPF_IPTABLES_SEED", random.randrange(1 << 32)))
        print(f"seed {seed}")
        generator = random.Random(seed)
        lines: list[str] = []
        for number in range(ROUNDS):
            with self.subTest(seed=seed, round=number):
                lines += self.random_configuration(generator)
                packets = self.random_packets(generator, 120)
                thrown = [ipaddress.ip_network(line.split()[4]) for line in lines
                          if re.match("-6 route [a-z]+ throw", line)]
                for packet in packets:
                    address = ipaddress.ip_address(packet.destination)
                    packet.may_be_unknown = any(address in net for net in thrown)
                driver = self.driver(generator.choice(self.modes))
                wrong = self.compare(driver, packets)
                driver.kill()
                self.drivers.remove(driver)
                self.assertEqual(wrong, [], "\n".join(wrong + lines))

    def random_configuration(self, generator: random.Random) -> list[str]:
        forwarding = {"all": generator.randrange(2)}
        self.forwarding(forwarding["all"], forwarding["all"])
        lines = [f"forwarding {forwarding['all']}"]
        for device in "a0", "b0", "c0":
            if generator.random() < 0.2:
                value = generator.randrange(2)
                self.inside.sysctl(**{f"ipv4__conf__{device}__forwarding": value})
                lines.append(f"ipv4 forwarding of {device} {value}")
        kinds = ("unicast", "unicast", "unicast", "local", "unreachable", "blackhole", "prohibit",
                 "throw")
        for _ in range(12):
            lines.append(self.random_route(generator, generator.choice(kinds), "10.",
                                           generator.choice((8, 16, 24, 28, 32))))
            lines.append(self.random_route(generator, generator.choice(kinds), "2001:db8:",
                                           generator.choice((32, 48, 64, 120, 128))))
        for _ in range(generator.randrange(3)):
            lines.append(f"rule add iif {generator.choice(('a0', 'b0'))} table 77 priority "
                         f"{generator.randrange(1, 30000)}")
            lines.append(f"-6 rule add to {self.random_address(generator, '2001:db8:')} table 77 "
                         f"priority {generator.randrange(1, 30000)}")
        for line in lines[1:]:
            if not line.startswith("ipv4 forw"):
                self.inside.run("ip", *line.split())  # some of them clash
        return lines

    def random_address(self, generator: random.Random, start: str) -> str:
        if start == "10.":
            return (f"10.{generator.choice((1, 2, 3, 4, 6, 7))}.{generator.choice((0, 1, 200))}."
                    f"{generator.choice((0, 1, 2, 77, 255))}")
        return (f"2001:db8:{generator.choice(('1', '2', '3', '4', 'aa', 'bb'))}::"
                f"{generator.choice(('', '1', '77', '1:1'))}")

    def random_route(self, generator: random.Random, kind: str, start: str, length: int) -> str:
        address = ipaddress.ip_network((self.random_address(generator, start), length), strict=False)
        device, net = generator.choice((("b0", 2), ("c0", 3)))
        way = {"unicast": f"via {f'10.{net}.0.2' if start == '10.' else f'2001:db8:{net}::2'} dev {device}",
               "local": "dev lo"}.get(kind, "")
        family = "-4" if start == "10." else "-6"
        table = generator.choice(("main", "main", "local", "77"))
        return f"{family} route {generator.choice(('add', 'replace'))} {kind} {address} {way} table {table}"

    def random_packets(self, generator: random.Random, count: int) -> list[Packet]:
        packets = []
        for _ in range(count):
            device, net = generator.choice((("a0", 1), ("b0", 2), ("c0", 3)))
            start = generator.choice(("10.", "2001:db8:"))
            source = f"10.{net}.0.99" if start == "10." else f"2001:db8:{net}::99"
            packets.append(Packet(device, source, self.random_address(generator, start),
                                  hop_limit=generator.choice((64, 64, 64, 1)), refused_source=True))
        return packets


if __name__ == "__main__":
    unittest.main()
