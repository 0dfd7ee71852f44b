#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What is left to the kernel's own targets and matches, beside the kernel's own iptables: the same
answers, log lines, messages and counters, and never a packet that passes unjudged meanwhile.
"""

import os
import re
import sys
import threading
import unittest
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "hooks"))
from firewall import COMMANDS, command
from netfilter_netlink import ACCEPT, DROP, LOG, QUEUE, Listener
from network import build
from packets import ACK, FIN, ICMP, ICMPV6, RST, SYN, TCP, UDP, icmp, icmpv6, ipv4, tcp, udp
from packets_ipv6 import fragments_ipv6, ip_packet
from side import FIREWALL, SERVER, SOURCE, WEST, Side, mac

REJECTIONS = {
    4: ["icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable",
        "icmp-port-unreachable", "icmp-net-prohibited", "icmp-host-prohibited",
        "icmp-admin-prohibited", "tcp-reset"],
    6: ["icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable",
        "icmp6-port-unreachable", "icmp6-policy-fail", "icmp6-reject-route", "tcp-reset"],
}
FAMILIES = (4, 6)
# The ends of rounds always get through.
ECHOES = {4: [f"-A {chain} -p icmp -m icmp --icmp-type echo-request -j ACCEPT"
              for chain in ("INPUT", "FORWARD")],
          6: [f"-A {chain} -p icmpv6 -m icmp6 --icmpv6-type echo-request -j ACCEPT"
              for chain in ("INPUT", "FORWARD")]}
BROADCAST = mac("ff:ff:ff:ff:ff:ff")
LOG_SWITCH = Path("/proc/sys/net/netfilter/nf_log_all_netns")
KMSG = "/dev/kmsg"


def segment(family: int, destination: str, port: int, flags: int = SYN, **more) -> bytes:
    return ip_packet(SOURCE[family], destination, TCP,
                     tcp(SOURCE[family], destination, 1025, port, flags=flags, **more))


def datagram(family: int, destination: str, port: int, payload: bytes = b"payload",
             source: str | None = None) -> bytes:
    source = source or SOURCE[family]
    return ip_packet(source, destination, UDP, udp(source, destination, 1025, port,
                                                   payload=payload))


def rejecting(family: int) -> list[str]:
    """A rule for each answer, reached from both chains."""
    rules = [":answers"]
    for port, answer in enumerate(REJECTIONS[family], 100):
        rules += [f"-A answers -p {protocol} -m {protocol} --dport {port} -j REJECT "
                  f"--reject-with {answer}"
                  for protocol in ("tcp", "udp") if protocol == "tcp" or answer != "tcp-reset"]
    return rules + ["-A answers -p esp -j REJECT", f"-A answers -p {'icmp' if family == 4 else 'icmpv6'} "
                    f"-m {'icmp --icmp-type' if family == 4 else 'icmp6 --icmpv6-type'} "
                    f"{'destination-unreachable' if family == 4 else '1'} -j REJECT",
                    "-A INPUT -j answers", "-A FORWARD -j answers",
                    *(f"-A OUTPUT -d {SOURCE[family]} -m conntrack --ctstate {state}"
                      for state in ("ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"))]


def rejected(family: int) -> list[tuple[bytes, bytes]]:
    """Packets for these rules: with answers, and such as must not be answered."""
    packets = []
    for destination in (FIREWALL[family], SERVER[family]):
        for port in range(100, 100 + len(REJECTIONS[family])):
            packets += [segment(family, destination, port, flags)
                        for flags in (SYN, ACK, SYN | ACK, FIN | ACK, RST, RST | ACK, 0)]
            packets += [datagram(family, destination, port),
                        datagram(family, destination, port, b"x" * 1400)]
            broken = bytearray(datagram(family, destination, port))
            broken[-1] ^= 1
            packets.append(bytes(broken))
        packets.append(ip_packet(SOURCE[family], destination, 50, b"\0\0\0\1" + b"\0" * 28))
        quoted = datagram(family, destination, 7)
        packets.append(ip_packet(SOURCE[family], destination, ICMP, icmp(3, 1, payload=quoted))
                       if family == 4 else
                       ip_packet(SOURCE[6], destination, ICMPV6,
                                 icmpv6(SOURCE[6], destination, 1, 1, payload=quoted)))
    with_macs = [(packet, WEST) for packet in packets]
    return with_macs + unanswered(family)


def unanswered(family: int) -> list[tuple[bytes, bytes]]:
    if family == 6:
        part = udp(SOURCE[6], FIREWALL[6], 1025, 103, payload=b"x" * 64)
        return [(datagram(6, "ff02::1", 103), mac("33:33:00:00:00:01")),
                *((piece, WEST) for piece in fragments_ipv6(SOURCE[6], FIREWALL[6], [], UDP, part,
                                                            [32, 40], identification=9))]
    part = udp(SOURCE[4], FIREWALL[4], 1025, 103, payload=b"x" * 64)
    return [(datagram(4, "10.1.0.255", 103), BROADCAST),
            (datagram(4, "255.255.255.255", 103), BROADCAST),
            (datagram(4, "224.0.0.1", 103), mac("01:00:5e:00:00:01")),
            (datagram(4, FIREWALL[4], 103), BROADCAST),
            (ipv4(SOURCE[4], FIREWALL[4], UDP, part[32:], identification=77, offset=4), WEST),
            (ipv4(SOURCE[4], FIREWALL[4], UDP, part[:32], identification=77, more_fragments=True),
             WEST)]


class Beside(unittest.TestCase):
    """Both sides, for all tests of a class."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.kernel, cls.ours = Side(ours=False), None
        cls.addClassCleanup(cls.kernel.close)
        cls.ours = Side(ours=True)
        cls.addClassCleanup(cls.ours.close)

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.kernel, self.ours

    def rules(self, family: int, *rules: str, policy: str = "ACCEPT") -> None:
        for side in self.sides:
            side.filter.rules(family, *(rule for rule in rules if rule[0] == ":"), *ECHOES[family],
                              *(rule for rule in rules if rule[0] != ":"), policy=policy)

    def same_counters(self, family: int) -> None:
        """But for the policies: the firewalls say things of their own accord."""
        self.assertEqual(*([line for line in side.filter.save(family).splitlines() if line[0] != ":"]
                           for side in self.sides))


