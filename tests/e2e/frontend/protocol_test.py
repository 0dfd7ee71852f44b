#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Daemons that refuse, break down or talk nonsense: the command fails with a word on why, and neither
turns to the kernel's filter table instead nor believes a length that it was told."""

import errno
import signal
import time
import unittest
from collections.abc import Callable

from fake_daemon import (ENTRIES_HEADER, GET_ENTRIES, GET_INFO, GET_REVISION_MATCH, HANG_UP, MAGIC,
                         RESPONSE, SET_ADD_COUNTERS, SET_REPLACE, TABLE_IN_USE, USUAL, VERSION,
                         Answer, Request, Script, for_operation)
from family import IPV6
from fixture import FrontendTest

APPEND = ("-A", "INPUT", "-p", "udp", "-m", "udp", "--dport", "53", "-j", "DROP")
LOST = "the connection to bpf-iptablesd is lost"
MALFORMED = "the answer of bpf-iptablesd is malformed"
# struct xt_entry_match: the revision comes behind the name, which is of 29 bytes.
MATCH_REVISION_OFFSET = 29


def response(error: int = 0, text_length: int = 0, length: int = 0, magic: int = MAGIC) -> bytes:
    return RESPONSE.pack(magic, error, text_length, length)


class ProtocolTest(FrontendTest):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.start_daemon()

    def altered(self, operation: int, alter: Callable[[bytes], bytes]) -> Script:
        """A script that changes the payload of the usual answer to this operation."""
        def script(request: Request) -> Answer:
            if request.operation != operation:
                return USUAL
            return Answer(payload=alter(self.daemon.usual(request).payload))
        return script

    def assert_fails(self, says: str, statuses: tuple[int, ...] = (1, 3)) -> None:
        result = self.ours("iptables", *APPEND)
        self.assertIn(result.status, statuses, f"exit status expected of\n{result}")
        self.assertEqual(result.stdout, "", str(result))
        lines = result.stderr.splitlines()
        ours = self.family.program("bpf-iptables: ")
        self.assertTrue(lines and lines[0].startswith(ours), f"our reason first\n{result}")
        self.assertIn(says, lines[0], str(result))
        self.assertEqual(result.stderr.count(ours), 1, f"the reason once\n{result}")
        self.assertGreater(len(lines), 1, f"iptables' own line after it\n{result}")
        self.assert_kernel_tables([])

    def check(self, what: str, script: Script, says: str) -> None:
        with self.subTest(what):
            self.daemon.script = script
            self.assert_fails(says)

    def test_hangs_up(self) -> None:
        for operation in (GET_REVISION_MATCH, GET_INFO, GET_ENTRIES, SET_REPLACE, SET_ADD_COUNTERS):
            self.check(f"operation {operation}", for_operation(operation, HANG_UP), LOST)

    def test_hangs_up_within_an_answer(self) -> None:
        self.check("header", for_operation(GET_INFO, response()[:7]), LOST)
        self.check("text", for_operation(SET_REPLACE, response(-22, 100) + b"no"), LOST)
        self.check("information", for_operation(GET_INFO, response(length=84) + b"filter"), LOST)
        for operation in (GET_ENTRIES, SET_REPLACE):
            self.check(f"operation {operation}", lambda request, operation=operation:
                       self.daemon.usual(request).encode()[:-5] if request.operation == operation
                       else USUAL, LOST)

    def test_header_that_cannot_be(self) -> None:
        for what, header in {
            "magic": response(magic=MAGIC ^ 1),
            "positive error": response(error=22),
            "error out of range": response(error=-5000),
            "endless text": response(error=-22, text_length=0xffffffff),
            "answer to a failure": response(error=-22, length=84) + bytes(84),
            "too long": response(length=85) + bytes(85),
            "too short": response(length=83) + bytes(83),
            "far too long": response(length=0xffffffff),
        }.items():
            self.check(what, for_operation(GET_INFO, header), MALFORMED)

    def test_lengths_other_than_asked_for(self) -> None:
        for operation in (GET_ENTRIES, SET_REPLACE):
            self.check("longer", self.altered(operation, lambda data: data + bytes(16)), MALFORMED)
            self.check("shorter", self.altered(operation, lambda data: data[:-16]), MALFORMED)
        self.check("not asked for", self.altered(SET_ADD_COUNTERS, lambda data: bytes(8)), MALFORMED)

    def test_contents_that_libiptc_would_trip_over(self) -> None:
        def numbers(entries: int, size: int) -> Callable[[bytes], bytes]:
            return lambda data: data[:76] + entries.to_bytes(4, "little") + size.to_bytes(4, "little")

        information = "bpf-iptablesd gave information about the table that cannot be"
        self.check("other table", self.altered(GET_INFO, lambda data: b"mangle" + data[6:]), information)
        self.check("size", self.altered(GET_INFO, numbers(4, 0xffffffff)), information)
        self.check("number of entries", self.altered(GET_INFO, numbers(1000, 672)), information)
        entries = "bpf-iptablesd gave entries that cannot be"
        self.check("size of entries", self.altered(
            GET_ENTRIES, lambda data: ENTRIES_HEADER.pack(b"filter", 1 << 20) + data[40:]), entries)
        self.check("table of entries", self.altered(
            GET_ENTRIES, lambda data: ENTRIES_HEADER.pack(b"nat", len(data) - 40) + data[40:]), entries)

    def test_nothing_more_is_done_after_a_break(self) -> None:
        self.daemon.script = for_operation(SET_REPLACE, HANG_UP)
        text = "*filter\n-A INPUT -j DROP\nCOMMIT\n*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n"
        result = self.ours("iptables-restore", text=text)
        self.assert_result(result, 1)
        self.assert_says(result, LOST)
        self.assert_kernel_tables([])

    def test_break_while_tables_are_listed(self) -> None:
        # The launcher asks first, and gets its answer.
        self.daemon.script = lambda request: (
            HANG_UP if self.daemon.operations().count(TABLE_IN_USE) > 1 else USUAL)
        result = self.ours("iptables-save")
        self.assert_result(result, 1, stdout="")
        self.assert_says(result, LOST)
        self.assert_says(result, f"Failed to list table names in /proc/net/{self.family.names}")

    def test_alarm_in_the_middle_of_an_answer(self) -> None:
        """iptables leaves the alarm of -w running, and its handler interrupts system calls."""
        def script(request: Request) -> Answer:
            if request.operation == GET_ENTRIES:
                await_alarm(request.client)
            return USUAL

        self.daemon.script = script
        result = self.ours("iptables", "-w", "1", "-S", "INPUT")
        self.assert_result(result, 0, stdout="-P INPUT ACCEPT\n", stderr="")


