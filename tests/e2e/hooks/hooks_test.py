#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The hooks on devices, beside the kernel's own iptables: the same rules and the same traffic in two
networks of a client, a firewall and a server must give the same counters."""

import subprocess
import sys
import unittest

from firewall import COMMANDS, Daemon, Filter, command
from network import Namespace, Row, build, die_with_parent, wait_until
from on_devices import OnDevices

RULES = {
    4: """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:services - [0:0]
-A INPUT -m addrtype --dst-type LOCAL
-A INPUT -m addrtype ! --dst-type UNICAST --limit-iface-in
-A FORWARD -m addrtype --src-type UNICAST ! --dst-type LOCAL,BROADCAST
-A OUTPUT -m addrtype --src-type LOCAL --dst-type UNICAST --limit-iface-out
-A INPUT -i lo -j ACCEPT
-A INPUT -p icmp --icmp-type echo-request -m conntrack --ctstate NEW -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i west -o east -m conntrack --ctstate NEW -j services
-A services -p tcp --dport 7000 -j ACCEPT
-A services -p udp --dport 7001 -m ttl --ttl-eq 63 -j ACCEPT
-A services -p icmp -j ACCEPT
-A OUTPUT -o east -p udp --dport 7002 -j DROP
-A OUTPUT -o lo
COMMIT
""",
    6: """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p ipv6-icmp --icmpv6-type neighbour-solicitation -j ACCEPT
-A INPUT -p ipv6-icmp --icmpv6-type neighbour-advertisement -j ACCEPT
-A INPUT -p ipv6-icmp --icmpv6-type echo-request -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i west -p tcp --dport 7000 -m conntrack --ctstate NEW -j ACCEPT
COMMIT
""",
}

SERVE = """
import socket, sys, threading
def tcp(family, address):
    listener = socket.create_server((address, 7000), family=family)
    def serve():
        while True:
            peer, _ = listener.accept()
            peer.sendall(peer.recv(100).upper())
            peer.close()
    threading.Thread(target=serve).start()
def udp(port):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("10.2.0.2", port))
    def serve():
        while True:
            data, sender = receiver.recvfrom(1000)
            receiver.sendto(data.upper(), sender)
    threading.Thread(target=serve).start()
tcp(socket.AF_INET, "10.2.0.2")
tcp(socket.AF_INET6, "2001:db8:2::2")
udp(7001)
print("ready", flush=True)
"""

# Each prints what came of it.
TALK = """
import errno, socket, sys
def tcp(address, port):
    # Nobody answers at other ports: give up before the first retransmission.
    try:
        with socket.create_connection((address, port), timeout=10 if port == 7000 else 0.3) as peer:
            peer.sendall(b"hello")
            answer = b""
            while piece := peer.recv(100):
                answer += piece
            return answer.decode()
    except OSError:
        return "nothing"
def udp(address, port, options=0):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(10 if port == 7001 else 0.3)
        if options:
            peer.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([1]) * options)
        try:
            peer.sendto(b"hello" * (1 + options), (address, port))
            return peer.recv(1000).decode()
        except OSError:
            return "nothing"
for kind, address, port, *options in (argument.split(",") for argument in sys.argv[1:]):
    print(kind, port, *options,
          {"tcp": tcp, "udp": udp}[kind](address, int(port), *map(int, options)))
"""


# An IPv6 packet whose header claims more than there is.
LIE = """
import socket, struct
address = socket.inet_pton(socket.AF_INET6, "2001:db8:2::2")
source = socket.inet_pton(socket.AF_INET6, "2001:db8:2::1")
udp = struct.pack("!HHHH", 1, 2, 8, 0)
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
    try:
        sender.sendto(struct.pack("!IHBB", 6 << 28, 1000, 17, 64) + source + address + udp,
                      ("2001:db8:2::2", 0))
    except OSError:
        pass