class Rejections(Beside):
    def test_answers(self) -> None:
        for family in FAMILIES:
            with self.subTest(family=family):
                self.rules(family, *rejecting(family))
                sent = rejected(family)
                expected, answers = (side.answers(family, sent) for side in self.sides)
                self.assertGreater(len(expected), 60)
                self.assertEqual([each.hex() for each in expected],
                                 [each.hex() for each in answers])
                self.same_counters(family)

    def test_rejected_senders_are_told(self) -> None:
        for family, kind in ((4, "AF_INET"), (6, "AF_INET6")):
            self.rules(family, "-A OUTPUT -p udp -m udp --dport 99 -j REJECT",
                       "-A OUTPUT -p tcp -m tcp --dport 98 -j REJECT --reject-with tcp-reset")
            program = (f"import socket\nfor kind, port in (('SOCK_DGRAM', 99), ('SOCK_STREAM', 98)):\n"
                       f"    s = socket.socket(socket.{kind}, getattr(socket, kind))\n"
                       f"    s.settimeout(5)\n"
                       f"    try:\n        s.connect(('{SERVER[family]}', port)); s.send(b'x'); s.recv(1)\n"
                       f"    except OSError as error: print(error.errno)\n")
            told = [side.firewall.output("python3", "-c", program) for side in self.sides]
            self.assertEqual(told[0], told[1])
            self.assertEqual(len(told[0].split()), 2)
            self.same_counters(family)


