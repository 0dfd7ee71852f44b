#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The REST socket, and clients that do not behave: whatever they do, the daemon goes on filtering, takes
commands, and answers those that do behave."""

import json
import os
import random
import resource
import socket
import struct
import subprocess
import sys
import unittest
from pathlib import Path

from controlled import ControlledTest, command, connections, ctl_output, socket_path
from network import PATIENCE, Namespace, build, die_with_parent, wait_until

ACCEPT_NEW = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT
COMMIT
"""

GET_ALL = b"GET /v1/connections HTTP/1.1\r\nHost: x\r\n\r\n"
GET_STATUS = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

CLIENTS = 64  # REST_SERVER_CLIENTS

# Connects as somebody else to what everybody may connect to.
NOBODY = """
import os, socket, sys
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    try:
        client.sendall(b"GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    except BrokenPipeError:
        pass  # the answer does not depend on it
    try:
        while piece := client.recv(4096):
            sys.stdout.buffer.write(piece)
    except ConnectionResetError:
        pass
"""


def udp_packets(mac: bytes, first: int, count: int) -> list[bytes]:
    """To the firewall's port 9, each of a connection of its own: 50,000 ports of as many hosts as it takes."""
    packets = []
    for number in range(first, first + count):
        host, port = divmod(number, 50000)
        header = struct.pack("!BBHHHBBHII", 0x45, 0, 28, 0, 0, 64, socket.IPPROTO_UDP, 0,
                             0x0a010002 + host, 0x0a010001)
        total = sum(struct.unpack("!10H", header))
        total = (total & 0xffff) + (total >> 16)
        header = header[:10] + struct.pack("!H", 0xffff - total) + header[12:]
        packets.append(mac + b"\x02\0\0\0\0\x01\x08\x00" + header
                       + struct.pack("!HHHH", 10000 + port, 9, 8, 0))
    return packets


class Clients(ControlledTest):
    def setUp(self) -> None:
        self.place, self.client = Namespace(), Namespace()
        self.addCleanup(self.place.close)
        self.addCleanup(self.client.close)
        self.place.ip(f"link add west type veth peer name c0 netns {self.client.pid}",
                      "addr add 10.1.0.1/24 dev west", "link set west up")
        self.client.ip("link set c0 up")
        self.served = self.daemon(self.place, "--hook", "tc", "--half-open", "100000")
        self.restore(self.place, {"iptables": ACCEPT_NEW})
        self.path = socket_path(self.place)
        self.sender = self.client.packet_socket("c0")
        self.addCleanup(self.sender.close)

    def tearDown(self) -> None:
        if self.served.process.poll() is None:
            self.assertEqual(self.served.stop(), "")
        self.assertEqual(self.served.process.returncode, 0)

    def track(self, first: int, count: int) -> None:
        for packet in udp_packets(self.place.mac("west"), first, count):
            self.sender.send(packet)

    def await_connections(self, count: int) -> None:
        wait_until(lambda: json.loads(ctl_output(self.place, "status", "--json"))
                   ["tracker"]["half_open"]["connections"] >= count, f"{count} connections")

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(PATIENCE)
        client.connect(self.path)
        return client

    @staticmethod
    def read_all(client: socket.socket) -> bytes:
        """What comes until the daemon closes; a reset is a way to close, too."""
        read = b""
        try:
            while piece := client.recv(1 << 16):
                read += piece
        except ConnectionResetError:
            pass
        return read

    def ask(self, request: bytes) -> bytes:
        client = self.connect()
        try:
            client.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough
        return self.read_all(client)

    def files(self) -> int:
        """Later there may be fewer: a connection of a moment ago was still there."""
        return len(os.listdir(f"/proc/{self.served.process.pid}/fd"))

    def assert_well(self) -> None:
        self.assertIsNone(self.served.process.poll())
        self.assertIn(b"200 OK", self.ask(GET_STATUS))
        self.assertIn("--ctstate NEW", self.place.output(command(True, "iptables"), "-S"))

    def assert_status(self, answer: bytes, status: int, field: str | None) -> None:
        header, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(f"HTTP/1.1 {status} ".encode(), header)
        error = json.loads(body)["error"]
        self.assertEqual(error["field"], field)
        self.assertTrue(error["reason"])