class ErrorTest(FrontendTest):
    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.start_daemon()

    def test_reason_comes_before_the_words_of_iptables(self) -> None:
        reason = "chain INPUT, rule 1: match udp: no"
        for error, status, words in (
            (errno.EINVAL, 1, "iptables: Invalid argument. Run `dmesg' for more information.\n"),
            (errno.ENOENT, 1, "iptables: No chain/target/match by that name.\n"),
            (errno.ELOOP, 1, "iptables: Too many levels of symbolic links.\n"),
            (errno.EAGAIN, 4, "iptables: Resource temporarily unavailable.\n"),
        ):
            self.daemon.script = for_operation(SET_REPLACE, Answer(error, reason))
            self.assert_result(self.ours("iptables", *APPEND), status, stdout="",
                               stderr=self.family.program(f"bpf-iptables: {reason}\n{words}"))
        self.daemon.script = for_operation(SET_REPLACE, Answer(errno.EINVAL))
        self.assert_result(self.ours("iptables", *APPEND), 1,
                           stderr=self.family.program("iptables: Invalid argument. Run `dmesg' for more "
                                                      "information.\n"))

    def test_reason_is_said_once_though_iptables_asks_twice(self) -> None:
        self.daemon.script = for_operation(GET_INFO, Answer(errno.EBUSY, "not now"))
        result = self.ours("iptables-restore", text="*filter\nCOMMIT\n")
        self.assert_result(result, 2, stdout="")
        self.assertEqual(self.daemon.operations().count(GET_INFO), 2, "questions")
        self.assertEqual(result.stderr.count(self.family.program("bpf-iptables: not now\n")), 1, str(result))

    def test_reason_cannot_steer_the_terminal(self) -> None:
        self.daemon.script = for_operation(SET_REPLACE, Answer(errno.EINVAL, "a\x1b[2Jb\nc\rd\x7fe\tf"))
        result = self.ours("iptables", *APPEND)
        self.assertTrue(result.stderr.startswith(f"{self.family.program('bpf-iptables')}: a?[2Jb c?d?e f\n"), str(result))

    def test_long_reason_is_cut(self) -> None:
        self.daemon.script = for_operation(SET_REPLACE, Answer(errno.EINVAL, "x" * 5000))
        result = self.ours("iptables", *APPEND)
        self.assert_result(result, 1)
        self.assertRegex(result.stderr, self.family.program("^bpf-iptables: x{500,600}\niptables: Invalid argument"))


