#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The daemon ends and begins anew in the middle of connections: nothing stays behind, and the
connections are picked up (docs/connection-tracking.md).
"""

import signal
import socket
import subprocess
import unittest
from pathlib import Path

from connection import PORT, Connection, Peers
from firewall import Daemon, Filter
from network import Row, wait_until
from on_devices import OnDevices

SO_NETNS_COOKIE = 71
KINDS = ("link", "prog", "map")
# Set by what happens, not by whom.
VOLATILE = ("/nf_conntrack_count", "/tcp_fastopen_key", "/stable_secret")


def rules(chain: str) -> list[str]:
    return [f"-A {chain} -m conntrack --ctstate ESTABLISHED -j ACCEPT",
            f"-A {chain} -p tcp --dport {PORT} --syn -m conntrack --ctstate NEW -j ACCEPT",
            f"-A {chain} -p tcp --dport {PORT} -m conntrack --ctstate NEW -j ACCEPT",
            f"-A {chain} -p tcp --sport {PORT} -m conntrack --ctstate NEW"]


class RestartTest(OnDevices, unittest.TestCase):
    maxDiff = None

    def setUp(self) -> None:
        self.row = Row()
        self.addCleanup(self.row.close)
        self.row.give_addresses()
        self.peers = Peers(self.row)
        self.addCleanup(self.peers.close)
        self.filter = Filter(self.row.firewall, ours=True)

    def start(self, hook: str) -> Daemon:
        daemon = Daemon(self.row.firewall, "--hook", hook)
        self.addCleanup(daemon.close)
        return daemon

    def control_socket(self) -> Path:
        with self.row.firewall.inside(socket.socket) as any_socket:
            cookie = any_socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        return Path(f"/run/bpf-iptables/net-{int.from_bytes(cookie, 'little')}.sock")

    def surroundings(self) -> dict[str, object]:
        """What a firewall could leave behind in its namespace."""
        place = self.row.firewall
        settings = place.run("grep", "-rs", ".", "/proc/sys/net").stdout
        return {"settings": sorted(line for line in settings.splitlines()
                                   if not any(name in line for name in VOLATILE)),
                "devices": [line for line in place.output("ip", "-details", "link").splitlines()
                            if "prog/" in line or "mtu" in line],
                # Links of netfilter's hooks it shows from everywhere.
                "attached": place.output("bpftool", "net", "show").partition("netfilter:")[0],
                "nftables": place.output("nft", "list", "ruleset")}

    def check_gone(self, objects: dict[str, set[int]], before: dict[str, object]) -> None:
        for kind, numbers in objects.items():
            self.assertTrue(numbers)
            # The kernel takes its time.
            wait_until(lambda: not any(self.exists(kind, number) for number in numbers),
                       f"no {kind} of {numbers} is left")
        self.assertEqual(self.surroundings(), before)

    @staticmethod
    def exists(kind: str, number: int) -> bool:
        return subprocess.run(["bpftool", kind, "show", "id", str(number)],
                              capture_output=True, check=False).returncode == 0

    def check(self, hook: str) -> None:
        before = self.surroundings()
        daemon = self.start(hook)
        self.assertTrue(self.control_socket().exists())
        for family in (4, 6):
            self.filter.rules(family, *rules("INPUT"), *rules("FORWARD"), policy="DROP")
        list(self.peers.everywhere())
        for number in signal.SIGTERM, signal.SIGKILL:
            daemon = self.restart(hook, daemon, number, before)
        self.assertEqual(daemon.stop(), "")
        self.assertFalse(self.control_socket().exists())

    def restart(self, hook: str, daemon: Daemon, number: int, before: dict[str, object]) -> Daemon:
        self.peers.exchange()
        objects = {kind: daemon.objects(kind) for kind in KINDS}
        saved = {family: self.filter.save(family) for family in (4, 6)}
        self.assertEqual(daemon.stop(number), "")
        self.check_gone(objects, before)
        if number == signal.SIGTERM:
            self.assertFalse(self.control_socket().exists())
        # Nobody filters now.
        connections = list(self.peers.everywhere())
        self.peers.exchange()
        daemon = self.start(hook)
        for family in (4, 6):
            self.filter.restore(family, saved[family], "--counters")
            self.assertEqual(self.filter.save(family), saved[family])
        self.check_picked_up(connections)
        for _ in self.peers.everywhere():
            self.peers.exchange()
        return daemon

    def check_picked_up(self, connections: list[Connection]) -> None:
        """Where the side that the rules allow speaks first, and where the other one does."""
        begin = {family: self.filter.counters(family) for family in (4, 6)}

        def counted(family: int, chain: str, what: str) -> int:
            rule = next(text for text in begin[family]
                        if text.startswith(f"-A {chain} ") and what in text)
            return self.filter.counters(family)[rule][0] - begin[family][rule][0]

        for connection, family, chain in zip(connections, (4, 4, 6, 6), ("INPUT", "FORWARD") * 2):
            if chain == "FORWARD":
                connection.say(far=True)
                wait_until(lambda: counted(family, chain, f"--sport {PORT}"),
                           "the server's data are new, and refused")
                connection.near.sendall(b"open")
                self.assertEqual(connection.far.recv(4), b"open")
                connection.hear(near=True)  # sent again
            connection.exchange()
            self.assertEqual(counted(family, chain, f"--dport {PORT} -m conntrack"), 1)
            self.assertEqual(counted(family, chain, "--tcp-flags"), 0)
            self.assertGreater(counted(family, chain, "ESTABLISHED"), 0)


if __name__ == "__main__":
    unittest.main()