class Logs(Beside):
    @contextmanager
    def logging(self) -> Iterator[None]:
        before = LOG_SWITCH.read_text()
        LOG_SWITCH.write_text("1")
        try:
            yield
        finally:
            LOG_SWITCH.write_text(before)

    def lines(self, family: int, rules: list[str], sent: list[bytes]) -> list[str]:
        """What is in the kernel's log afterwards, of the level as well."""
        found = []
        for side in self.sides:
            token = f"{os.getpid()}-{side.ours}"
            with open(KMSG, "rb", buffering=0) as log:
                os.set_blocking(log.fileno(), False)
                os.lseek(log.fileno(), 0, os.SEEK_END)
                side.filter.rules(family, *ECHOES[family],
                                  *(rule.replace("TOKEN", token) for rule in rules))
                side.answers(family, [(packet, WEST) for packet in sent])
                text = []
                while True:
                    try:
                        text.append(os.read(log.fileno(), 8192).decode())
                    except BlockingIOError:
                        break
            lines = [re.sub(r"^(\d+),\d+,\d+,(.*?);", r"\1;", record.split("\n")[0])
                     for record in text if token in record]
            found.append([re.sub(r" (ID|FLOWLBL)=\d+", "", line.replace(token, "TOKEN")) for line in lines])
        self.assertEqual(found[0], found[1])
        return found[0]

    def test_lines(self) -> None:
        with self.logging():
            for family in FAMILIES:
                rules = [
                    "-A INPUT -j LOG --log-prefix \"TOKEN in \" --log-level debug",
                    "-A FORWARD -p tcp -j LOG --log-prefix \"TOKEN tcp \" --log-tcp-sequence "
                    "--log-tcp-options --log-ip-options --log-uid --log-macdecode",
                    "-A FORWARD -p udp -j MARK --set-xmark 0x17/0xff",
                    "-A FORWARD -p udp -j LOG --log-prefix \"TOKEN udp \"",
                    "-A FORWARD -p udp -j MARK --set-xmark 0x4/0x4",
                    "-A FORWARD -p udp -j LOG --log-prefix \"TOKEN again \" --log-level emerg",
                    "-A FORWARD -p udp -j DROP",
                    "-A OUTPUT -p tcp -j LOG --log-prefix \"TOKEN out \" --log-uid",
                ]
                lines = self.lines(family, rules, [
                    datagram(family, FIREWALL[family], 5), segment(family, SERVER[family], 6),
                    datagram(family, SERVER[family], 7), segment(family, FIREWALL[family], 8)])
                self.assertGreaterEqual(len(lines), 6)

    def test_messages_to_listeners(self) -> None:
        for family in FAMILIES:
            self.rules(family, "-A INPUT -p udp -j NFLOG --nflog-group 5 --nflog-prefix \"to us\"",
                       "-A FORWARD -p udp -j NFLOG --nflog-group 5 --nflog-size 40",
                       "-A FORWARD -p udp -j DROP")
            heard = []
            for side in self.sides:
                listener = Listener(side.firewall, LOG, 5)
                self.addCleanup(listener.close)
                side.answers(family, [(datagram(family, place[family], 9), WEST)
                                      for place in (FIREWALL, SERVER)])
                heard.append([listener.packet() for _ in range(2)])
                listener.close()
            for messages in heard:
                for message in messages:
                    message.pop(3, None)  # the time
            self.assertEqual(heard[0], heard[1])
            self.same_counters(family)

    def test_what_is_lost_is_counted(self) -> None:
        """Of 30 messages that one packet is to have, 27 fit on its docket beside the verdict."""
        self.rules(4, *(f"-A FORWARD -p udp -j NFLOG --nflog-group 5 --nflog-prefix {number}"
                        for number in range(30)), "-A FORWARD -p udp -j DROP")
        before = self.lost()
        listener = Listener(self.ours.firewall, LOG, 5)
        self.addCleanup(listener.close)
        for side in self.sides:
            side.forwarded(4, [])  # what earlier tests have left
            self.assertEqual(side.forwarded(4, [datagram(4, SERVER[4], 9)]), [])
        heard = [listener.packet()[10] for _ in range(27)]
        self.assertEqual(heard, [b"%d\0" % number for number in range(27)])
        self.assertEqual(self.lost() - before, 3)
        self.same_counters(4)

    def lost(self) -> int:
        status = self.ours.firewall.output(str(build() / "src/ctl/bpf-iptablesctl"), "status")
        return int(re.search(r"^delegated +(\d+) actions lost", status, re.MULTILINE)[1])

    def test_audit_goes_on(self) -> None:
        for family in FAMILIES:
            self.rules(family, "-A FORWARD -p udp -j AUDIT --type accept",
                       "-A FORWARD -p udp -m udp --dport 2 -j DROP")
            sent = [datagram(family, SERVER[family], port) for port in (1, 2, 3)]
            arrived = [side.forwarded(family, sent) for side in self.sides]
            self.assertEqual(arrived[0], arrived[1])
            self.assertEqual(len(arrived[0]), 2)
            self.same_counters(family)