class Requests(Clients):
    def test_what_is_wrong_is_named(self) -> None:
        def ask(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
            lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
            return self.ask("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

        self.assert_status(ask("GET", "/"), 404, "path")
        self.assert_status(ask("GET", "/v1/connections/"), 404, "path")
        self.assert_status(ask("GET", "/v1/status%00/more"), 404, "path")
        self.assert_status(ask("GET", "/v2/status"), 404, "path")
        answer = ask("POST", "/v1/connections", "Content-Length: 0")
        self.assert_status(answer, 405, "method")
        self.assertIn(b"Allow: GET, DELETE\r\n", answer)
        self.assert_status(ask("GET", "/v1/connections?colour=red"), 400, "colour")
        self.assert_status(ask("GET", "/v1/connections?sport"), 400, "sport")
        self.assert_status(ask("GET", "/v1/connections?sport=1&sport=1"), 400, "sport")
        self.assert_status(ask("DELETE", "/v1/connections?sport=1%00"), 400, "sport")
        self.assert_status(ask("DELETE", "/v1/connections?source="), 400, "source")
        self.assert_status(ask("DELETE", "/v1/connections?source=%ff%fe"), 400, "source")
        self.assert_status(ask("DELETE", "/v1/connections", "Content-Length: 2", body=b"{}"), 413,
                           "body")
        self.assert_status(ask("DELETE", "/v1/connections", "Content-Length: 99999999999"), 413,
                           "body")
        self.assert_status(ask("DELETE", "/v1/connections", "Transfer-Encoding: chunked",
                               body=b"2\r\n{}\r\n0\r\n\r\n"), 413, "body")
        self.assert_well()

    def test_forms_of_http(self) -> None:
        self.track(0, 3)
        self.await_connections(3)
        for version, ending in (("1.0", b"\n]\n"), ("1.1", b"0\r\n\r\n")):
            request = f"GET /v1/connections HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n"
            answer = self.ask(request.encode())
            self.assertIn(b"200 OK\r\n", answer)
            self.assertEqual(answer.count(b'"dport":9'), 3)
            self.assertTrue(answer.endswith(ending), answer)
        for path in ("status", "connections"):
            request = f"HEAD /v1/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            answer = self.ask(request.encode())
            self.assertIn(b"200 OK\r\n", answer)
            self.assertTrue(answer.endswith(b"\r\n\r\n") and b"{" not in answer, answer)
        # One request after the other, sent at once.
        answer = self.ask(GET_ALL * 3 + GET_STATUS)
        self.assertEqual(answer.count(b"200 OK\r\n"), 4)
        self.assertEqual(answer.count(b'"dport":9'), 9)

    def test_nothing_is_flushed_by_mistake(self) -> None:
        self.track(0, 10)
        self.await_connections(10)
        for request in (b"DELETE /v1/connections?=", b"DELETE /v1/connections?&",
                        b"DELETE /v1/connections?source", b"DELETE /v1/connections?Source=10.0.0.1",
                        b"DELETE /v1/connections/10.0.0.1", b"DELETE /v1/connections;source=10.0.0.1",
                        b"GET /v1/connections?method=DELETE"):
            self.ask(request + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            with self.subTest(request):
                self.assertEqual(len(connections(self.place)), 10)

    def test_garbage(self) -> None:
        generator = random.Random(1)
        requests = [b"", b"\r\n" * 1000, b"GET\r\n\r\n", b"GET /v1/status\r\n\r\n", b"\0" * 5000,
                    b"\x16\x03\x01\x02\x00\x01\x00", b"GET /v1/status HTTP/9.9\r\n\r\n",
                    b"GET /v1/status HTTP/1.1\r\nContent-Length: -1\r\nHost: x\r\n\r\n",
                    b"GET /v1/status HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\nHost: x\r\n\r\n",
                    b"PUT /v1/status HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
                    b"A" * 100000, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                    b"GET /v1/status?" + b"a=b&" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
                    b"GET /v1/status HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 1000000 + b"\r\n\r\n"]
        requests += [generator.randbytes(generator.randrange(1, 3000)) for _ in range(200)]
        for _ in range(200):
            mutated = bytearray(GET_STATUS)
            for _ in range(generator.randrange(1, 4)):
                mutated[generator.randrange(len(mutated))] = generator.randrange(256)
            requests.append(bytes(mutated))
        before = self.files()
        for request in requests:
            client = self.connect()
            try:
                client.sendall(request)
            except OSError:
                pass  # the daemon need not hear all of it
            client.close()
        wait_until(lambda: self.files() <= before, "the connections to be closed")
        self.assert_well()

    def test_only_root_is_served(self) -> None:
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.path).st_uid, 0)
        # Where everybody may go; the daemon has to look for itself.
        other = Path(f"/run/bipt-rest-{os.getpid()}.sock")
        os.link(self.path, other)
        self.addCleanup(other.unlink)
        os.chmod(other, 0o666)
        done = subprocess.run([sys.executable, "-c", NOBODY, str(other)], stdout=subprocess.PIPE,
                              timeout=PATIENCE)
        self.assert_status(done.stdout, 403, "user")
        self.assert_well()

    def test_without_files_clients_wait(self) -> None:
        _, most = resource.prlimit(self.served.process.pid, resource.RLIMIT_NOFILE)
        client = self.connect()
        client.sendall(GET_ALL)
        self.assertIn(b"200 OK", client.recv(1 << 16))
        resource.prlimit(self.served.process.pid, resource.RLIMIT_NOFILE, (self.files(), most))
        waiting = self.connect()
        waiting.sendall(GET_STATUS)
        # Who is there is served.
        client.sendall(GET_STATUS)
        self.assertIn(b"200 OK", self.read_all(client))
        resource.prlimit(self.served.process.pid, resource.RLIMIT_NOFILE, (most, most))
        self.assertIn(b"200 OK", self.read_all(waiting))

    def test_the_socket_goes_with_the_daemon(self) -> None:
        client = self.connect()
        client.sendall(GET_ALL[:20])
        self.assertEqual(self.served.stop(), "")
        self.assertEqual(self.read_all(client), b"")
        self.assertFalse(os.path.exists(self.path))


class Streams(Clients):
    CONNECTIONS = 20000

    def setUp(self) -> None:
        super().setUp()
        self.track(0, self.CONNECTIONS)
        self.await_connections(self.CONNECTIONS)

    def test_what_stays_is_listed_once_while_others_come_and_go(self) -> None:
        constant = {10000 + number for number in range(self.CONNECTIONS)}
        listing = subprocess.Popen(
            self.place.command(str(build() / "src/ctl/bpf-iptablesctl"), "conntrack", "--json"),
            stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        reading = self.connect()
        reading.sendall(GET_ALL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        # Of another host: they come while the listing is under way, and the first of them go.
        self.track(50000, 20000)
        ctl_output(self.place, "conntrack", "delete", "-s", "10.1.0.3")
        self.track(50000, 20000)
        # It was stopped by the socket's buffer, and goes on now.
        slow = self.read_all(reading)
        output, _ = listing.communicate(timeout=PATIENCE)
        self.assertTrue(slow.endswith(b"0\r\n\r\n"))
        for listed in (json.loads(output), connections(self.place)):
            tuples = [(c["original"]["source"], c["original"]["sport"]) for c in listed]
            self.assertEqual(len(tuples), len(set(tuples)))
            self.assertEqual({port for host, port in tuples if host == "10.1.0.2"}, constant)

    def test_clients_that_go_away_leave_nothing(self) -> None:
        before = self.files()
        for number in range(60):
            client = self.connect()
            client.sendall(GET_ALL)
            if number % 2:
                client.recv(1000)
            client.close()
        wait_until(lambda: self.files() <= before, "the connections to be closed")
        self.assert_well()
        self.assertEqual(len(connections(self.place)), self.CONNECTIONS)

    def test_many_at_once_are_all_answered(self) -> None:
        clients = [self.connect() for _ in range(3 * CLIENTS)]
        for client in clients:
            client.sendall(b"GET /v1/connections/count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for client in clients:
            self.assertIn(b'{"connections":%d}' % self.CONNECTIONS, self.read_all(client))


class SlowClients(Clients):
    @staticmethod
    def is_thrown_out(client: socket.socket) -> bool:
        try:
            client.send(b"G")
        except OSError:
            return True
        return False

    def test_they_lose_their_place(self) -> None:
        """Silent ones, some that trickle, and some that do not read: none keeps the others out."""
        self.track(0, 20000)
        self.await_connections(20000)
        before = self.files()
        trickling = self.connect()
        stuck = [self.connect() for _ in range(10)]
        for client in stuck:
            client.sendall(GET_ALL)
        silent = [self.connect() for _ in range(CLIENTS)]
        for client in silent[::2]:
            client.sendall(GET_STATUS[:30])
        # The commands are not in their way.
        for _ in range(20):
            self.place.output(command(True, "iptables"), "-S")
        # This one has to wait until there is a place.
        status = subprocess.Popen(
            self.place.command(str(build() / "src/ctl/bpf-iptablesctl"), "status"),
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        wait_until(lambda: self.is_thrown_out(trickling), "the end of a client that is never silent")
        output, _ = status.communicate(timeout=2 * PATIENCE)
        self.assertIn("hook        tc", output)
        for client in stuck:
            answer = self.read_all(client)
            self.assertIn(b"200 OK", answer)
            self.assertFalse(answer.endswith(b"0\r\n\r\n"), "it was thrown out, and got all")
        for client in silent:
            self.assertEqual(self.read_all(client)[:9] or b"HTTP/1.1 ", b"HTTP/1.1 ")
        wait_until(lambda: self.files() <= before, "the connections to be closed")
        self.assert_well()


if __name__ == "__main__":
    unittest.main()
