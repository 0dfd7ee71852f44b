# SPDX-License-Identifier: GPL-2.0-or-later
"""
One side's network: a firewall namespace and one namespace for each of its links.

Both families are there at once; a case uses one of them, or both.

The namespaces have no names: they are this process's alone and vanish with it, however it ends.
The ends of the links have no addresses, so that their stacks stay silent: all that happens there
is what a case scripts. Only the firewall has a stack that answers.

Everything is sent from one process on one CPU. veth hands packets to that CPU's backlog queue,
first in first out, so the order of events is the order of sending, and a sentinel frame that
arrives proves that all packets sent before it have been dealt with.
"""

import array
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import time
from dataclasses import dataclass

from addresses import IPV4, IPV6, in_network
from packets import ETHERTYPE_SENTINEL, ethernet
from packets_ipv6 import version

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
SIOCSIFNAME, SIOCETHTOOL = 0x8923, 0x8946
ETHTOOL_STXCSUM = 0x17
NETLINK_NETFILTER = 12
CONNTRACK_DELETE = 1 << 8 | 2  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE
NLM_F_REQUEST_ACK = 5
BROADCAST_MAC = b"\xff" * 6
SYNCHRONISE_SECONDS = 20
QUIET_SECONDS = 0.1
PROBE_SECONDS = 0.01
BATCH = 64  # frames between two synchronisations: far below net.core.netdev_max_backlog


@dataclass(frozen=True)
class Side:
    """One family's part of a link."""
    addresses: tuple[str, ...]  # the firewall's
    gateway: str
    routes: tuple[str, ...]
    broadcast: str = ""


@dataclass(frozen=True)
class Link:
    end: str
    ipv4: Side
    ipv6: Side
    link_local: str       # the firewall's
    on_link: str          # a network without a router: its neighbours have to be discovered

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.ipv4, self.ipv6


LINKS = (
    Link("client",
         Side(("10.1.0.1", "10.1.0.9"), "10.1.0.2", ("10.1.0.0/16",), "10.1.255.255"),
         Side(("2001:db8:1::1", "2001:db8:1::9"), "2001:db8:1::2", ("2001:db8:1::/48",)),
         "fe80::1", "2001:db8:e1::/64"),
    Link("server",
         Side(("10.2.0.1", "10.2.0.9"), "10.2.0.2", ("default",), "10.2.255.255"),
         Side(("2001:db8:2::1", "2001:db8:2::9"), "2001:db8:2::2", ("default",)),
         "fe80::2:1", "2001:db8:e2::/64"),
    Link("uplink",
         Side(("192.168.77.1",), "192.168.77.2", ("192.168.0.0/16", "172.16.0.0/12"),
              "192.168.255.255"),
         Side(("fd77::1",), "fd77::2", ("fd00::/8", "2001:db8:a000::/36")),
         "fe80::3:1", "2001:db8:e3::/64"),
)
ENDS = tuple(link.end for link in LINKS)
LOCAL_ADDRESSES = {
    4: tuple(address for link in LINKS for address in link.ipv4.addresses),
    6: tuple(address for link in LINKS for address in link.ipv6.addresses),
}
BROADCASTS = tuple(link.ipv4.broadcast for link in LINKS)
LINK_LOCAL = "fe80::/10"
# On every link, with a neighbour entry that is there for good.
LINK_LOCAL_HOSTS = ("fe80::2", "fe80::50", "fe80::aa:bbcc")
MULTICAST_GROUPS = ("ff02::1", "ff02::2", "ff05::2", "ff02::1:ff00:1")  # that the firewall is in


def end_of(address: str) -> str:
    """
    Where the firewall's routes send an address, or for its own link-local ones where they are.
    Those of others are at every end: the client's is named.
    """
    for link in LINKS:
        if address == link.link_local:
            return link.end
    for link in LINKS:
        networks = [route for side in link.sides for route in side.routes if route != "default"]
        same = [network for network in (*networks, link.on_link, LINK_LOCAL)
                if (":" in network) == (":" in address)]
        if any(in_network(address, network) for network in same):
            return link.end
    return "server"