class Marks(Beside):
    def test_connection_marks_are_shifted(self) -> None:
        """What the target does to them is seen on their way out, in a table of the kernel's own."""
        for family in FAMILIES:
            self.rules(family, "-A FORWARD -p udp -m udp --dport 40 -j CONNMARK --set-xmark 0x3/0xffffffff "
                       "--left-shift-mark 4",
                       "-A FORWARD -p udp -m udp --dport 41 -j CONNMARK --set-xmark 0x30/0xffffffff "
                       "--right-shift-mark 4",
                       "-A FORWARD -p udp -m udp --dport 42 -j CONNMARK --set-xmark 0x7/0xffffffff")
            seen = []
            for side in self.sides:
                side.firewall.output(
                    command(False, f"{COMMANDS[family]}-restore"),
                    text="*mangle\n" + "".join(
                        f"-A POSTROUTING -p udp -m udp --dport {port} -m connmark --mark {mark}\n"
                        for port in (40, 41, 42) for mark in (0x30, 0x3, 0x7)) + "COMMIT\n")
                side.forwarded(family, [datagram(family, SERVER[family], port)
                                        for port in (40, 41, 42)])
                seen.append(side.firewall.output(command(False, f"{COMMANDS[family]}-save"), "-c",
                                                 "-t", "mangle").splitlines()[2:])
                side.firewall.output(command(False, COMMANDS[family]), "-t", "mangle", "-F")
            counts = [[line.split(":")[0] for line in lines if "connmark" in line] for lines in seen]
            self.assertEqual(counts[0], counts[1])
            self.assertEqual(counts[1], ["[1", "[0", "[0", "[0", "[1", "[0", "[0", "[0", "[1"])
            self.same_counters(family)


class Queues(Beside):
    def test_a_listener_decides(self) -> None:
        for family in FAMILIES:
            self.rules(family, "-A FORWARD -p udp -m udp --dport 20:29 -j NFQUEUE --queue-num 7",
                       "-A FORWARD -p udp -j DROP")
            results = []
            for side in self.sides:
                listener = Listener(side.firewall, QUEUE, 7)
                self.addCleanup(listener.close)
                for port in (20, 21, 30):
                    side.send(datagram(family, SERVER[family], port))
                packets = [listener.packet() for _ in range(2)]
                for packet, verdict in zip(packets, (ACCEPT, DROP)):
                    listener.decide(packet, verdict)
                arrived = side.forwarded(family, [])
                listener.close()
                results.append(([(each[10], each[1][4:]) for each in packets], arrived))
            self.assertEqual(results[0], results[1])
            self.assertEqual(len(results[0][1]), 1)
            self.same_counters(family)

    def test_nobody_listens(self) -> None:
        for family in FAMILIES:
            self.rules(family, "-A FORWARD -p udp -m udp --dport 20 -j NFQUEUE --queue-num 8",
                       "-A FORWARD -p udp -m udp --dport 21 -j NFQUEUE --queue-num 8 --queue-bypass",
                       "-A FORWARD -p udp -j DROP")
            arrived = [side.forwarded(family, [datagram(family, SERVER[family], port)
                                               for port in (20, 21, 22)]) for side in self.sides]
            self.assertEqual(arrived[0], arrived[1])
            self.assertEqual(len(arrived[0]), 1)


