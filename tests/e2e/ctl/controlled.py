# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon on devices, bpf-iptablesctl beside it, and connections that last for as long as a test wants."""

import json
import socket
import struct
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "devices"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "hooks"))
from hooks_test import Daemon, Network, command
from network import Namespace, build, die_with_parent

SO_NETNS_COOKIE = 71

DONE, FAILED, USAGE, NO_DAEMON = range(4)

# Opens connections and sends lines over them, as it is told.
PEER = """
import socket, sys
connections = {}
def answer(connection):
    try:
        return connection.recv(100).decode()
    except OSError as error:
        return type(error).__name__
for line in sys.stdin:
    operation, name, *rest = line.split()
    result = "done"
    if operation in ("tcp", "udp", "syn"):
        address, port, own = rest
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_DGRAM if operation == "udp" else socket.SOCK_STREAM
        peer = connections[name] = socket.socket(family, kind)
        peer.bind(("::" if ":" in address else "0.0.0.0", int(own)))
        peer.settimeout(10)
        if operation == "syn":
            peer.setblocking(False)
            peer.connect_ex((address, int(port)))
        else:
            peer.connect((address, int(port)))
    elif operation == "send":
        connections[name].settimeout(0.5)
        connections[name].send(rest[0].encode())
        result = answer(connections[name])
    elif operation == "shutdown":
        connections[name].shutdown(socket.SHUT_WR)
        result = answer(connections[name]) if rest else "done"
    print(result, flush=True)
"""

# Answers each line with its capitals, and closes behind "bye" only. Port 7009 never answers.
SERVE = """
import socket, threading
def converse(peer):
    while data := peer.recv(100):
        peer.sendall(data.upper())
        if data == b"bye":
            return peer.close()
    threading.Event().wait()
def tcp(family, address):
    listener = socket.create_server((address, 7100), family=family)
    def serve():
        while True:
            threading.Thread(target=converse, args=(listener.accept()[0],)).start()
    threading.Thread(target=serve).start()
def udp(family, address, port):
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    receiver.bind((address, port))
    def serve():
        while True:
            data, sender = receiver.recvfrom(100)
            if port == 7101:
                receiver.sendto(data.upper(), sender)
    threading.Thread(target=serve).start()
for family, address in ((socket.AF_INET, "10.2.0.2"), (socket.AF_INET6, "2001:db8:2::2")):
    tcp(family, address)
    udp(family, address, 7101)
    udp(family, address, 7102)
print("ready", flush=True)
"""


class Process:
    """A Python program in a namespace that answers lines with lines."""

    def __init__(self, place: Namespace, program: str) -> None:
        self.process = subprocess.Popen(
            place.command(sys.executable, "-c", program), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, bufsize=1, preexec_fn=die_with_parent)

    def ask(self, *words: str) -> str:
        self.process.stdin.write(" ".join(words) + "\n")
        return self.hear()

    def hear(self) -> str:
        return self.process.stdout.readline().rstrip("\n")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class ConversingNetwork(Network):
    """With servers that keep connections open, and a client that does as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.conversing = Process(self.server, SERVE)
        assert self.conversing.hear() == "ready"
        self.peer = Process(self.client, PEER)

    def close(self) -> None:
        self.peer.close()
        self.conversing.close()
        super().close()

    def ask(self, *words: str) -> str:
        return self.peer.ask(*words)


def ctl(place: Namespace, *arguments: str) -> subprocess.CompletedProcess:
    return place.run(str(build() / "src/ctl/bpf-iptablesctl"), *arguments)


def ctl_output(place: Namespace, *arguments: str) -> str:
    return place.output(str(build() / "src/ctl/bpf-iptablesctl"), *arguments)


def connections(place: Namespace, *filters: str) -> list[dict]:
    return json.loads(ctl_output(place, "conntrack", "list", "--json", *filters))


def socket_path(place: Namespace) -> str:
    def cookie() -> int:
        with socket.socket(socket.AF_UNIX) as any_socket:
            return struct.unpack("Q", any_socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0]
    return f"/run/bpf-iptables/rest-{place.inside(cookie)}.sock"


class ControlledTest(unittest.TestCase):
    maxDiff = None

    def network(self) -> ConversingNetwork:
        network = ConversingNetwork()
        self.addCleanup(network.close)
        return network

    def daemon(self, place: Namespace, *arguments: str) -> Daemon:
        daemon = Daemon(place, *arguments)
        self.addCleanup(daemon.process.stderr.close)
        self.addCleanup(daemon.process.stdout.close)
        self.addCleanup(daemon.process.wait)
        self.addCleanup(daemon.process.kill)
        return daemon

    def restore(self, place: Namespace, rules: dict[str, str], ours: bool = True) -> None:
        for name, text in rules.items():
            place.output(command(ours, f"{name}-restore"), text=text)