"""


class Network(Row):
    """With a server that answers."""

    def __init__(self) -> None:
        super().__init__()
        self.give_addresses()
        self.server_process: subprocess.Popen | None = None
        self.serve()

    def serve(self) -> None:
        self.server_process = subprocess.Popen(
            self.server.command(sys.executable, "-c", SERVE), stdout=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent)
        assert self.server_process.stdout.readline() == "ready\n"

    def close(self) -> None:
        if self.server_process:
            self.server_process.kill()
            self.server_process.wait()
            self.server_process.stdout.close()
        super().close()

    def talk(self, place: Namespace, *what: str) -> str:
        return place.output(sys.executable, "-c", TALK, *what)

    def traffic(self) -> list[str]:
        ping = ("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1")
        return [
            self.talk(self.client, "tcp,10.2.0.2,7000", "udp,10.2.0.2,7001", "tcp,10.2.0.2,7003",
                      "udp,10.2.0.2,7003", "tcp,10.1.0.1,7004", "tcp,2001:db8:2::2,7000",
                      "tcp,2001:db8:2::2,7003"),
            # Behind IP options of so many bytes.
            self.talk(self.client, *(f"udp,10.2.0.2,{port},{options}" for port in (7001, 7003)
                                     for options in (4, 20, 40))),
            *(str(self.client.run(*ping, address).returncode)
              for address in ("10.1.0.1", "10.2.0.2", "2001:db8:1::1", "2001:db8:2::2")),
            str(self.firewall.run(*ping, "127.0.0.1").returncode),
            str(self.firewall.run(*ping, "10.2.0.2").returncode),
            self.talk(self.firewall, "udp,10.2.0.2,7002"),
            # It comes from outside: nobody has asked.
            str(self.server.run(*ping, "10.1.0.2").returncode),
        ]


def play(network: Network, ours: bool) -> tuple[list[str], dict[int, str]]:
    """What came of the traffic, and the counters."""
    rules = Filter(network.firewall, ours)
    for family in COMMANDS:
        rules.restore(family, RULES[family])
    return network.traffic(), {family: rules.save(family) for family in COMMANDS}


class Hooks(OnDevices, unittest.TestCase):
    maxDiff = None

    def network(self) -> Network:
        network = Network()
        self.addCleanup(network.close)
        return network

    def daemon(self, network: Network, hook: str) -> Daemon:
        daemon = Daemon(network.firewall, "--hook", hook)
        self.addCleanup(daemon.close)
        return daemon

    def check(self, hook: str) -> None:
        reference, ours = self.network(), self.network()
        daemon = self.daemon(ours, hook)
        expected = play(reference, ours=False)
        got = play(ours, ours=True)
        self.assertEqual(got[0], expected[0])
        # IPv6 discovers neighbours when it likes to.
        self.assertEqual(got[1][4], expected[1][4])
        self.assertIn("HELLO", got[0][0])
        self.assertEqual(daemon.stop(), "")
        # Nothing is left: what was dropped passes.
        self.assertIn("HELLO", ours.talk(ours.client, "udp,10.2.0.2,7001"))

    def test_a_sender_cannot_get_past_by_a_wrong_length(self) -> None:
        network = self.network()
        self.daemon(network, "tc")
        rules = Filter(network.firewall, ours=True)
        rules.rules(6, "-A OUTPUT -p udp -j DROP")
        network.firewall.output(sys.executable, "-c", LIE)
        wait_until(lambda: rules.counters(6)["-A OUTPUT -p udp -j DROP"] == (1, 48),
                   "the rule's counter")

    def test_states_of_address_translation_are_refused(self) -> None:
        network = self.network()
        self.daemon(network, "tc")
        done = network.firewall.run(command(True, "iptables"), "-A", "INPUT", "-m", "conntrack",
                                    "--ctstate", "DNAT", "-j", "ACCEPT")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--hook netfilter", done.stderr)
        self.assertNotIn("DNAT", Filter(network.firewall, ours=True).save(4))

    def test_what_no_device_knows_is_refused(self) -> None:
        network = self.network()
        self.daemon(network, "xdp")
        for match in (("mark", "--mark", "1"), ("owner", "--uid-owner", "0"),
                      ("connmark", "--mark", "1")):
            done = network.firewall.run(command(True, "iptables"), "-A", "OUTPUT", "-m", *match)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr, f'OUTPUT rule 1: .*"{match[0]}".*--hook netfilter')
        self.assertNotIn("-A OUTPUT", Filter(network.firewall, ours=True).save(4))

    def test_sizes_that_make_no_sense_are_refused(self) -> None:
        network = self.network()
        for arguments in (("--connections", "0"), ("--half-open", "many"),
                          ("--connections", "-1"), ("--connections", "4294967295")):
            done = network.firewall.run(str(build() / "src/daemon/bpf-iptablesd"), "--hook", "tc",
                                        *arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("connection", done.stderr)

    def test_a_device_that_is_not_covered_is_judged_at_netfilters_hooks(self) -> None:
        network = self.network()
        self.daemon(network, "xdp")
        rules = Filter(network.firewall, ours=True)
        rules.rules(4, "-A FORWARD -i north -j DROP")
        late = Namespace()
        self.addCleanup(late.close)
        network.firewall.ip(f"link add north type veth peer name n0 netns {late.pid}",
                            "addr add 10.3.0.1/24 dev north", "link set north up")
        late.ip("addr add 10.3.0.2/24 dev n0", "link set n0 up", "route add default via 10.3.0.1")
        ping = ("ping", "-n", "-c", "1", "-W", "1", "10.2.0.2")
        self.assertNotEqual(late.run(*ping).returncode, 0)
        self.assertGreater(rules.packets(4, "-i north"), 0)

    def test_a_device_with_a_great_number_is_judged_once(self) -> None:
        network = self.network()
        far = Namespace()
        self.addCleanup(far.close)
        network.firewall.ip(f"link add north index 70000 type veth peer name n0 netns {far.pid}",
                            "addr add 10.3.0.1/24 dev north", "link set north up")
        far.ip("addr add 10.3.0.2/24 dev n0", "link set n0 up")
        self.daemon(network, "xdp")
        rules = Filter(network.firewall, ours=True)
        rules.rules(4, "-A INPUT -i north -p icmp -j ACCEPT")
        self.assertEqual(far.run("ping", "-n", "-c", "3", "-i", "0.01", "10.3.0.1").returncode, 0)
        self.assertEqual(rules.packets(4, "-i north"), 3)


if __name__ == "__main__":
    unittest.main()
