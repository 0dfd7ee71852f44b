#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bpf-iptablesctl recent, beside the kernel's /proc/net/xt_recent: both sides filter the same packets."""

import json
import re
import socket
import unittest

from controlled import FAILED, USAGE, ctl, ctl_output
from firewall import Daemon, Filter
from network import Namespace

RULES = {
    4: ("-A INPUT -p udp --dport 7000 -m recent --set --name KNOCK",
        "-A INPUT -p udp --dport 7001 -m recent --set --name SUBNETS --mask 255.255.255.0",
        "-A INPUT -p udp --dport 7002 -m recent --update --name KNOCK --rttl"),
    6: ("-A INPUT -p udp --dport 7000 -m recent --set --name KNOCK",),
}
LISTS = ("KNOCK", "SUBNETS")
TIMES = re.compile(r"\b\d{6,}\b")


def without_times(text: str) -> list[str]:
    """The kernel lists addresses in the order of a hash with a seed."""
    return sorted(TIMES.sub("TIME", text).splitlines())


class RecentTest(unittest.TestCase):
    def setUp(self) -> None:
        self.place = Namespace()
        self.addCleanup(self.place.close)
        self.daemon = Daemon(self.place)
        self.addCleanup(self.daemon.close)
        for ours in (True, False):
            for family, rules in RULES.items():
                Filter(self.place, ours).rules(family, *rules)

    def send(self, source: str, port: int) -> None:
        def send() -> None:
            family = socket.AF_INET6 if ":" in source else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 0))
                sender.sendto(b"knock", ("::1" if ":" in source else "127.0.0.1", port))
        self.place.inside(send)

    def kernel(self, name: str) -> str:
        return self.place.output("cat", f"/proc/net/xt_recent/{name}")

    def write_kernel(self, name: str, command: str) -> None:
        self.place.output("sh", "-ec", f"echo '{command}' > /proc/net/xt_recent/{name}")

    def assert_same(self) -> None:
        for name in LISTS:
            self.assertEqual(without_times(ctl_output(self.place, "recent", name)),
                             without_times(self.kernel(name)), name)

    def test_lists_are_shown_as_the_kernel_shows_its_own(self) -> None:
        self.assertEqual(sorted(ctl_output(self.place, "recent").split()), sorted(LISTS))
        self.assert_same()
        for source in ("127.0.0.1", "127.0.0.2", "127.0.1.9", "127.0.0.2", "::1"):
            self.send(source, 7000)
        for source in ("127.0.0.1", "127.0.0.2", "127.0.1.9"):
            self.send(source, 7001)
        self.send("127.0.0.1", 7002)
        self.assertEqual(len(self.kernel("KNOCK").splitlines()), 4)
        self.assert_same()
        answer = json.loads(ctl_output(self.place, "recent", "--json", "SUBNETS"))
        self.assertEqual(answer["name"], "SUBNETS")
        self.assertEqual(without_times(answer["text"]), without_times(self.kernel("SUBNETS")))

    def test_what_is_written_does_what_it_does_in_the_kernel(self) -> None:
        self.send("127.0.0.1", 7000)
        for words, command in ((("add", "192.0.2.1"), "+192.0.2.1"),
                               (("add", "2001:db8::1"), "+2001:db8::1"),
                               (("add", "127.0.0.1"), "+127.0.0.1"),
                               (("remove", "192.0.2.1"), "-192.0.2.1"),
                               (("remove", "192.0.2.77"), "-192.0.2.77")):
            self.assertEqual(ctl_output(self.place, "recent", "KNOCK", *words), "")
            self.write_kernel("KNOCK", command)
            self.assert_same()
        self.assertEqual(len(self.kernel("KNOCK").splitlines()), 2)
        ctl_output(self.place, "recent", "KNOCK", "flush")
        self.assertEqual(ctl_output(self.place, "recent", "KNOCK"), "")

    def test_what_is_wrong_changes_nothing(self) -> None:
        self.send("127.0.0.1", 7000)
        before = ctl_output(self.place, "recent", "KNOCK")
        for status, words, said in (
                (FAILED, ("NOBODY",), "NOBODY"), (FAILED, ("NOBODY", "flush"), "NOBODY"),
                (FAILED, ("KNOCK", "add", "192.0.2"), "192.0.2"),
                (USAGE, ("KNOCK", "add"), "add ADDRESS"), (USAGE, ("KNOCK", "flush", "1"), "flush"),
                (USAGE, ("KNOCK", "drop"), "remove"), (USAGE, ("KNOCK", "add", "1" * 100), "add"),
                (USAGE, ("\udcff", "flush"), "name of a list")):
            with self.subTest(words):
                done = ctl(self.place, "recent", *words)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(said, done.stderr)
        self.assertEqual(ctl_output(self.place, "recent", "KNOCK"), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
