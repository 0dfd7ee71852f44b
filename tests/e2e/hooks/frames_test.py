#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Frames of all kinds at devices of all kinds, beside the kernel's own iptables: tags, foreign types,
jumbo frames, bridges, tun, and segments that the kernel has merged.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys
import unittest
from dataclasses import dataclass, field

from firewall import Daemon, Filter
from network import PATIENCE, Namespace, Row, die_with_parent, wait_until
from on_devices import OnDevices
from packets import UDP, ethernet, udp
from packets_ipv6 import ip_packet

REFUSED, ALLOWED, LAST = 4711, 4712, 4713
MTU = 9000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
VLAN, SERVICE_VLAN, ARP, IPV4, IPV6 = 0x8100, 0x88a8, 0x0806, 0x0800, 0x86dd
PRIORITY, TAGGED = 0xe000, 0x2005  # without a VLAN, and of VLAN 5
MOST_TAGS = 9  # that are looked behind, by one hook or the other

RULES = [f"-A {chain} -p udp -m udp --dport {port} -j {target}"
         for chain in ("INPUT", "FORWARD")
         for port, target in ((REFUSED, "DROP"), (ALLOWED, "ACCEPT"), (LAST, "ACCEPT"))]

MACS = {"bridge": "02:00:00:00:03:01", "port": "02:00:00:00:03:02", "west": Row.MACS["west"],
        "nobody": "02:00:00:00:09:09", "all": "ff:ff:ff:ff:ff:ff", "group": "01:00:5e:00:00:01",
        "link group": "01:80:c2:00:00:0e"}
# The firewall's own address, and one behind it.
DESTINATIONS = {4: ("10.1.0.1", "10.2.0.2"), 6: ("2001:db8:1::1", "2001:db8:2::2")}
SOURCE = {4: "10.1.0.2", 6: "2001:db8:1::2"}
EUI64 = "-A FORWARD -m eui64"


def mac(name: str) -> bytes:
    return bytes.fromhex(MACS[name].replace(":", ""))


def datagram(family: int, destination: str, port: int, payload: bytes) -> bytes:
    return ip_packet(SOURCE[family], destination, UDP,
                     udp(SOURCE[family], destination, 1, port, payload=payload))


def frame(packet: bytes, *, to: str = "west", tags: tuple[tuple[int, int], ...] = (),
          kind: int | None = None) -> bytes:
    if kind is None:
        kind = IPV4 if packet[0] >> 4 == 4 else IPV6
    types = [each for each, _ in tags] + [kind]
    rest = b"".join(struct.pack("!HH", control, following)
                    for (_, control), following in zip(tags, types[1:]))
    return ethernet(mac(to), bytes.fromhex("020000000102"), types[0], rest + packet)


