#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The hook is changed while packets flow: what is forbidden never passes, what is allowed always does,
and each packet is counted once."""

import array
import concurrent.futures
import fcntl
import http.client
import itertools
import json
import re
import socket
import struct
import subprocess
import sys
import unittest
from typing import NamedTuple

from firewall import Daemon, command
from hooks_test import Network
from network import Namespace, build, die_with_parent, wait_until

SO_NETNS_COOKIE = 71

# Each chain has one port whose packets it drops, and one whose packets it accepts.
PORTS = {"INPUT": (9001, 9002), "FORWARD": (9101, 9102), "OUTPUT": (9201, 9202)}
HOOKS = ("netfilter", "xdp", "tc")
# Each of the six changes, and back to the start.
ROUND = ("xdp", "tc", "netfilter", "tc", "xdp", "netfilter")
ROUNDS = 4

# Listens at the ports until its standard input ends; prints how many packets came to each.
RECEIVE = """
import select, socket, sys
SO_RCVBUFFORCE = 33
receivers = {}
for argument in sys.argv[1:]:
    receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    receiver.bind(("::", int(argument)))
    receiver.setblocking(False)
    receivers[receiver] = [int(argument), 0]
print("ready", flush=True)
running = True
while running:
    for ready in select.select([sys.stdin, *receivers], [], [])[0]:
        if ready is sys.stdin:
            running = False
            continue
        try:
            while ready.recv(100):
                receivers[ready][1] += 1
        except BlockingIOError:
            pass
for port, count in receivers.values():
    print(port, count)