class Sets(Beside):
    def ipset(self, *lines: str) -> None:
        for side in self.sides:
            side.firewall.output("ipset", "restore", text="".join(line + "\n" for line in lines))

    def same_sets(self) -> None:
        listed = [side.firewall.output("ipset", "save") for side in self.sides]
        strip = re.compile(r"timeout \d+|initval \S+|bucketsize \d+")
        self.assertEqual(*(sorted(strip.sub("", text).splitlines()) for text in listed))

    def tearDown(self) -> None:
        for side in self.sides:
            for family in FAMILIES:
                side.filter.rules(family)
            # Nothing keeps them any more.
            side.firewall.output("ipset", "flush")
            side.firewall.output("ipset", "destroy")

    def traffic(self, family: int) -> list[bytes]:
        base = "10.1.0.%d" if family == 4 else "2001:db8:1::%x"
        return [datagram(family, destination, port, source=base % last)
                for last in range(2, 12) for port in (20, 21, 25)
                for destination in (SERVER[family], FIREWALL[family])]

    def compare(self, family: int) -> None:
        results = []
        for side in self.sides:
            arrived = side.forwarded(family, self.traffic(family))
            side.answers(family, [])
            results.append(arrived)
        self.assertEqual(results[0], results[1])
        self.same_counters(family)

    def test_types_and_directions(self) -> None:
        for family in FAMILIES:
            word = "inet" if family == 4 else "inet6"
            base = "10.1.0." if family == 4 else "2001:db8:1::"
            net = "10.1.0.8/29" if family == 4 else "2001:db8:1::8/125"
            self.ipset(
                f"create one{family} hash:ip family {word} counters",
                *(f"add one{family} {base}{last:x}" for last in (3, 5, 7)),
                f"create net{family} hash:net family {word} counters", f"add net{family} {net}",
                f"create pair{family} hash:ip,port family {word} counters",
                f"add pair{family} {base}4,udp:20", f"add pair{family} {base}5,udp:21",
                f"create through{family} hash:net,iface family {word} counters",
                f"add through{family} {net},west",
                f"create ports{family} bitmap:port range 0-100 counters", f"add ports{family} 25",
                f"create all{family} list:set counters", f"add all{family} one{family}",
                f"add all{family} net{family}")
            self.rules(
                family, f"-A FORWARD -m set --match-set pair{family} src,dst -j DROP",
                f"-A FORWARD -p udp -m set ! --match-set ports{family} dst "
                f"-m set --match-set one{family} src",
                f"-A FORWARD -m set --match-set through{family} src,src -j ACCEPT",
                f"-A FORWARD -m set ! --match-set all{family} src -j REJECT",
                f"-A FORWARD -p udp -m set --match-set ports{family} src",
                f"-A INPUT -m set --match-set one{family} src ! --update-counters",
                f"-A INPUT -p udp -m set --match-set net{family} src --return-nomatch -j DROP",
                f"-A INPUT -m set --match-set ports{family} dst --packets-gt 2 ! --update-counters "
                "! --update-subcounters")
            self.compare(family)
            self.same_sets()

    def test_changes_count_from_the_next_packet_on(self) -> None:
        self.ipset("create a hash:ip", "create b hash:ip", "add b 10.1.0.3", "add b 10.1.0.4")
        self.rules(4, "-A FORWARD -m set --match-set a src -j DROP")
        for change in ("add a 10.1.0.2", "del a 10.1.0.2", "swap a b", "flush a", "swap a b"):
            for side in self.sides:
                side.firewall.output("ipset", *change.split())
            self.compare(4)

    def test_packets_change_sets(self) -> None:
        self.ipset("create senders hash:ip,port counters", "create left hash:ip",
                   "add left 10.1.0.3", "add left 10.1.0.4")
        self.rules(4, "-A FORWARD -p udp -m udp --dport 20 -j SET --add-set senders src,dst",
                   "-A FORWARD -p udp -m udp --dport 20 -j DROP",
                   "-A FORWARD -p udp -m udp --dport 21 -j SET --del-set left src")
        self.compare(4)
        self.same_sets()

    def test_rules_that_see_what_others_change_are_refused(self) -> None:
        self.ipset("create a hash:ip")
        self.ours.filter.rules(4, "-A INPUT -j SET --add-set a src", "-A FORWARD -m set --match-set a src")
        with self.assertRaisesRegex(AssertionError, 'target "SET" changes sets'):
            self.ours.filter.rules(4, ":below", "-A INPUT -j below", "-A below -j SET --add-set a src",
                                   "-A INPUT -m set --match-set a src")

    def test_only_what_a_rule_changes_must_not_be_seen(self) -> None:
        self.ipset("create a hash:ip", "create marks hash:ip skbinfo")
        self.rules(4, "-A INPUT -j SET --add-set a src", "-A INPUT -m mark --mark 0",
                   "-A FORWARD -j CONNMARK --restore-mark", "-A FORWARD -m connmark --mark 0")
        self.compare(4)
        self.same_sets()
        for target, match in (("SET --map-set marks src --map-mark", "mark"),
                              ("CONNMARK --restore-mark", "mark"),
                              ("CONNMARK --save-mark", "connmark")):
            with self.assertRaisesRegex(AssertionError, f"target \"{target.split()[0]}\" changes"):
                self.ours.filter.rules(4, f"-A INPUT -j {target}", f"-A INPUT -m {match} --mark 1")

    def test_sets_of_rules_that_no_packet_gets_to_are_held(self) -> None:
        self.ipset("create asked hash:ip", "create changed hash:ip")
        self.rules(4, ":never", "-A never -m set --match-set asked src",
                   "-A never -j SET --add-set changed src")
        for side in self.sides:
            for name in ("asked", "changed"):
                done = side.firewall.run("ipset", "destroy", name)
                self.assertIn("in use", done.stderr)
        self.compare(4)
        self.rules(4)
        for side in self.sides:
            for name in ("asked", "changed"):
                side.firewall.output("ipset", "destroy", name)

    def test_comparing_counters_that_are_counted_is_refused(self) -> None:
        self.ipset("create a hash:ip counters")
        done = self.ours.firewall.run(
            str(Path(os.environ.get("BPF_IPTABLES_BUILD", "build")) / "src/frontend/bpf-iptables"), "-A",
            "INPUT", "-m", "set", "--match-set", "a", "src", "--packets-gt", "3")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("update-counters", done.stderr)