FOREVER_MILLISECONDS = 1 << 30
# What would send packets on its own, or depend on time or on earlier cases, is switched off.
FIREWALL_SYSCTLS = {
    "ipv4/ip_forward": 1,
    "ipv4/icmp_ratelimit": 0,
    "ipv4/icmp_ratemask": 0,
    "ipv4/ipfrag_time": 36000,
    "ipv4/ipfrag_high_thresh": 1 << 28,
    "ipv4/tcp_timestamps": 0,
    "ipv4/tcp_ecn": 0,
    "ipv4/tcp_syncookies": 0,
    "ipv4/tcp_synack_retries": 0,
    "ipv4/tcp_invalid_ratelimit": 0,
    "ipv4/tcp_no_metrics_save": 1,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
    "ipv4/conf/all/accept_redirects": 0,
    "ipv4/conf/default/accept_redirects": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/conf/all/accept_source_route": 1,
    "ipv4/conf/default/accept_source_route": 1,
    "ipv6/icmp/ratelimit": 0,
    "ipv6/auto_flowlabels": 0,
    "ipv6/ip6frag_time": 36000,
    "ipv6/ip6frag_high_thresh": 1 << 28,
    "netfilter/nf_conntrack_frag6_timeout": 36000,
    "netfilter/nf_conntrack_frag6_high_thresh": 1 << 28,
    "ipv6/icmp/ratemask": "\n",
    "ipv6/conf/all/forwarding": 1,
    "ipv6/conf/default/forwarding": 1,
    "ipv6/conf/default/accept_dad": 0,
    "ipv6/conf/default/dad_transmits": 0,
    "ipv6/conf/default/accept_ra": 0,
    "ipv6/conf/default/accept_redirects": 0,
    "ipv6/conf/default/autoconf": 0,
    "ipv6/conf/default/addr_gen_mode": 1,  # no address is made unasked
    "ipv6/conf/default/mldv1_unsolicited_report_interval": 0,
    "ipv6/conf/default/mldv2_unsolicited_report_interval": 0,
    "ipv6/conf/default/accept_source_route": 1,
    "ipv6/conf/default/disable_ipv6": 0,
    "ipv6/conf/all/disable_ipv6": 0,
}

# A neighbour is asked for once, and what is known of it does not change by time.
NEIGHBOUR_SYSCTLS = {
    "mcast_solicit": 1,
    "retrans_time_ms": FOREVER_MILLISECONDS,
    "base_reachable_time_ms": FOREVER_MILLISECONDS,
    "delay_first_probe_time": FOREVER_MILLISECONDS // 1000,
}

libc = ctypes.CDLL(None, use_errno=True)


def new_namespace() -> int:
    """Enters a new network namespace and returns a descriptor of it."""
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    write_sysctl("ipv6/conf/all/disable_ipv6", 1)
    write_sysctl("ipv6/conf/default/disable_ipv6", 1)
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter(namespace: int) -> None:
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def write_sysctl(name: str, value: int | str) -> None:
    """In this process's namespace. Kernels differ in what they have: what is absent is left."""
    try:
        with open(f"/proc/sys/net/{name}", "w") as file:
            file.write(str(value))
    except FileNotFoundError:
        pass