class RequestTest(FrontendTest):
    def test_requests(self) -> None:
        daemon = self.start_daemon()
        for _ in range(2):
            self.assert_result(self.ours("iptables-restore", text="*filter\n-A INPUT -j DROP\nCOMMIT\n"),
                               0, stdout="", stderr="")
        self.assertEqual({(request.version, request.family) for request in daemon.requests},
                         {(VERSION, self.family.number)}, "versions and families")
        first, second = [request.payload for request in daemon.requests
                         if request.operation == SET_REPLACE]
        self.assertEqual(first[88:96], bytes(8), "the address in struct ipt_replace")
        # num_counters is that of the table before: apart from it, equal tables are equal blobs.
        self.assertEqual(first[:84] + first[88:], second[:84] + second[88:])

    def test_revision_that_the_daemon_pins(self) -> None:
        def script(request: Request) -> Answer:
            if request.operation == GET_REVISION_MATCH:
                name, revision = request.payload[:29].rstrip(b"\0"), request.payload[29]
                if name == b"conntrack" and revision > 1:
                    return Answer(errno.EPROTONOSUPPORT, "only revision 1 of conntrack")
            return USUAL

        daemon = self.start_daemon(script)
        result = self.ours("iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
        self.assert_result(result, 0, stdout="", stderr="")
        blob = next(request.payload for request in daemon.requests if request.operation == SET_REPLACE)
        self.assertEqual(blob[blob.index(b"conntrack\0") + MATCH_REVISION_OFFSET], 1, "revision sent")

    def test_extension_that_only_the_kernel_knows(self) -> None:
        daemon = self.start_daemon(for_operation(GET_REVISION_MATCH, Answer(errno.ENOENT, "unknown")))
        rule = ["POSTROUTING", "-m", "multiport", "-p", "tcp", "--dports", "1,2", "-j", "ACCEPT"]
        self.assert_result(self.ours("iptables", "-t", "nat", "-A", *rule), 0, stdout="", stderr="")
        self.assertIn(GET_REVISION_MATCH, daemon.operations(), "what the daemon was asked first")
        listed = self.legacy(self.served, "iptables", "-t", "nat", "-S", "POSTROUTING").stdout
        self.assertIn("multiport --dports 1,2", listed)


class ProtocolIpv6Test(ProtocolTest):
    family = IPV6


class ErrorIpv6Test(ErrorTest):
    family = IPV6


class RequestIpv6Test(RequestTest):
    family = IPV6


def await_alarm(pid: int) -> None:
    """Until the handler, which is for one signal only (SA_RESETHAND), has had it."""
    bit = 1 << (signal.SIGALRM - 1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/status") as status:
            caught = next(line for line in status if line.startswith("SigCgt:"))
        if not int(caught.split()[1], 16) & bit:
            return
        time.sleep(0.01)
    raise TimeoutError(f"process {pid} had no alarm")


if __name__ == "__main__":
    unittest.main(verbosity=2)
