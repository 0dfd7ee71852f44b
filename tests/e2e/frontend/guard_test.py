#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The second lock: whatever runs without the preload library, in the place of iptables, reaches no table of
the kernel."""

import json
import sys
import unittest

from fake_daemon import FakeDaemon
from fixture import FRONTEND, LIBRARY, PROGRAM, FrontendTest
from namespace import Result

# Run in the place of iptables: tells what system calls with these arguments answer.
PROBE = f"""#!{sys.executable} -I
import ctypes, errno, json, os, platform, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
getsockopt, setsockopt, io_uring_setup = \\
    {{"x86_64": (55, 54, 425), "aarch64": (209, 208, 425)}}[platform.machine()]
sockets = {{0: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
            41: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)}}

def call(number, *arguments):
    answer = libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(value) for value in arguments])
    return errno.errorcode[ctypes.get_errno()] if answer < 0 else "ok"

def option(number, level, name, last):
    buffer = ctypes.create_string_buffer(b"filter", 256)
    length = ctypes.c_uint32(84)
    size = ctypes.addressof(length) if number in (getsockopt, getsockopt | 1 << 30) else 84
    return call(number, sockets[level & 41].fileno(), level, name, ctypes.addressof(buffer), size, last)

results = {{}}
for level in (0, 41):
    for name in (*range(63, 71), 83):
        results[f"get {{level}} {{name}}"] = option(getsockopt, level, name, 0)
        results[f"set {{level}} {{name}}"] = option(setsockopt, level, name, 0)
marker = 0x6f1c94e2b7d83a55
results["marked"] = option(getsockopt, 0, 64, marker)
results["half marked"] = option(getsockopt, 0, 64, marker & 0xffffffff)
results["other half marked"] = option(getsockopt, 0, 64, marker & ~0xffffffff)
results["upper halves"] = option(getsockopt, 1 << 32, 64 | 1 << 32, 0)
results["x32"] = option(getsockopt | 1 << 30, 0, 64, marker)
results["io_uring"] = call(io_uring_setup, 0, 0)
results["child"] = os.system("exit 3") >> 8
with open("/proc/self/status") as status:
    results.update(line.split(":\\t") for line in status.read().splitlines() if "NoNewPrivs" in line)
print(json.dumps(results))
"""

# i386 system calls by their interrupt: number in eax, arguments in ebx, ecx ...
PROBE_I386 = f"""#!{sys.executable} -I
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
# push rbx; mov eax, edi; mov ebx, -1; xor ecx, ecx; xor edx, edx; int 0x80; pop rbx; ret
code.write(bytes.fromhex("53 89f8 bbffffffff 31c9 31d2 cd80 5b c3"))
function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(
    ctypes.addressof(ctypes.c_char.from_buffer(code)))
for name, number in (("getsockopt", 365), ("setsockopt", 366), ("socketcall", 102), ("getpid", 20)):
    print(name, function(number))
"""


class GuardTest(FrontendTest):
    def setUp(self) -> None:
        super().setUp()
        self.daemon: FakeDaemon = self.start_daemon()

    def run_in_place_of_iptables(self, text: str, *arguments: str,
                                 prefix: tuple[str, ...] = ()) -> Result:
        program = self.script("program", text)
        return self.run_replaced({PROGRAM: program},
                                 [*prefix, str(FRONTEND / "bpf-iptables"), *arguments])

    def probe(self, *prefix: str) -> dict[str, str]:
        result = self.run_in_place_of_iptables(PROBE, "-L", prefix=prefix)
        self.assert_result(result, 0)
        return json.loads(result.stdout)

    def test_iptables_without_the_library_reaches_no_table(self) -> None:
        copy = self.program_copy()
        for unset in ("", "unset LD_PRELOAD"):
            text = f'#!/bin/bash\n{unset}\nexec -a iptables {copy} "$@"\n'
            for table in ("filter", "nat"):
                result = self.run_in_place_of_iptables(text, "-t", table, "-A", "OUTPUT", "-j", "ACCEPT")
                if unset:
                    self.assert_result(result, 3, stdout="")
                    self.assert_says(result, "Permission denied (you must be root)")
                    # ... and nothing was reached that had not been before.
                else:
                    self.assert_result(result, 0, stdout="", stderr="")
            self.assert_kernel_tables(["nat"])
        rules = self.legacy(self.served, "iptables", "-t", "nat", "-S", "OUTPUT").stdout
        self.assertEqual(rules, "-P OUTPUT ACCEPT\n-A OUTPUT -j ACCEPT\n")

    def test_preload_library_that_has_gone(self) -> None:
        """ld.so only warns."""
        text = f'#!/bin/bash\nLD_PRELOAD=/nowhere/{LIBRARY.name} exec -a iptables {self.program_copy()} "$@"\n'
        result = self.run_in_place_of_iptables(text, "-A", "INPUT", "-j", "DROP")
        self.assert_result(result, 3, stdout="")
        self.assert_says(result, "cannot be preloaded")
        self.assert_says(result, "Permission denied (you must be root)")
        self.assert_kernel_tables([])

    def test_which_calls_are_denied(self) -> None:
        results = self.probe()
        denied = {key for key, value in results.items() if value == "EPERM"}
        guarded = {f"{call} {level} {name}" for call in ("get", "set") for level in (0, 41)
                   for name in range(64, 70) if not (level == 41 and name in (66, 67))}
        self.assertEqual(denied, guarded | {"half marked", "other half marked", "upper halves", "x32",
                                            "io_uring"}, str(results))
        # With the marker it is the kernel that answers.
        self.assertEqual(results["marked"], "ok", str(results))
        self.assertEqual(results["child"], 3, "exit status of a child process")

    def test_without_the_right_to_administer_the_system(self) -> None:
        self.assertEqual(self.probe()["NoNewPrivs"], "0", "with CAP_SYS_ADMIN")
        results = self.probe("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
        self.assertEqual(results["NoNewPrivs"], "1", "without CAP_SYS_ADMIN")
        self.assertEqual(results["get 0 64"], "EPERM", str(results))

        result = self.served.run(["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin",
                                  str(FRONTEND / "bpf-iptables"), "-S", "INPUT"], env=self.environment)
        self.assert_result(result, 0, stdout="-P INPUT ACCEPT\n", stderr="")

    def test_calls_of_another_architecture(self) -> None:
        probe = self.run_in_place_of_iptables(PROBE_I386, "-L")
        control = self.served.run([str(self.script("control", PROBE_I386))])
        if control.status != 0:
            self.skipTest("this kernel runs no i386 system calls")
        self.assert_result(probe, 0)
        eperm, ebadf = "-1", "-9"
        answers = dict(line.split() for line in probe.stdout.splitlines())
        self.assertEqual([answers[name] for name in ("getsockopt", "setsockopt", "socketcall")],
                         [eperm] * 3, str(probe))
        self.assertGreater(int(answers["getpid"]), 0, str(probe))
        self.assertIn(f"getsockopt {ebadf}\n", control.stdout, "the same call without the guard")


if __name__ == "__main__":
    unittest.main(verbosity=2)