class Changes(Beside):
    """Nothing passes while what is delegated changes."""

    FORBIDDEN, ALLOWED = 4711, 4712

    def test_no_packet_passes_unjudged(self) -> None:
        for family in FAMILIES:
            side = self.ours
            side.row.server.sysctl(ipv6__conf__s0__disable_ipv6=0)
            drop = f"-A FORWARD -p udp -m udp --dport {self.FORBIDDEN} -j "
            variants = [
                [drop + "NFLOG --nflog-group 77", drop + "DROP"],
                [drop + "REJECT"],
                [drop + "DROP"],
                [drop + "NFLOG --nflog-group 78", drop + "NFLOG --nflog-group 79", drop + "REJECT"],
                [drop + "NFQUEUE --queue-num 99"],
                ["-A FORWARD -p udp -m set --match-set forbidden dst -j DROP"],
                ["-A FORWARD -p udp -m set --match-set forbidden dst -j REJECT"],
            ]
            side.firewall.run("ipset", "create", "forbidden", "bitmap:port", "range", "4700-4711")
            side.firewall.run("ipset", "add", "forbidden", str(self.FORBIDDEN))
            side.filter.rules(family, *variants[0])
            for port in (self.FORBIDDEN, self.ALLOWED):
                side.row.server.output(command(False, COMMANDS[family]), "-t", "raw", "-A", "PREROUTING",
                                       "-p", "udp", "--dport", str(port))
            stop = threading.Event()
            sent = [0]

            def flood() -> None:
                packets = [datagram(family, SERVER[family], port) for port in
                           (self.FORBIDDEN, self.ALLOWED)]
                while not stop.is_set() and sent[0] < 400000:
                    for packet in packets:
                        try:
                            side.send(packet)
                        except OSError:
                            continue
                    sent[0] += 1

            thread = threading.Thread(target=flood)
            thread.start()
            try:
                for number in range(60):
                    side.filter.rules(family, *variants[number % len(variants)])
            finally:
                stop.set()
                thread.join()
            arrived = side.row.server.output(
                command(False, f"{COMMANDS[family]}-save"), "-c", "-t", "raw")
            counts = {int(port): int(packets) for packets, port in
                      re.findall(r"^\[(\d+):\d+\] .*--dport (\d+)", arrived, re.M)}
            self.assertGreater(counts[self.ALLOWED], 1000)
            self.assertEqual(counts[self.FORBIDDEN], 0)
            side.filter.rules(family)
            self.assertNotIn("bpf-iptables-targets", side.firewall.output("nft", "list", "tables"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