def ip_batch(commands: list[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True,
                   stdout=subprocess.DEVNULL)


def mac_address(link: int, firewall: bool) -> bytes:
    return bytes((2, 0, 0, 0, link, 1 if firewall else 2))


def packet_socket(interface: str, ethertype: int) -> socket.socket:
    result = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    result.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    result.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    result.bind((interface, ethertype))
    result.setblocking(False)
    return result


class Topology:
    """After construction the process is in the firewall's namespace."""

    def __init__(self, further_sysctls: dict[str, int]) -> None:
        self.names = [f"eth{index}" for index in range(len(LINKS))]
        self.captured: list[list[bytes]] = [[] for _ in LINKS]
        self.local: list[str] = []
        self.sentinel = 0
        self.unsynchronised = 0
        ends = [new_namespace() for _ in LINKS]
        self.firewall = new_namespace()
        for name, value in {**FIREWALL_SYSCTLS, **further_sysctls}.items():
            write_sysctl(name, value)
        self._make_links(ends)
        self.end_sockets = [self._open_end(index, end) for index, end in enumerate(ends)]
        enter(self.firewall)
        self._configure_firewall()
        self.firewall_sockets = [packet_socket(name, ETHERTYPE_SENTINEL) for name in self.names]
        self.control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Open for good: closing one makes the kernel finish what nft deleted (nf_tables_api.c
        # nft_rcv_nl_event()), and so would hide that conntrack is switched off too late.
        self.netfilter = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        for name in self.names:
            self._disable_checksum_offload(name)
        for index in range(len(LINKS)):
            self._await_passage(index, self.end_sockets, self.firewall_sockets, False)
            self._await_passage(index, self.firewall_sockets, self.end_sockets, True)
        self._await_quiet()

    def _await_passage(self, index: int, senders: list[socket.socket],
                       receivers: list[socket.socket], from_firewall: bool) -> None:
        """The kernel opens a link's queues in the background (link_watch.c linkwatch_do_dev())."""
        deadline = time.monotonic() + SYNCHRONISE_SECONDS
        while time.monotonic() < deadline:
            try:
                senders[index].send(self._sentinel_frame(index, from_firewall))
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
            if select.select([receivers[index]], [], [], PROBE_SECONDS)[0]:
                return
        raise RuntimeError(f"nothing gets through the link {self.names[index]}")

    def _await_quiet(self) -> None:
        """Until the reports about the multicast groups are out; their intervals are set to zero."""
        while select.select(self.end_sockets, [], [], QUIET_SECONDS)[0]:
            self.synchronise()
            self.take_captured()

    def _make_links(self, ends: list[int]) -> None:
        ip_batch([
            f"link add name {self.names[index]} address {mac_address(index, True).hex(':')} "
            f"type veth peer name {link.end} address {mac_address(index, False).hex(':')} "
            f"netns /proc/{os.getpid()}/fd/{ends[index]}"
            for index, link in enumerate(LINKS)])

    @staticmethod
    def _open_end(index: int, namespace: int) -> socket.socket:
        enter(namespace)
        ip_batch([f"link set {LINKS[index].end} up"])
        return packet_socket(LINKS[index].end, ETH_P_ALL)

    def _configure_firewall(self) -> None:
        for name in self.names:
            for entry, value in NEIGHBOUR_SYSCTLS.items():
                write_sysctl(f"ipv6/neigh/{name}/{entry}", value)
        commands = ["link set lo up"]
        for index, link in enumerate(LINKS):
            device = f"dev {self.names[index]}"
            lladdr = f"nud permanent lladdr {mac_address(index, False).hex(':')}"
            commands += [f"link set {device} up"]
            commands += [f"address add {address}/32 broadcast {link.ipv4.broadcast} {device}"
                         for address in link.ipv4.addresses]
            commands += [f"address add {address}/128 {device} nodad"
                         for address in link.ipv6.addresses]
            commands += [f"address add {link.link_local}/64 {device} nodad"]
            for side in link.sides:
                commands += [f"neighbour add {side.gateway} {device} {lladdr}"]
                commands += [f"route add {route} via {side.gateway} {device} onlink "
                             f"src {side.addresses[0]}" for route in side.routes]
            commands += [f"neighbour add {host} {device} {lladdr}" for host in LINK_LOCAL_HOSTS]
            commands += [f"route add {link.on_link} {device} src {link.ipv6.addresses[0]}"]
        ip_batch(commands)
        for index in range(len(LINKS)):
            for entry in ("rp_filter", "send_redirects", "accept_redirects"):
                write_sysctl(f"ipv4/conf/{self.names[index]}/{entry}", 0)
            write_sysctl(f"ipv4/conf/{self.names[index]}/accept_source_route", 1)

    def _disable_checksum_offload(self, name: str) -> None:
        """What the firewall's own stack sends shall be seen with its checksums filled in."""
        value = array.array("I", [ETHTOOL_STXCSUM, 0])
        request = struct.pack("16sQ16x", name.encode(), value.buffer_info()[0])
        fcntl.ioctl(self.control, SIOCETHTOOL, request)

    def rename(self, index: int, name: str) -> None:
        """Linux lets an interface that is up change its name; its routes and addresses stay."""
        if self.names[index] == name:
            return
        request = struct.pack("16s16s8x", self.names[index].encode(), name.encode())
        fcntl.ioctl(self.control, SIOCSIFNAME, request)
        self.names[index] = name

    def rename_all(self, names: list[str]) -> None:
        if names == self.names:
            return
        for index in range(len(names)):  # two steps, for the names may be swapped
            self.rename(index, f"renamed{index}")
        for index, name in enumerate(names):
            self.rename(index, name)

    def set_local(self, addresses: list[str]) -> None:
        """Makes these the firewall's own addresses, besides those of its links."""
        commands = [f"route delete local {address} dev lo" for address in self.local] + \
                   [f"route add local {address} dev lo" for address in addresses]
        self.local = addresses
        if commands:
            ip_batch(commands)

    def send(self, index: int, packet: bytes, broadcast: bool = False) -> None:
        """Puts a packet on a link, from its end towards the firewall."""
        destination = BROADCAST_MAC if broadcast else mac_address(index, True)
        ethertype = (IPV6 if version(packet) == 6 else IPV4).ethertype
        if version(packet) == 6 and packet[24:25] == b"\xff":  # RFC 2464 section 7
            destination = b"\x33\x33" + packet[36:40]
        self.end_sockets[index].send(
            ethernet(destination, mac_address(index, False), ethertype, packet))
        self.unsynchronised += 1
        if self.unsynchronised >= BATCH:
            self.synchronise()

    def synchronise(self) -> None:
        """Returns when all that was sent has been dealt with and all that came out is captured."""
        for _ in range(2):  # the second round is for what the stack sent to itself meanwhile
            self.sentinel += 1
            self._exchange_sentinels(self.end_sockets, self.firewall_sockets, from_firewall=False)
            self._exchange_sentinels(self.firewall_sockets, self.end_sockets, from_firewall=True)
        self.unsynchronised = 0

    def _exchange_sentinels(self, senders: list[socket.socket], receivers: list[socket.socket],
                            from_firewall: bool) -> None:
        for index, sender in enumerate(senders):
            sender.send(self._sentinel_frame(index, from_firewall))
        for index, receiver in enumerate(receivers):
            self._receive_until_sentinel(index, receiver, struct.pack("!I", self.sentinel))

    def _sentinel_frame(self, index: int, from_firewall: bool) -> bytes:
        return ethernet(mac_address(index, not from_firewall), mac_address(index, from_firewall),
                        ETHERTYPE_SENTINEL, struct.pack("!I", self.sentinel))

    def _receive_until_sentinel(self, index: int, receiver: socket.socket, payload: bytes) -> None:
        deadline = time.monotonic() + SYNCHRONISE_SECONDS
        while True:
            try:
                frame = receiver.recv(65536)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RuntimeError("a sentinel frame got lost") from None
                select.select([receiver], [], [], 1)
                continue
            if frame[12:14] != struct.pack("!H", ETHERTYPE_SENTINEL):
                self.captured[index].append(frame)
            elif frame[14:18] == payload:
                return

    def captured_count(self) -> int:
        return sum(len(frames) for frames in self.captured)

    def take_captured(self) -> list[list[bytes]]:
        captured, self.captured = self.captured, [[] for _ in LINKS]
        return captured

    @staticmethod
    def forget_neighbours() -> None:
        """But for the permanent ones. What waits for an answer comes back as an error, at once."""
        subprocess.run(["ip", "-6", "neighbour", "flush", "all"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def flush_conntrack(self) -> None:
        """As conntrack -F does: a deletion without attributes (nf_conntrack_netlink.c)."""
        self.netfilter.send(struct.pack("=IHHIIBBH", 20, CONNTRACK_DELETE, NLM_F_REQUEST_ACK, 1, 0,
                                        0, 0, 0))
        error = struct.unpack_from("=i", self.netfilter.recv(4096), 16)[0]
        if error:
            raise OSError(-error, "flushing the connections")
