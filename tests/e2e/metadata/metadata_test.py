#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Matches that ask for what the kernel knows about a packet, beside the kernel's own iptables: both
filter the same packets in the same namespace, and each of the same rules must count as many."""

import itertools
import os
import random
import re
import subprocess
import sys
import tempfile
import unittest

from metadata_network import TALK, Network
from network import Namespace, build, die_with_parent

START_SECONDS = 60
CHAINS = ("INPUT", "FORWARD", "OUTPUT")
COUNTED = re.compile(r"^\[(\d+):(\d+)\] (-A .*)$", re.MULTILINE)

USERS = (
    ("--reuid=1000", "--regid=1000", "--clear-groups"),
    ("--reuid=1001", "--regid=100", "--groups=2000,2001,1000"),
    ("--reuid=0", "--regid=3000", "--groups=4294967294"),
)

OWNERS = [
    "--uid-owner 0", "--uid-owner 1000", "--uid-owner 1000-1001", "! --uid-owner 1001",
    "--uid-owner 1002-4294967294", "--gid-owner 1000", "--gid-owner 100-2000", "! --gid-owner 100",
    "--gid-owner 1000 --suppl-groups", "--gid-owner 2000 --suppl-groups", "--gid-owner 2001 --suppl-groups",
    "! --gid-owner 2000-2001 --suppl-groups", "--gid-owner 4294967294 --suppl-groups",
    "--socket-exists", "! --socket-exists", "--socket-exists --uid-owner 1000",
    "! --socket-exists ! --uid-owner 1000", "! --uid-owner 0 ! --gid-owner 1000",
    "--uid-owner 0 ! --gid-owner 0",
]

MARKS = ["--mark 0", "--mark 0x10", "! --mark 0x10", "--mark 0x10/0xf0", "! --mark 0/0xff",
         "--mark 0x1/0x0", "--mark 0x12345678", "! --mark 0x12345678/0xffff0000"]

TYPES = ("UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE",
         "UNREACHABLE", "PROHIBIT", "THROW", "LOCAL,BROADCAST", "UNICAST,MULTICAST")

CONNECTION_BYTES = [
    f"{prefix}--connbytes {numbers} --connbytes-dir {direction} --connbytes-mode {mode}"
    for prefix in ("", "! ")
    for direction in ("original", "reply", "both")
    for numbers, mode in (("1:1", "packets"), ("3:", "packets"), (":300", "bytes"),
                          ("1000:100000", "bytes"), ("60:100", "avgpkt"), ("0:0", "avgpkt"))]

LABELS = ["--label 5", "! --label 5", "--label 127", "! --label 70", "--label 64"]

HELPERS = ["--helper tftp", "! --helper tftp", '--helper ""', "--helper tftp-69", "--helper tft",
           "--helper ftp", '! --helper ""']

REALMS = ["--realm 5", "! --realm 5", "--realm 0", "--realm 0x70000/0xffff0000", "--realm 0/0xffff"]


def group_rules() -> dict[str, list[str]]:
    source = ["--src-group 5", "! --src-group 5", "--src-group 0x6/0x7", "! --src-group 0x14/0xfc"]
    out = [text.replace("src", "dst") for text in source]
    return {"INPUT": source, "OUTPUT": out,
            "FORWARD": source + out + [f"{a} {b}" for a, b in zip(source, reversed(out))]}


def port_rules() -> dict[str, list[str]]:
    """-m physdev"""
    bridged = ["--physdev-is-bridged", "! --physdev-is-bridged"]
    incoming = ["--physdev-is-in", "! --physdev-is-in", "--physdev-in port1", "--physdev-in port+",
                "! --physdev-in port1", "--physdev-in other"]
    outgoing = ["--physdev-is-out", "! --physdev-is-out", "--physdev-out port2",
                "! --physdev-out port2", "--physdev-out port+"]
    mixed = [f"{a} {b}" for a, b in itertools.product(incoming, outgoing + bridged)]
    return {"INPUT": bridged + incoming, "OUTPUT": bridged + incoming,
            "FORWARD": bridged + incoming + outgoing + mixed}


def policy_rules() -> dict[str, list[str]]:
    elements = ["--pol none", "--pol ipsec", "--pol ipsec --strict --proto esp",
                "--pol ipsec --proto esp", "--pol ipsec ! --proto ah", "--pol ipsec --mode tunnel",
                "--pol ipsec --strict --reqid 1 --proto esp", "--pol ipsec --reqid 2",
                "--pol ipsec ! --reqid 2", "--pol ipsec --spi 0x1001", "--pol ipsec ! --spi 0x1001",
                "--pol ipsec --strict --mode transport --spi 0x1001 --next --proto esp",
                "--pol ipsec --strict --proto esp --next --proto esp"]
    incoming = [f"--dir in {text}" for text in elements]
    outgoing = [f"--dir out {text}" for text in elements]
    return {"INPUT": incoming, "OUTPUT": outgoing, "FORWARD": incoming + outgoing}


def type_rules() -> dict[str, list[str]]:
    plain = [f"{invert}--{side}-type {kind}" for invert in ("", "! ") for side in ("src", "dst")
             for kind in TYPES]
    plain += ["--src-type LOCAL --dst-type UNICAST", "! --src-type LOCAL --dst-type LOCAL",
              "--src-type UNICAST ! --dst-type BROADCAST"]
    limited = {way: [f"{text} --limit-iface-{way}" for text in plain] for way in ("in", "out")}
    return {"INPUT": plain + limited["in"], "OUTPUT": plain + limited["out"],
            "FORWARD": plain + limited["in"] + limited["out"]}


def ipv6_type_rules() -> dict[str, list[str]]:
    plain = [f"{invert}--{side}-type {kind}" for invert in ("", "! ") for side in ("src", "dst")
             for kind in ("UNICAST", "MULTICAST", "UNSPEC", "UNICAST,MULTICAST", "LOCAL", "ANYCAST",
                          "UNREACHABLE", "UNICAST,LOCAL", "LOCAL,UNREACHABLE")]
    limited = {way: [f"{text} --limit-iface-{way}" for text in plain] for way in ("in", "out")}
    return {"INPUT": plain + limited["in"], "OUTPUT": plain + limited["out"],
            "FORWARD": plain + limited["in"] + limited["out"]}


def rules_of(match: str, texts: list[str] | dict[str, list[str]],
             chains: tuple[str, ...] = CHAINS) -> list[str]:
    by_chain = texts if isinstance(texts, dict) else dict.fromkeys(chains, texts)
    return [f"-A {chain} -m {match} {text}" for chain in chains for text in by_chain[chain]]


class ControlGroups:
    """Of the unified hierarchy: @name, and in it, inner and empty."""

    def __init__(self, name: str) -> None:
        self.root = tempfile.mkdtemp(prefix="bpf-iptables-cgroups-")
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", self.root], check=True)
        self.path = f"{self.root}/{name}"
        for path in (self.path, f"{self.path}/inner", f"{self.path}/empty"):
            os.mkdir(path)

    def tasks(self, group: str) -> str:
        return f"{self.path}/{group}/cgroup.procs"

    def close(self) -> None:
        for path in (f"{self.path}/inner", f"{self.path}/empty", self.path):
            os.rmdir(path)
        subprocess.run(["umount", self.root], check=True)
        os.rmdir(self.root)


def start_daemon(place: Namespace) -> subprocess.Popen:
    process = subprocess.Popen(place.command(str(build() / "src/daemon/bpf-iptablesd")),
                               stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    line = process.stdout.readline()
    if line != "bpf-iptablesd: ready\n":
        raise AssertionError(f"the daemon did not start: {line}")
    return process


def setUpModule() -> None:
    if os.geteuid() != 0:
        raise unittest.SkipTest("not run as root")


class MetadataTest(unittest.TestCase):
    maxDiff = None

    def setUp(self) -> None:
        self.network = Network()
        self.addCleanup(self.network.close)
        self.daemon = start_daemon(self.network.firewall)
        self.addCleanup(self.stop_daemon)

    def stop_daemon(self) -> None:
        self.daemon.terminate()
        self.daemon.wait(START_SECONDS)
        self.daemon.stdout.close()

    def restore(self, rules: list[str], family: str = "iptables") -> None:
        """In both; counters begin at 0."""
        text = "\n".join(["*filter", *rules, "COMMIT", ""])
        place = self.network.firewall
        # The kernel's first: what it makes the kernel keep is what we have to make it keep, too.
        self.family = family
        for command in (f"{build()}/src/frontend/bpf-{family}-restore", f"{family}-legacy-restore"):
            place.output(command, text=text)

    def counters(self, command: str) -> dict[str, tuple[int, int]]:
        saved = self.network.firewall.output(command, "-c", "-t", "filter")
        return {f"{number} {match.group(3)}": (int(match.group(1)), int(match.group(2)))
                for number, match in enumerate(COUNTED.finditer(saved))}

    def compare(self, hit_at_least: int) -> None:
        """So many of the rules have counted something, and so many have not counted everything."""
        ours = self.counters(f"{build()}/src/frontend/bpf-{self.family}-save")
        kernel = self.counters(f"{self.family}-legacy-save")
        self.assertEqual(ours.keys(), kernel.keys())
        different = [f"{rule}: {ours[rule]}, in the kernel {kernel[rule]}"
                     for rule in kernel if ours[rule] != kernel[rule]]
        self.assertEqual(different, [])
        counts = {packets for packets, _ in kernel.values()}
        hit = sum(packets > 0 for packets, _ in kernel.values())
        self.assertGreaterEqual(hit, hit_at_least, f"rules that count anything, of {len(kernel)}")
        self.assertGreater(len(counts), 1, "rules count differently")

    def all_traffic(self) -> None:
        net = self.network
        talk = ("tcp,10.2.0.2,7000", "udp,10.2.0.2,7001,300", "tcp,10.2.0.2,7003",
                "none,10.2.0.2,7003", "udp,10.2.0.2,69")
        net.talk(net.client, *talk, "tcp,10.1.0.1,7000", "udp,10.1.0.1,7001", "tcp,10.1.0.1,7005",
                 "tcp,2001:db8:2::2,7000", "udp,2001:db8:1::1,7001", "none,10.1.0.255,7001",
                 "none,224.0.0.1,7001")
        for user in ((), *USERS):
            net.talk(net.firewall, *talk, "tcp,127.0.0.1,7000", "none,255.255.255.255,7",
                     "none,10.1.0.255,7", "none,239.1.2.3,7", "tcp,127.0.0.1,7005",
                     "tcp,2001:db8:2::2,7000", "none,ff02::1%lo,7", user=user)
        net.talk(net.server, "tcp,10.1.0.1,7000", "none,10.1.0.2,7", "udp,10.2.0.1,7001")
        net.talk(net.left, "tcp,10.3.0.3,7000", "udp,10.3.0.3,7001", "tcp,10.3.0.1,7000",
                 "tcp,10.2.0.2,7000", "none,10.3.0.255,7001")
        net.talk(net.right, "udp,10.2.0.2,7001", "udp,10.3.0.1,7001", "tcp,10.3.0.2,7000")

    def test_owners(self) -> None:
        for family in ("iptables", "ip6tables"):
            self.restore(rules_of("owner", OWNERS, ("OUTPUT",)), family)
            self.all_traffic()
            self.compare(12)

    def test_marks_and_realms(self) -> None:
        place = self.network.firewall
        for family in ("iptables", "ip6tables"):
            place.output(f"{family}-legacy-restore", "-n", text="\n".join([
                "*mangle", "-A PREROUTING -p udp -j MARK --set-mark 0x10",
                "-A PREROUTING -p tcp -j MARK --set-mark 0x12345678",
                "-A OUTPUT -p tcp -j MARK --set-mark 0x12340000",
                "-A OUTPUT -p udp -j CONNMARK --set-mark 0x10",
                "-A PREROUTING -p tcp -j CONNMARK --set-mark 0x1234ffff", "COMMIT", ""]))
        place.ip("route add 10.9.0.0/16 via 10.2.0.2 realm 5", "route replace 10.2.0.0/24 dev east "
                 "realm 7/5", "rule add from 10.1.0.0/24 realms 7/6")
        rules = rules_of("mark", MARKS) + rules_of("connmark", MARKS)
        self.restore(rules + rules_of("realm", REALMS))
        self.all_traffic()
        self.compare(30)
        self.restore(rules, "ip6tables")
        self.all_traffic()
        self.compare(20)

    def test_devices(self) -> None:
        self.restore(rules_of("devgroup", group_rules()) + rules_of("physdev", port_rules()) +
                     rules_of("cpu", ["--cpu 0", "! --cpu 0", "--cpu 1"], ("INPUT", "FORWARD")))
        self.all_traffic()
        self.compare(50)
        # A port that is gone while packets are compared with its name.
        self.network.firewall.ip("link set port1 name other1")
        self.all_traffic()
        self.compare(50)

    def test_connection_data(self) -> None:
        place = self.network.firewall
        place.output("iptables-legacy-restore", "-n", text="\n".join([
            "*raw", "-A PREROUTING -p udp --dport 69 -j CT --helper tftp",
            "-A OUTPUT -p udp --dport 69 -j CT --helper tftp",
            "-A PREROUTING -p udp --dport 7003 -j CT --notrack", "COMMIT",
            "*mangle", "-A PREROUTING -p tcp -m connlabel --label 5 --set",
            "-A OUTPUT -p tcp -m connlabel --label 70 --set",
            "-A PREROUTING -p udp -m connlabel --label 127 --set", "COMMIT", ""]))
        rules = (rules_of("connbytes", CONNECTION_BYTES) + rules_of("connlabel", LABELS) +
                 rules_of("helper", HELPERS))
        self.restore(rules)
        self.all_traffic()
        self.compare(70)

    def test_the_kernel_keeps_what_rules_ask_for(self) -> None:
        place = self.network.firewall
        ours = f"{build()}/src/frontend/bpf-iptables"
        place.output(ours, "-A", "OUTPUT", "-m", "connbytes", "--connbytes", "3:",
                     "--connbytes-dir", "both", "--connbytes-mode", "packets")
        self.assertEqual(place.output("sysctl", "-n", "net.netfilter.nf_conntrack_acct"), "1\n")
        self.network.talk(place, "tcp,10.2.0.2,7000")
        counted = self.counters(f"{ours}-save")
        self.assertGreater(next(iter(counted.values()))[0], 2)
        place.output(ours, "-A", "OUTPUT", "-m", "connlabel", "!", "--label", "3")
        self.assertIn("ct label set", place.output("nft", "list", "table", "ip", "bpf-iptables"))
        # The kernel sets the label only where it keeps some.
        self.network.talk(place, "udp,10.2.0.2,7001")
        place.output("iptables-legacy", "-t", "mangle", "-A", "OUTPUT", "-p", "udp", "-m",
                     "connlabel", "--label", "3", "--set")
        place.output(ours, "-F")
        place.output(ours, "-A", "OUTPUT", "-p", "udp", "-m", "connlabel", "--label", "3")
        self.network.talk(place, "udp,10.2.0.2,7001")
        self.assertEqual(next(iter(self.counters(f"{ours}-save").values()))[0], 1)
        place.output(ours, "-F")
        self.assertNotEqual(place.run("nft", "list", "table", "ip", "bpf-iptables").returncode, 0)

    def test_policies(self) -> None:
        # Packets that have policies are compared in extension_policy_test.c.
        for family in ("iptables", "ip6tables"):
            self.restore(rules_of("policy", policy_rules()), family)
            self.all_traffic()
            self.compare(4)

    def test_control_groups(self) -> None:
        name = f"bpf-iptables-test-{os.getpid()}"
        groups = ControlGroups(name)
        self.addCleanup(groups.close)
        paths = [f"{invert}--path {path}" for invert in ("", "! ")
                 for path in ("/", name, f"{name}/inner", f"{name}/empty")]
        rules = rules_of("cgroup", [*paths, "--cgroup 7", "! --cgroup 7"], ("INPUT", "OUTPUT"))
        place = self.network.firewall
        for family in ("iptables", "ip6tables"):
            self.restore(rules, family)
            for group in ("", "inner"):
                subprocess.run(["sh", "-ec", 'echo $$ > "$0"; exec "$@"', groups.tasks(group),
                                *place.command(sys.executable, "-c", TALK, "tcp,127.0.0.1,7000",
                                               "none,10.2.0.2,7001", "tcp,2001:db8:2::2,7000")],
                               check=True)
            self.all_traffic()
            self.compare(8)

    def test_address_types(self) -> None:
        self.restore(rules_of("addrtype", type_rules()))
        self.all_traffic()
        self.compare(90)
        self.restore(rules_of("addrtype", ipv6_type_rules()), "ip6tables")
        self.all_traffic()
        self.compare(40)

    def random_routes(self, numbers: random.Random) -> list[str]:
        """In 10.64.0.0/10, so that nothing else of the traffic is lost."""
        lines = ["nexthop add id 1 dev east", "nexthop add id 2 via 10.2.0.2 dev east",
                 "nexthop add id 3 blackhole", "nexthop add id 4 group 1/2",
                 "nexthop add id 5 dev west"]
        for _ in range(120):
            length = numbers.choice((10, 11, 12, 14, 16, 20, 24, 24, 28, 30, 31, 32, 32, 32))
            address = (10 << 24 | 64 << 16 | numbers.getrandbits(22)) >> (32 - length) << (32 - length)
            net = ".".join(str(byte) for byte in address.to_bytes(4, "big")) + f"/{length}"
            table = numbers.choice(("local", "local", "main"))
            kind = numbers.choice(("local", "local", "broadcast", "unicast", "anycast", "multicast",
                                   "blackhole", "unreachable", "throw", "prohibit"))
            way = numbers.choice(("dev east", "dev west", "dev lo"))
            if kind in ("blackhole", "unreachable", "throw", "prohibit"):
                way = ""
            elif numbers.random() < (0.6 if kind == "unicast" else 0.2):
                way = f"nhid {numbers.randint(1, 5)}"
            tos = numbers.choice(("", "", "", "tos 0x10"))
            metric = numbers.choice(("", "", f"metric {numbers.randint(1, 99)}"))
            lines.append(f"route append {kind} {net} {tos} {way} {metric} table {table}")
        return lines

    def check_types_of(self, addresses: list[str]) -> None:
        """As sources, which need no route, of packets that the client sends."""
        rules = [f"-A INPUT -s {address} -m addrtype --src-type {kind}{limit}"
                 for address in addresses
                 for kind in ("UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST")
                 for limit in ("", " --limit-iface-in")]
        self.restore(rules)
        place = self.network.client
        place.output("sh", "-ec", "cat > /dev/null; exec python3 -c \"$0\" \"$@\"", SEND_FROM,
                     *addresses)
        self.compare(2 * len(addresses))

    def test_types_in_random_tables(self) -> None:
        seed = int(os.environ.get("BPF_IPTABLES_SEED", random.getrandbits(32)))
        print(f"# BPF_IPTABLES_SEED={seed}", flush=True)
        numbers = random.Random(seed)
        place = self.network.firewall
        # The firewall takes packets with any source.
        place.sysctl(ipv4__conf__all__rp_filter=0, ipv4__conf__west__rp_filter=0,
                     ipv4__conf__west__accept_local=1)
        for with_rule in (False, True):
            if with_rule:
                # From now on the local table is one of its own.
                place.ip("rule add from 192.0.2.1 table 100")
            lines = self.random_routes(numbers)
            for line in lines:
                place.run("ip", *line.split())
            addresses = ["10.64.0.1", "10.127.255.255"]
            for line in lines:
                if not line.startswith("route"):
                    continue
                net = next(word for word in line.split() if "/" in word)
                base = int.from_bytes(bytes(map(int, net.split("/")[0].split("."))), "big")
                offset = numbers.getrandbits(32) % (1 << (32 - int(net.split("/")[1])))
                addresses.append(".".join(map(str, (base + offset).to_bytes(4, "big"))))
            self.check_types_of(sorted(set(addresses)))


# Raw packets, so that the sources may be anybody's.
SEND_FROM = """
import socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
    for address in sys.argv[1:]:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0)
        packet = header + socket.inet_aton(address) + socket.inet_aton("10.1.0.1")
        sender.sendto(packet + struct.pack("!HHHH", 7, 7, 8, 0), ("10.1.0.1", 0))
"""


if __name__ == "__main__":
    unittest.main(verbosity=2)
