# SPDX-License-Identifier: GPL-2.0-or-later
"""
One side's network: a firewall namespace and one namespace for each of its links.

The namespaces have no names: they are this process's alone and vanish with it, however it ends.
The ends of the links have no addresses, so that their stacks stay silent: all that happens there
is what a case scripts. Only the firewall has a stack that answers.

Everything is sent from one process on one CPU. veth hands packets to that CPU's backlog queue,
first in first out, so the order of events is the order of sending, and a sentinel frame that
arrives proves that all packets sent before it have been dealt with.
"""

import array
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import time
from dataclasses import dataclass

from packets import ETHERTYPE_IPV4, ETHERTYPE_SENTINEL, ethernet

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
BATCH = 64  # frames between two synchronisations: far below net.core.netdev_max_backlog


@dataclass(frozen=True)
class Link:
    end: str
    addresses: tuple[str, ...]  # the firewall's, on this link
    broadcast: str
    gateway: str
    routes: tuple[str, ...]


LINKS = (
    Link("client", ("10.1.0.1", "10.1.0.9"), "10.1.255.255", "10.1.0.2", ("10.1.0.0/16",)),
    Link("server", ("10.2.0.1", "10.2.0.9"), "10.2.255.255", "10.2.0.2", ("default",)),
    Link("uplink", ("192.168.77.1",), "192.168.255.255", "192.168.77.2",
         ("192.168.0.0/16", "172.16.0.0/12")),
)
ENDS = tuple(link.end for link in LINKS)
LOCAL_ADDRESSES = tuple(address for link in LINKS for address in link.addresses)
BROADCASTS = tuple(link.broadcast for link in LINKS)

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


def write_sysctl(name: str, value: int) -> None:
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

    def __init__(self) -> None:
        self.names = [f"eth{index}" for index in range(len(LINKS))]
        self.captured: list[list[bytes]] = [[] for _ in LINKS]
        self.local: list[str] = []
        self.sentinel = 0
        self.unsynchronised = 0
        ends = [new_namespace() for _ in LINKS]
        self.firewall = new_namespace()
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
        for name, value in FIREWALL_SYSCTLS.items():
            write_sysctl(name, value)
        commands = ["link set lo up"]
        for index, link in enumerate(LINKS):
            name = self.names[index]
            commands += [f"link set {name} up"]
            commands += [f"address add {address}/32 broadcast {link.broadcast} dev {name}"
                         for address in link.addresses]
            commands += [f"neighbour add {link.gateway} dev {name} nud permanent "
                         f"lladdr {mac_address(index, False).hex(':')}"]
            commands += [f"route add {route} via {link.gateway} dev {name} onlink "
                         f"src {link.addresses[0]}" for route in link.routes]
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
        commands = [f"route delete local {address}/32 dev lo" for address in self.local] + \
                   [f"route add local {address}/32 dev lo" for address in addresses]
        self.local = addresses
        if commands:
            ip_batch(commands)

    def send(self, index: int, packet: bytes, broadcast: bool = False) -> None:
        """Puts an IPv4 packet on a link, from its end towards the firewall."""
        destination = BROADCAST_MAC if broadcast else mac_address(index, True)
        self.end_sockets[index].send(
            ethernet(destination, mac_address(index, False), ETHERTYPE_IPV4, packet))
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
        payload = struct.pack("!I", self.sentinel)
        for index, sender in enumerate(senders):
            sender.send(ethernet(mac_address(index, not from_firewall),
                                 mac_address(index, from_firewall), ETHERTYPE_SENTINEL, payload))
        for index, receiver in enumerate(receivers):
            self._receive_until_sentinel(index, receiver, payload)

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

    def flush_conntrack(self) -> None:
        """As conntrack -F does: a deletion without attributes (nf_conntrack_netlink.c)."""
        self.netfilter.send(struct.pack("=IHHIIBBH", 20, CONNTRACK_DELETE, NLM_F_REQUEST_ACK, 1, 0,
                                        0, 0, 0))
        error = struct.unpack_from("=i", self.netfilter.recv(4096), 16)[0]
        if error:
            raise OSError(-error, "flushing the connections")
