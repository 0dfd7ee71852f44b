# SPDX-License-Identifier: GPL-2.0-or-later
"""A firewall between a client and a server, with a bridge beside, and what sends packets there."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "devices"))
from network import Namespace, die_with_parent

# Answers TCP at 7000, UDP at 7001, and what asks for a file at TFTP's port from another one.
SERVE = """
import socket, threading
def tcp(listener):
    while True:
        peer, _ = listener.accept()
        peer.sendall(peer.recv(1000) * 20)
        peer.close()
def udp(receiver):
    family, port = receiver.family, receiver.getsockname()[1]
    while True:
        data, sender = receiver.recvfrom(2000)
        if port == 69:
            with socket.socket(family, socket.SOCK_DGRAM) as other:
                other.sendto(data, sender)
        else:
            receiver.sendto(data, sender)
threads = []
for family in (socket.AF_INET, socket.AF_INET6):
    for serve, kind, port in ((tcp, socket.SOCK_STREAM, 7000), (udp, socket.SOCK_DGRAM, 7001),
                              (udp, socket.SOCK_DGRAM, 69)):
        listener = socket.socket(family, kind)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(("", port))
        if kind == socket.SOCK_STREAM:
            listener.listen()
        threads.append(threading.Thread(target=serve, args=(listener,)))
for thread in threads:
    thread.start()
print("ready", flush=True)
"""

# tcp|udp|none,ADDRESS,PORT[,BYTES]: none sends and waits for no answer.
TALK = """
import socket, sys
for item in sys.argv[1:]:
    kind, address, port, *rest = item.split(",")
    size = int(rest[0]) if rest else 100
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as peer:
        peer.settimeout(10)
        try:
            if family == socket.AF_INET and kind != "tcp":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if kind == "tcp":
                peer.connect((address, int(port)))
                peer.sendall(b"x" * size)
                while peer.recv(4096):
                    pass
            else:
                peer.sendto(b"x" * size, (address, int(port)))
                if kind == "udp":
                    peer.recv(4096)
        except OSError:
            pass
"""


class Network:
    """client - firewall - server; and left - bridge - right, whose bridge is the firewall's, too."""

    def __init__(self) -> None:
        self.client, self.firewall, self.server = Namespace(), Namespace(), Namespace()
        self.left, self.right = Namespace(), Namespace()
        self.servers: list[subprocess.Popen] = []
        self.places = (self.client, self.firewall, self.server, self.left, self.right)
        self._connect()
        self._bridge()
        for place in (self.firewall, self.server, self.right):
            self._serve(place)

    def _connect(self) -> None:
        self.firewall.ip(f"link add west type veth peer name c0 netns {self.client.pid}",
                         f"link add east type veth peer name s0 netns {self.server.pid}",
                         "addr add 10.1.0.1/24 dev west", "addr add 10.2.0.1/24 dev east",
                         "addr add 2001:db8:1::1/64 dev west nodad",
                         "addr add 2001:db8:2::1/64 dev east nodad",
                         "link set west group 5 up", "link set east group 22 up")
        for place, device, number in ((self.client, "c0", 1), (self.server, "s0", 2)):
            place.ip(f"addr add 10.{number}.0.2/24 dev {device}",
                     f"addr add 2001:db8:{number}::2/64 dev {device} nodad",
                     f"link set {device} up",
                     f"route add default via 10.{number}.0.1",
                     f"-6 route add default via 2001:db8:{number}::1")
        self.firewall.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)

    def _bridge(self) -> None:
        self.firewall.ip("link add br0 type bridge",
                         f"link add port1 type veth peer name l0 netns {self.left.pid}",
                         f"link add port2 type veth peer name r0 netns {self.right.pid}",
                         "link set port1 master br0 up", "link set port2 master br0 up",
                         "addr add 10.3.0.1/24 dev br0", "link set br0 up")
        for place, device, number in ((self.left, "l0", 2), (self.right, "r0", 3)):
            place.ip(f"addr add 10.3.0.{number}/24 dev {device}", f"link set {device} up",
                     "route add default via 10.3.0.1")
        self.firewall.output("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")

    def _serve(self, place: Namespace) -> None:
        server = subprocess.Popen(place.command(sys.executable, "-c", SERVE), text=True,
                                  stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.servers.append(server)
        assert server.stdout.readline() == "ready\n"

    def close(self) -> None:
        for server in self.servers:
            server.kill()
            server.wait()
            server.stdout.close()
        for place in self.places:
            place.close()

    def talk(self, place: Namespace, *what: str, user: tuple[str, ...] = ()) -> None:
        """@user: options of setpriv(1)."""
        prefix = ("setpriv", *user) if user else ()
        place.output(*prefix, sys.executable, "-c", TALK, *what)