"""

# Sends to address,port ... in turn, and prints how many packets each got, when its input ends. A packet that the
# filter drops on its way out may be an error, EPERM; others are not expected. Every other packet is
# like the one before it, byte by byte.
SEND = """
import errno, select, socket, sys, time
SO_SNDBUFFORCE = 32
targets = []
for argument in sys.argv[1:]:
    address, port = argument.split(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sender = socket.socket(family, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20)
    sender.connect((address, int(port)))
    targets.append([argument, sender, 0])
print("ready", flush=True)
number = 0
while number % 4 or not select.select([sys.stdin], [], [], 0.001)[0]:
    number += 1
    for target in targets:
        try:
            target[1].send(b"%020d" % (number // 2))
        except PermissionError:
            pass
        except ConnectionRefusedError:
            continue
        target[2] += 1
for argument, _, count in targets:
    print(argument, count)
"""

# A UDP datagram in two fragments, of which only one is sent.
FRAGMENT = """
import socket, struct, sys
source, destination, port, second = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "second"
datagram = struct.pack("!HHHH", 1234, port, 8 + 24, 0) + b"x" * 24
part, offset = (datagram[16:], 16) if second else (datagram[:16], 0)
header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(part), 0x1234, offset // 8 | (0 if second else 0x2000),
                     64, 17, 0) + socket.inet_aton(source) + socket.inet_aton(destination)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
    sender.sendto(header + part, (destination, 0))
"""


# Answers each line by the same in capitals.
ECHO = """
import socket, sys, threading
def serve(family, address):
    listener = socket.create_server((address, 7100), family=family)
    datagrams = socket.socket(family, socket.SOCK_DGRAM)
    datagrams.bind((address, 7100))
    def answer(peer):
        while line := peer.recv(100):
            peer.sendall(line.upper())
    def streams():
        while True:
            threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()
    def packets():
        while True:
            line, peer = datagrams.recvfrom(100)
            datagrams.sendto(line.upper(), peer)
    for work in streams, packets:
        threading.Thread(target=work, daemon=True).start()
serve(socket.AF_INET, "10.2.0.2")
serve(socket.AF_INET6, "2001:db8:2::2")
print("ready", flush=True)
sys.stdin.read()
"""

# Holds connections, and uses each when it is told to; says what has come of it.
HOLD = """
import socket, sys
held = []
for family, address in ((socket.AF_INET, "10.2.0.2"), (socket.AF_INET6, "2001:db8:2::2")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        peer = socket.socket(family, kind)
        peer.settimeout(5)
        peer.connect((address, 7100))
        held.append(peer)
def use():
    for peer in held:
        try:
            peer.sendall(b"hello")
            yield peer.recv(100).decode()
        except OSError as error:
            yield str(error)
list(use())
print("ready", flush=True)
for line in sys.stdin:
    print(*use(), flush=True)
"""


def receive_by_napi(place: Namespace, device: str) -> None:
    """A veth drops what is in its ring when its XDP program leaves, unless it merges packets anyway
    (drivers/net/veth.c veth_disable_xdp())."""
    siocethtool, ethtool_sgro = 0x8946, 0x2c  # linux/sockios.h, linux/ethtool.h

    def switch() -> None:
        value = array.array("I", (ethtool_sgro, 1))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, siocethtool,
                        struct.pack("16sP16x", device.encode(), value.buffer_info()[0]))
    place.inside(switch)


class Process:
    """A Python program in a namespace that says when it is ready, and ends with its input."""

    def __init__(self, place: Namespace, program: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            place.command(sys.executable, "-c", program, *arguments), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        assert self.process.stdout.readline() == "ready\n"

    def end(self) -> dict[str, int]:
        output, _ = self.process.communicate("", timeout=60)
        return {name: int(count) for name, count in map(str.split, output.splitlines())}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Answer(NamedTuple):
    status: int
    body: dict


class Rest:
    def __init__(self, place: Namespace) -> None:
        def cookie() -> int:
            with socket.socket() as probe:
                return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8),
                                      sys.byteorder)
        self.path = f"/run/bpf-iptables/rest-{place.inside(cookie)}.sock"

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self.path)
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()))
        finally:
            connection.close()

    def hook(self) -> str:
        return self.ask("GET", "/v1/hook").body["hook"]

    def request(self, hook: str) -> Answer:
        return self.ask("PUT", "/v1/hook", {"hook": hook})

    def change(self, hook: str) -> None:
        """As soon as the last change has settled."""
        answers = []

        def accepted() -> bool:
            answers.append(self.request(hook))
            if answers[-1].status not in (200, 409):
                raise AssertionError(answers[-1])
            return answers[-1].status == 200
        wait_until(accepted, f"the change to {hook}, {answers[-1:]}")


class Case(unittest.TestCase):
    maxDiff = None

    def start(self, hook: str, *arguments: str) -> None:
        self.network = Network()
        self.addCleanup(self.network.close)
        self.firewall = self.network.firewall
        self.daemon = Daemon(self.firewall, "--hook", hook, *arguments)
        self.addCleanup(self.daemon.close)
        self.rest = Rest(self.firewall)

    def run_process(self, place: Namespace, program: str, *arguments: str) -> Process:
        process = Process(place, program, *arguments)
        self.addCleanup(process.kill)
        return process

    def rules(self, *lines: str, program: str = "iptables") -> None:
        for line in lines:
            self.firewall.output(command(True, program), *line.split())

    def forbid_and_allow(self) -> None:
        text = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n"
        for chain, (forbidden, allowed) in PORTS.items():
            text += (f"-A {chain} -p udp --dport {forbidden} -j DROP\n"
                     f"-A {chain} -p udp --dport {allowed} -j ACCEPT\n")
        for program in ("iptables", "ip6tables"):
            self.firewall.output(command(True, f"{program}-restore"), text=text + "COMMIT\n")

    def counted(self, program: str = "iptables") -> dict[int, int]:
        """Packets, by port."""
        saved = self.firewall.output(command(True, f"{program}-save"), "-c")
        return {int(port): int(packets)
                for packets, port in re.findall(r"^\[(\d+):\d+\] .* --dport (\d+) ", saved, re.M)}


class Flood(Case):
    def wait_for_ping(self, place: Namespace, address: str) -> None:
        wait_until(lambda: place.run("ping", "-n", "-c", "1", "-W", "1", address).returncode == 0,
                   f"ping to {address}")

    def flood(self) -> None:
        receive_by_napi(self.firewall, "west")
        for place in (self.network.client, self.firewall):
            for address in ("10.2.0.2", "2001:db8:2::2"):
                self.wait_for_ping(place, address)
        self.client_devices = ["c0"]
        self.lost_before: dict[str, int] = {}
        for place, device in ((self.network.client, "c0"), (self.firewall, "east")):
            self.lost_before[device] = self.lost(place, device)
        ports = list(itertools.chain.from_iterable(PORTS.values()))
        self.receivers = [self.run_process(place, RECEIVE, *map(str, ports))
                          for place in (self.firewall, self.network.server)]
        self.senders = [
            self.run_process(self.network.client, SEND,
                             *(f"{address},{port}" for chain, addresses in (
                                 ("INPUT", ("10.1.0.1", "2001:db8:1::1")),
                                 ("FORWARD", ("10.2.0.2", "2001:db8:2::2")))
                               for port in PORTS[chain] for address in addresses)),
            self.run_process(self.firewall, SEND,
                             *(f"{address},{port}" for port in PORTS["OUTPUT"]
                               for address in ("10.2.0.2", "2001:db8:2::2"))),
        ]

    def lost(self, place: Namespace, *devices: str) -> int:
        """Packets for which the kernel had no room between two ends of a veth."""
        return sum(int(place.output("cat", f"/sys/class/net/{device}/statistics/tx_dropped")) -
                   self.lost_before.get(device, 0) for device in devices)

    def end_flood(self) -> dict[str, dict[int, int]]:
        """What was sent, by program and port."""
        sent: dict[str, dict[int, int]] = {"iptables": {}, "ip6tables": {}}
        for sender in self.senders:
            for target, count in sender.end().items():
                address, port = target.split(",")
                ports = sent["ip6tables" if ":" in address else "iptables"]
                ports[int(port)] = ports.get(int(port), 0) + count
        return sent

    def check_counters(self, sent: dict[str, dict[int, int]], exactly: bool) -> None:
        """The forbidden packets have not come: they have to be in the counters, every one."""
        incoming = PORTS["INPUT"] + PORTS["FORWARD"]
        lost = self.lost(self.network.client, *self.client_devices)

        def missing() -> int:
            return sum(max(0, count - counted[program].get(port, 0))
                       for program, ports in sent.items() for port, count in ports.items())

        def complete() -> bool:
            for program in sent:
                counted[program] = self.counted(program)
            return missing() <= lost
        counted: dict[str, dict[int, int]] = {}
        wait_until(complete, f"these are counted: {sent}, not {counted}, and {lost} were lost")
        for program, ports in sent.items():
            for port, count in ports.items():
                if exactly and not (lost and port in incoming):
                    self.assertEqual(counted[program][port], count, f"{program}, port {port}")
        if exactly:
            self.assertEqual(sum(counted[program][port] for program in sent for port in incoming),
                             sum(ports[port] for ports in sent.values() for port in incoming) - lost)

    def check(self, exactly: bool = True) -> None:
        sent = self.end_flood()
        self.check_counters(sent, exactly)
        came: dict[int, int] = {}
        for receiver in self.receivers:
            for port, count in receiver.end().items():
                came[int(port)] = came.get(int(port), 0) + count
        lost = (self.lost(self.network.client, *self.client_devices) +
                self.lost(self.firewall, "east"))
        for chain, (forbidden, allowed) in PORTS.items():
            self.assertEqual(came[forbidden], 0, f"{chain}: forbidden packets have passed")
            expected = sum(ports[allowed] for ports in sent.values())
            self.assertLessEqual(came[allowed], expected, chain)
            self.assertGreaterEqual(came[allowed], expected - lost,
                                    f"{chain}: allowed packets have not come")


class Traffic(Flood):
    def test_in_every_direction(self) -> None:
        self.start("netfilter")
        self.forbid_and_allow()
        self.flood()
        for hook in ROUND * ROUNDS:
            self.rest.change(hook)
            self.assertEqual(self.rest.hook(), hook)
        self.check()
        self.assertEqual(self.daemon.stop(), "")


    def late_device(self, number: int) -> None:
        ours, theirs = f"late{number}", f"l{number}"
        macs = {ours: f"02:00:00:01:{number:02}:01", theirs: f"02:00:00:01:{number:02}:02"}
        self.firewall.ip(f"link add {ours} address {macs[ours]} type veth peer name {theirs} "
                         f"address {macs[theirs]} netns {self.network.client.pid}")
        receive_by_napi(self.firewall, ours)
        for place, device, last, peer, peer_last in ((self.firewall, ours, 1, theirs, 2),
                                                     (self.network.client, theirs, 2, ours, 1)):
            place.ip(f"addr add 10.3.{number}.{last}/24 dev {device}", f"link set {device} up",
                     f"neighbour replace 10.3.{number}.{peer_last} lladdr {macs[peer]} dev {device}")
        self.wait_for_ping(self.network.client, f"10.3.{number}.1")
        self.client_devices.append(theirs)
        self.senders.append(self.run_process(
            self.network.client, SEND,
            *(f"10.3.{number}.1,{port}" for port in PORTS["INPUT"])))

    def test_devices_that_appear_meanwhile(self) -> None:
        self.start("netfilter")
        self.forbid_and_allow()
        self.flood()
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            for number, hook in enumerate(ROUND):
                change = executor.submit(self.rest.change, hook)
                self.late_device(number)
                change.result()
        # Until their programs are attached new devices are judged at netfilter's hooks, and in
        # one moment at both.
        self.check(exactly=False)
        self.assertEqual(self.daemon.stop(), "")


class Refusals(Flood):
    def test_rules_that_the_new_hook_cannot_enforce(self) -> None:
        for rule, reason in (
                ("-A INPUT -m conntrack --ctstate DNAT -j ACCEPT",
                 "INPUT: the connection states SNAT and DNAT are known at the netfilter hook only"),
                ("-A INPUT -p udp --dport 9003 -j REJECT",
                 'target "REJECT" is carried out behind the netfilter hook only'),
                ("-A INPUT -p udp -m socket --transparent -j DROP",
                 'match "socket" is asked in front of the netfilter hook only')):
            with self.subTest(rule):
                self.start("netfilter")
                self.rules("-A INPUT -p udp --dport 9001 -j DROP", rule)
                before = self.firewall.output(command(True, "iptables"), "-S")
                for hook in ("xdp", "tc"):
                    answer = self.rest.request(hook)
                    self.assertEqual(answer.status, 409)
                    self.assertIn(reason, answer.body["error"]["reason"])
                self.assertEqual(self.rest.hook(), "netfilter")
                self.assertEqual(self.firewall.output(command(True, "iptables"), "-S"), before)
                # The other way round the rule is refused, until the hook has been left.
                self.rules(rule.replace("-A", "-D", 1))
                self.rest.change("tc")
                add = (command(True, "iptables"), *rule.split())
                self.assertNotEqual(self.firewall.run(*add).returncode, 0)
                self.rest.change("netfilter")
                wait_until(lambda: self.firewall.run(*add).returncode == 0, "the rule is taken")

    def test_another_s_xdp_program(self) -> None:
        for hook in ("netfilter", "tc"):
            with self.subTest(hook):
                self.start(hook)
                self.forbid_and_allow()
                self.firewall.output("ip", "link", "set", "east", "xdpdrv", "object",
                                     str(build() / "tests/e2e/devices/other.bpf.o"), "section", "xdp")
                self.flood()
                for _ in range(4):
                    answer = self.rest.request("xdp")
                    self.assertEqual(answer.status, 409)
                    self.assertIn("east already has an XDP program", answer.body["error"]["reason"])
                self.assertEqual(self.rest.hook(), hook)
                # west came first, and has been left again.
                self.assertNotIn("prog/xdp", self.firewall.output("ip", "link", "show", "west"))
                self.check()
                other = "tc" if hook == "netfilter" else "netfilter"
                self.rest.change(other)
                self.assertEqual(self.rest.hook(), other)

    def test_the_command(self) -> None:
        self.start("netfilter")
        program = str(build() / "src/ctl/bpf-iptablesctl")
        self.assertEqual(self.firewall.output(program, "hook"), "netfilter\n")
        self.assertEqual(self.firewall.output(program, "hook", "tc"), "tc\n")
        self.assertEqual(json.loads(self.firewall.output(program, "hook", "--json")),
                         {"hook": "tc"})
        for name in ("ebtables", "\xff", ""):
            done = self.firewall.run(program, "hook", name)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn("hook", done.stderr)
        self.assertEqual(self.rest.hook(), "tc")

    def test_what_is_no_hook(self) -> None:
        self.start("netfilter")
        for body in ({"hook": "ebtables"}, {"hook": 1}, {}, {"hook": "tc", "more": 1}, ["tc"]):
            self.assertEqual(self.rest.ask("PUT", "/v1/hook", body).status, 400, body)
        self.assertEqual(self.rest.hook(), "netfilter")


class Connections(Case):
    """Those that the one hook's tracker knows are known to the other's."""

    RULES = ("*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n{}"
             "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n")
    BEGIN = ("-A FORWARD -p tcp --dport 7100 --syn -m conntrack --ctstate NEW -j ACCEPT\n"
             "-A FORWARD -p udp --dport 7100 -m conntrack --ctstate NEW -j ACCEPT\n")

    def set_rules(self, extra: str) -> None:
        for program in ("iptables", "ip6tables"):
            self.firewall.output(command(True, f"{program}-restore"), text=self.RULES.format(extra))

    def test_they_go_on(self) -> None:
        # What begins at TC has never been known to the kernel.
        for start, hooks in (("netfilter", ROUND), ("tc", ("netfilter", "xdp"))):
            with self.subTest(start):
                self.check_that_they_go_on(start, hooks)

    def check_that_they_go_on(self, start: str, hooks: tuple[str, ...]) -> None:
        self.start(start)
        self.set_rules(self.BEGIN)
        self.run_process(self.network.server, ECHO)
        holder = self.run_process(self.network.client, HOLD).process
        # Whoever is not known is not let in any more.
        self.set_rules("")
        for hook in hooks:
            self.rest.change(hook)
            holder.stdin.write("again\n")
            holder.stdin.flush()
            self.assertEqual(holder.stdout.readline(), " ".join(["HELLO"] * 4) + "\n", hook)
        self.assertNotEqual(self.network.client.run(
            sys.executable, "-c", "import socket; socket.create_connection(('10.2.0.2', 7100), 0.5)"
        ).returncode, 0)
        self.assertEqual(self.daemon.stop(), "")


class PacketsThatWait(Case):
    """Packets that are kept by the kernel between the two places where they may be judged."""

    def test_for_a_neighbour(self) -> None:
        self.start("tc")
        self.forbid_and_allow()
        receiver = self.run_process(self.network.server, RECEIVE, *map(str, PORTS["OUTPUT"]))
        self.network.server.ip("link set s0 arp off")
        self.firewall.ip("neighbour delete 10.2.0.2 dev east")
        forbidden, allowed = PORTS["OUTPUT"]
        self.network.talk(self.firewall, f"udp,10.2.0.2,{forbidden}", f"udp,10.2.0.2,{allowed}")
        self.assertEqual(self.rest.request("netfilter").status, 200)
        self.assertEqual(self.rest.hook(), "netfilter")
        # The old programs look after these packets until they are gone.
        answer = self.rest.request("xdp")
        self.assertEqual(answer.status, 409)
        self.assertIn("still wait for", answer.body["error"]["reason"])
        self.network.server.ip("link set s0 arp on")
        wait_until(lambda: self.counted()[forbidden] > 0, "the packet is judged as it leaves")
        self.rest.change("xdp")
        self.assertEqual(receiver.end(), {str(forbidden): 0, str(allowed): 1})
        self.assertEqual({port: self.counted()[port] for port in PORTS["OUTPUT"]},
                         {forbidden: 1, allowed: 1})

    def test_for_the_rest_of_their_datagram(self) -> None:
        for hook in ("tc", "xdp"):
            with self.subTest(hook):
                self.start("netfilter")
                self.forbid_and_allow()
                receiver = self.run_process(self.firewall, RECEIVE, *map(str, PORTS["INPUT"]))
                forbidden, allowed = PORTS["INPUT"]

                def send(port: int, which: str) -> None:
                    self.network.client.output(sys.executable, "-c", FRAGMENT, "10.1.0.2",
                                               "10.1.0.1", str(port), which)
                send(forbidden, "first")
                self.rest.change(hook)
                send(forbidden, "second")
                wait_until(lambda: self.counted()[forbidden] == 1, "the datagram is judged")
                send(allowed, "first")
                send(allowed, "second")
                wait_until(lambda: self.counted()[allowed] >= 1, "the other one is judged")
                self.assertEqual(receiver.end(), {str(forbidden): 0, str(allowed): 1})


if __name__ == "__main__":
    unittest.main()
