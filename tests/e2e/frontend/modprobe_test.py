#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""modprobe is not started for the filter table, whatever the kernel has; for the kernel's own tables it
still is, when the kernel says that it lacks ip_tables.

A kernel without ip_tables is played by an empty directory in the place of /proc/net (libxtables looks
whether ip_tables_names is there) and a seccomp filter that answers ENOPROTOOPT to all of ip_tables'
options, and ip6_tables'. modprobe is a script, given by --modprobe, that writes down how it was called."""

import errno
import sys
import unittest

from fake_daemon import (GET_ENTRIES, GET_INFO, GET_REVISION_MATCH, GET_REVISION_TARGET, HANG_UP,
                         SET_REPLACE, USUAL, Answer, Request)
from family import IPV6
from fixture import LEGACY, FrontendTest
from namespace import Result

# Runs a command with getsockopt(SOL_IP or SOL_IPV6, 64 ...) failing as in a kernel that has no ip_tables.
WITHOUT_TABLES = f"""#!{sys.executable} -I
import ctypes, errno, os, platform, struct, sys
ALLOW, ERRNO, LOAD, EQUAL, AT_LEAST, RETURN = 0x7fff0000, 0x50000, 0x20, 0x15, 0x35, 0x06
getsockopt = {{"x86_64": 55, "aarch64": 209}}[platform.machine()]
# Offsets in struct seccomp_data: number 0, level 24, option 32.
program = [(LOAD, 0, 0, 0), (EQUAL, 0, 7, getsockopt), (LOAD, 0, 0, 24), (EQUAL, 1, 0, 0), (EQUAL, 0, 4, 41),
           (LOAD, 0, 0, 32), (AT_LEAST, 0, 2, 64), (AT_LEAST, 1, 0, 70),
           (RETURN, 0, 0, ERRNO | errno.ENOPROTOOPT), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
filter = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
if ctypes.CDLL(None, use_errno=True).prctl(22, 2, filter) != 0:
    raise OSError(ctypes.get_errno(), "seccomp")
os.execv(sys.argv[1], sys.argv[1:])
"""


class ModprobeTest(FrontendTest):
    def setUp(self) -> None:
        super().setUp()
        self.calls = self.directory / "calls"
        self.modprobe = self.script("modprobe", f'#!/bin/sh\necho "$@" >>{self.calls}\n')
        self.without_tables = self.script("without-tables", WITHOUT_TABLES)

    def run_without_tables(self, *command: str) -> Result:
        # The shell is replaced by the command, so it is the process whose directory is covered.
        return self.run_replaced({}, [str(self.without_tables), *command],
                                 "mount -t tmpfs none /proc/$$/net")

    def ours_without_tables(self, program: str, *arguments: str) -> Result:
        return self.run_without_tables(str(self.command(program)), "-M", str(self.modprobe),
                                       *arguments)

    def modprobe_calls(self) -> list[str]:
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return calls

    def test_iptables_itself_would_start_it(self) -> None:
        result = self.run_without_tables(LEGACY[self.family.program("iptables")], "-M", str(self.modprobe), "-S")
        self.assert_result(result, 3)
        self.assert_says(result, "iptables who? (do you need to insmod?)")
        self.assertEqual(self.modprobe_calls(), [self.family.module])

    def test_not_for_the_filter_table(self) -> None:
        self.start_daemon()
        for program, arguments in (
            ("iptables", ["-S"]),
            ("iptables", ["-A", "INPUT", "-p", "tcp", "-m", "conntrack", "--ctstate", "NEW",
                          "-m", "multiport", "--dports", "1,2", "-j", "DROP"]),
            ("iptables", ["-D", "INPUT", "1"]),
            ("iptables", ["-L", "nowhere"]),
            ("iptables-save", ["-t", "filter"]),
        ):
            result = self.ours_without_tables(program, *arguments)
            self.assert_result(result, 1 if "nowhere" in arguments else 0)
            self.assertEqual(self.modprobe_calls(), [], f"calls of modprobe by {program} {arguments}")

    def test_not_when_the_daemon_fails(self) -> None:
        for operation in (GET_REVISION_MATCH, GET_INFO, GET_ENTRIES, SET_REPLACE):
            daemon = self.start_daemon(
                lambda request, operation=operation: HANG_UP if request.operation == operation else USUAL)
            result = self.ours_without_tables("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "1")
            self.assertNotEqual(result.status, 0, str(result))
            self.assert_says(result, "the connection to bpf-iptablesd is lost")
            self.assertEqual(self.modprobe_calls(), [], f"calls after operation {operation} failed")
            daemon.script = None
            self.served = self.namespace("served")

    def test_for_a_table_of_the_kernel(self) -> None:
        self.start_daemon()
        result = self.ours_without_tables("iptables", "-t", "nat", "-S")
        self.assert_result(result, 3, stdout="")
        self.assert_says(result, "iptables who? (do you need to insmod?)")
        self.assertEqual(self.modprobe_calls(), [self.family.module])

    def test_for_an_extension_that_only_the_kernel_can_know(self) -> None:
        def script(request: Request) -> Answer:
            if request.operation in (GET_REVISION_MATCH, GET_REVISION_TARGET):
                return Answer(errno.ENOENT)
            return USUAL

        self.start_daemon(script)
        self.ours_without_tables("iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
        self.assertEqual(self.modprobe_calls()[0], f"{self.family.module} -q")

    def test_list_of_tables_where_the_kernel_has_none(self) -> None:
        """iptables-save then takes it that no table is in use; the daemon's may be."""
        self.start_daemon()
        self.assert_result(self.ours_without_tables("iptables-save"), 0, stdout="", stderr="")
        self.assert_result(self.ours("iptables", "-A", "INPUT", "-j", "DROP"), 0)
        result = self.ours_without_tables("iptables-save")
        self.assert_result(result, 0, stderr="")
        self.assertIn("*filter\n", result.stdout, str(result))
        self.assertIn("-A INPUT -j DROP\n", result.stdout, str(result))
        self.assertEqual(self.modprobe_calls(), [], "calls of modprobe")


class ModprobeIpv6Test(ModprobeTest):
    family = IPV6


if __name__ == "__main__":
    unittest.main(verbosity=2)