@dataclass
class Side:
    """One firewall with a veth, a bridge and a tun device."""
    ours: bool
    row: Row = field(default_factory=Row)

    def __post_init__(self) -> None:
        firewall, client = self.row.firewall, self.row.client
        for device, place in (("west", firewall), ("east", firewall), ("c0", client),
                              ("s0", self.row.server)):
            place.ip(f"link set {device} mtu {MTU}")
        firewall.sysctl(ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0)
        firewall.ip(f"link add br0 address {MACS['bridge']} mtu {MTU} type bridge",
                    f"link add port address {MACS['port']} mtu {MTU} type veth "
                    f"peer name p0 netns {client.pid}",
                    "link set port master br0", "link set port up", "link set br0 up")
        client.ip(f"link set p0 mtu {MTU} up")
        self.tun = firewall.inside(self.open_tun)
        firewall.ip(f"link set tun0 mtu {MTU} up")
        self.row.silence()
        self.senders = {"c0": client.packet_socket("c0", receive=True),
                        "p0": client.packet_socket("p0")}
        self.server = self.row.server.packet_socket("s0", receive=True)
        self.sockets = {port: firewall.inside(lambda port=port: self.bound(port))
                        for port in (REFUSED, ALLOWED, LAST)}
        self.filter = Filter(firewall, self.ours)
        self.rounds = 0

    def close(self) -> None:
        os.close(self.tun)
        for each in (*self.senders.values(), self.server, *self.sockets.values()):
            each.close()
        self.row.close()

    @staticmethod
    def open_tun() -> int:
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
        return tun

    @staticmethod
    def bound(port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        made.bind(("::", port))
        made.settimeout(PATIENCE)
        return made

    def send(self, device: str, data: bytes) -> None:
        if device == "tun0":
            os.write(self.tun, data)
        else:
            self.senders[device].send(data)

    def last(self, device: str, payload: bytes) -> bytes:
        """To the firewall: when this has come all that was sent there before has been judged."""
        packet = datagram(4, DESTINATIONS[4][0], LAST, payload)
        if device == "tun0":
            return packet
        return frame(packet, to="west" if device == "c0" else "bridge")

    def received(self, port: int) -> list[bytes]:
        self.sockets[port].setblocking(False)
        result = []
        try:
            while True:
                result.append(self.sockets[port].recv(65536))
        except BlockingIOError:
            return result
        finally:
            self.sockets[port].settimeout(PATIENCE)

    def play(self, frames: list[tuple[str, bytes]]) -> dict[str, object]:
        """What has become of them."""
        self.rounds += 1
        for family in (4, 6):
            self.filter.rules(family, *([EUI64] if family == 6 else []), *RULES)
        for device, data in frames:
            self.send(device, data)
        for device in "c0", "p0", "tun0":
            mark = f"{device} {self.rounds}".encode()
            self.send(device, self.last(device, mark))
            while self.sockets[LAST].recv(65536) != mark:
                pass
        end = frame(datagram(4, DESTINATIONS[4][1], LAST, b"end"))
        self.send("c0", end)
        forwarded = []
        while (got := self.server.recv(65536))[-3:] != b"end":
            if got[12:14] != b"\x86\xdd" or got[20] == UDP:  # else it is the firewall's own
                forwarded.append(got)
        return {"forwarded": forwarded, "refused": self.received(REFUSED),
                "allowed": self.received(ALLOWED),
                **{f"rules of IPv{family}": {rule: count for rule, count
                                             in self.filter.counters(family).items()
                                             if rule in (EUI64, *RULES)} for family in (4, 6)}}


def everywhere(number: int, **options: object) -> list[bytes]:
    """Datagrams of both families, to the firewall and beyond, refused and allowed."""
    return [frame(datagram(family, destination, port, f"frame {number}".encode()), **options)
            for family in (4, 6) for destination in DESTINATIONS[family]
            for port in (REFUSED, ALLOWED)]


def of_its_mac(tags: tuple[tuple[int, int], ...]) -> bytes:
    """Its source address is made from the frame's."""
    source, destination = "2001:db8:1::ff:fe00:102", DESTINATIONS[6][1]
    return frame(ip_packet(source, destination, UDP, udp(source, destination, 1, ALLOWED)),
                 tags=tags)


def tagged_frames() -> list[tuple[str, bytes]]:
    stacks = [(), ((VLAN, 0),), ((VLAN, PRIORITY),), ((SERVICE_VLAN, 0),), ((VLAN, TAGGED),),
              ((SERVICE_VLAN, TAGGED), (VLAN, TAGGED)), ((VLAN, 0), (VLAN, TAGGED)),
              ((VLAN, TAGGED), (VLAN, 0)), ((VLAN, 0xfff),), ((VLAN, 0x1000),)]
    stacks += [((SERVICE_VLAN, PRIORITY),) * (depth - 1) + ((VLAN, 0),)
               for depth in range(2, MOST_TAGS)]
    frames = [("c0", each) for number, tags in enumerate(stacks)
              for each in (*everywhere(number, tags=tags), of_its_mac(tags))]
    frames += [("p0", each) for number, tags in enumerate(stacks[:5])
               for to in ("bridge", "port", "nobody", "all")
               for each in everywhere(100 + number, tags=tags, to=to)]
    # Cut off within a tag.
    return frames + [("c0", frame(b"", tags=((VLAN, 0),) * depth, kind=IPV4)[:size])
                     for depth in (1, 2) for size in (14, 15, 16, 17, 18)]


def foreign_frames() -> list[tuple[str, bytes]]:
    """What is no IP, says that it is, or carries IP inside."""
    packets = [datagram(family, DESTINATIONS[family][0], REFUSED, b"foreign") for family in (4, 6)]
    snap = bytes.fromhex("aaaa03000000")
    frames = []
    for packet in packets:
        kind = IPV4 if packet[0] >> 4 == 4 else IPV6
        frames += [frame(packet, kind=each) for each in
                   (IPV4, IPV6, ARP, 0x8847, 0x8864, 0x9100, 0x88e5, 0x894f, 0x6558, 0x88b5)]
        frames += [frame(snap + struct.pack("!H", kind) + packet, kind=len(packet) + 8)]
        frames += [frame(packet, to=to) for to in MACS]
        frames += [frame(packet)[:size] for size in (14, 15, 20, 33, 34, 41, 53, 54, 60)]
        frames += [frame(packet) + bytes(100)]
    return [("c0", each) for each in frames]


def packets_of_tun() -> list[tuple[str, bytes]]:
    return [("tun0", each[14:]) for each in everywhere(0)]


def jumbo_frames() -> list[tuple[str, bytes]]:
    return [(device, frame(datagram(family, destination, port, bytes(size)), to=to))
            for size in (1400, 3000, 4096, 8000, MTU - 48)
            for family in (4, 6) for destination in DESTINATIONS[family]
            for port in (REFUSED, ALLOWED) for device, to in (("c0", "west"), ("p0", "bridge"))]


# Sends from stdin to the first connection, and says how many bytes came; both ends of a transfer.
RECEIVE = """
import socket, sys
with socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
    print("ready", flush=True)
    for _ in range(int(sys.argv[1])):
        peer, _ = listener.accept()
        count = 0
        while data := peer.recv(1 << 20):
            count += len(data)
        print(count, flush=True)
"""
TRANSFER = """
import socket, sys
for address in sys.argv[2:]:
    with socket.create_connection((address, 7000), timeout=20) as peer:
        peer.sendall(bytes(int(sys.argv[1])))
"""
TRANSFERRED = 3000000


class FramesTest(OnDevices, unittest.TestCase):
    maxDiff = None
    reference: Side

    @classmethod
    def setUpClass(cls) -> None:
        cls.reference = Side(ours=False)
        cls.addClassCleanup(cls.reference.close)

    def check(self, hook: str) -> None:
        ours = Side(ours=True)
        self.addCleanup(ours.close)
        daemon = Daemon(ours.row.firewall, "--hook", hook)
        self.addCleanup(daemon.close)
        for make in tagged_frames, foreign_frames, packets_of_tun, jumbo_frames:
            with self.subTest(make.__name__):
                expected = self.reference.play(make())
                got = ours.play(make())
                for what in expected:
                    self.assertEqual(got[what], expected[what], what)
                self.assertEqual(got["refused"], [])
        self.check_too_many_tags(ours)
        self.check_arp(ours)
        self.check_merged(ours, hook)
        self.assertEqual(daemon.stop(), "")

    def check_too_many_tags(self, side: Side) -> None:
        """They would be the kernel's to take off; what is behind them is not known."""
        result = side.play([("c0", each) for each in
                            everywhere(0, tags=((VLAN, 0),) * (MOST_TAGS + 1))])
        self.assertEqual((result["forwarded"], result["refused"], result["allowed"]), ([], [], []))

    def check_arp(self, side: Side) -> None:
        """Nothing but IP is judged."""
        side.filter.rules(4, policy="DROP")
        for tags in (), ((VLAN, PRIORITY),):
            question = struct.pack("!HHBBH6s4s6s4s", 1, IPV4, 6, 4, 1, mac("nobody"),
                                   socket.inet_aton("10.1.0.2"), bytes(6),
                                   socket.inet_aton("10.1.0.1"))
            side.send("c0", frame(question, to="all", tags=tags, kind=ARP))
            while (got := side.senders["c0"].recv(65536))[12:14] != b"\x08\x06":
                pass
            self.assertEqual(got[22:32], mac("west") + socket.inet_aton("10.1.0.1"))

    def receiver(self, place: Namespace, count: int) -> subprocess.Popen:
        process = subprocess.Popen(place.command(sys.executable, "-c", RECEIVE, str(count)),
                                   stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def check_merged(self, side: Side, hook: str) -> None:
        """
        TCP in large pieces: at TC we count what the kernel's iptables counts right behind us, at
        XDP each segment for itself. No byte is lost, and nothing is INVALID.
        """
        row = side.row
        for place, device in ((row.client, "c0"), (row.server, "s0")):
            place.sysctl(**{f"ipv6__conf__{device}__disable_ipv6": 0})
            place.ip(f"link set {device} mtu 1500")
        row.firewall.ip("link set west mtu 1500", "link set east mtu 1500")
        row.give_addresses()
        kernel = Filter(row.firewall, ours=False)
        count = [f"-A {chain} -p tcp -m tcp --dport 7000" for chain in ("INPUT", "FORWARD")]
        states = ["-A INPUT -m conntrack --ctstate INVALID -j DROP",
                  "-A FORWARD -m conntrack --ctstate INVALID -j DROP"]
        for family in (4, 6):
            kernel.rules(family, *count)
            side.filter.rules(family, *states, *count)
        addresses = [each for family in (4, 6) for each in DESTINATIONS[family]]
        receivers = [self.receiver(place, 2) for place in (row.firewall, row.server)]
        row.client.output(sys.executable, "-c", TRANSFER, str(TRANSFERRED), *addresses)
        for receiver in receivers:
            self.assertEqual(receiver.communicate(timeout=PATIENCE)[0], f"{TRANSFERRED}\n" * 2)
        for family in (4, 6):
            expected, got = kernel.counters(family), side.filter.counters(family)
            for rule in states:
                self.assertEqual(got[rule], (0, 0))
            for rule in count:
                packets, size = expected[rule]
                self.assertGreater(size / packets, 1500 if hook == "tc" else 0, "nothing is merged")
                if hook == "tc":
                    self.assertEqual(got[rule], (packets, size))
                    continue
                headers = {4: 52, 6: 72}[family]  # with a timestamp
                self.assertGreaterEqual(got[rule][0], packets)
                self.assertEqual(got[rule][1] - headers * got[rule][0], size - headers * packets)


if __name__ == "__main__":
    unittest.main()
