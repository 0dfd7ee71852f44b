#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The launcher refuses, with a word on what to do, whenever something that it relies on is not there;
and then no table of the kernel has been touched."""

import errno
import re
import shutil
import socket
import unittest
from pathlib import Path

from fake_daemon import DIRECTORY, TABLE_IN_USE, Answer, for_operation, serve_as_user
from family import IPV6
from fixture import FRONTEND, LEGACY, LIBRARY, PROGRAM, FrontendTest
from namespace import Result, run

TWO_TABLES = "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*filter\n-A INPUT -j DROP\nCOMMIT\n"


class LauncherTest(FrontendTest):
    def copy_launcher(self, name: str = "bpf-iptables") -> str:
        """Without the library beside it."""
        return str(shutil.copy(FRONTEND / "bpf-iptables", self.directory / name))

    def run_here(self, *command: str) -> Result:
        return self.served.run(command, env=self.environment)

    def test_no_daemon(self) -> None:
        hint = "start it with `bpf-iptablesd`, or `ip netns exec NAME bpf-iptablesd`"
        self.assert_refused(self.ours("iptables", "-A", "INPUT", "-j", "DROP"), hint)
        self.assert_refused(self.ours("iptables", "-t", "nat", "-L"), hint)
        self.assert_refused(self.ours("iptables-save"), hint)
        self.assert_refused(self.ours("iptables-restore", text=TWO_TABLES), hint)

    def test_socket_left_by_a_dead_daemon(self) -> None:
        DIRECTORY.mkdir(mode=0o700, exist_ok=True)
        path = DIRECTORY / f"net-{self.served.cookie()}.sock"
        self.addCleanup(path.unlink)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(str(path))
        self.assert_refused(self.ours("iptables", "-L"), "no bpf-iptablesd serves this")

    def test_help_and_version_need_no_daemon(self) -> None:
        for arguments in (["-V"], ["--version"], ["-h"], ["-m", "tcp", "--help"],
                          ["-p", "tcp", "-m", "multiport", "-j", "REJECT", "-h"]):
            expected = run([LEGACY["iptables"], *arguments])
            self.assert_result(self.ours("iptables", *arguments), expected.status, expected.stdout,
                               expected.stderr)
        for program in ("iptables-save", "iptables-restore"):
            expected = run([LEGACY[program], "--version"])
            self.assert_result(self.ours(program, "--version"), expected.status, expected.stdout)
        self.assert_kernel_tables([])

    def test_what_looks_like_help_does_not_lead_past_a_missing_daemon(self) -> None:
        result = self.ours("iptables", "-A", "INPUT", "-m", "comment", "--comment", "-h", "-j", "DROP")
        self.assertNotEqual(result.status, 0, str(result))
        self.assert_says(result, "bpf-iptables: no bpf-iptablesd serves this network namespace")
        self.assert_kernel_tables([])

    def test_daemon_of_a_user(self) -> None:
        DIRECTORY.mkdir(mode=0o700, exist_ok=True)
        stop = serve_as_user(DIRECTORY / f"net-{self.served.cookie()}.sock", 65534)
        self.addCleanup(stop)
        self.assert_refused(self.ours("iptables", "-L"), "is served by user 65534 instead of root")

    def test_daemon_that_refuses(self) -> None:
        answer = Answer(errno.EPROTO, "bpf-iptables speaks version 1, bpf-iptablesd version 9")
        self.start_daemon(for_operation(TABLE_IN_USE, answer))
        result = self.ours("iptables-restore", text=TWO_TABLES)
        self.assert_refused(result, "bpf-iptables: bpf-iptables speaks version 1")

    def test_daemon_that_answers_nonsense(self) -> None:
        self.start_daemon(for_operation(TABLE_IN_USE, b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        self.assert_refused(self.ours("iptables", "-L"), "the answer of bpf-iptablesd is malformed")

    def test_library_missing(self) -> None:
        installed = installed_library()
        hide = f"mount -t tmpfs none {installed.parent}" if installed.exists() else ""
        self.start_daemon()
        result = self.run_replaced({}, [self.copy_launcher(), "-A", "INPUT", "-j", "DROP"], hide)
        self.assert_refused(result, "cannot load the preload library")

    def test_library_damaged(self) -> None:
        self.start_daemon()
        launcher = self.copy_launcher()
        (self.directory / LIBRARY.name).write_bytes(b"no library\n")
        self.assert_refused(self.run_here(launcher, "-L"), "cannot load the preload library")

    def test_library_cut_short(self) -> None:
        self.start_daemon()
        launcher = self.copy_launcher()
        whole = LIBRARY.read_bytes()
        for length in (0, 40, 100, 4096, 12000):
            (self.directory / LIBRARY.name).write_bytes(whole[:length])
            self.assert_refused(self.run_here(launcher, "-L"), "cannot load the preload library")

    def test_library_where_nothing_may_be_executed(self) -> None:
        self.start_daemon()
        launcher = self.copy_launcher()
        library = shutil.copy(LIBRARY, self.directory / LIBRARY.name)
        forbid = f"mount --bind {library} {library}; mount -o remount,bind,noexec {library}"
        self.assert_refused(self.run_replaced({}, [launcher, "-L"], forbid),
                            "cannot load the preload library: Operation not permitted")

    def test_library_of_another_version(self) -> None:
        self.start_daemon()
        launcher = self.copy_launcher()
        changed, count = re.subn(rb"bpf-iptables \d+(\.\d+\.\d+)\0", rb"bpf-iptables 9\1\0",
                                 LIBRARY.read_bytes())
        self.assertEqual(count, 1, "versions in the library")
        (self.directory / LIBRARY.name).write_bytes(changed)
        self.assert_refused(self.run_here(launcher, "-L"), "is of another version: bpf-iptables 9.")

    def test_library_path_that_cannot_be_preloaded(self) -> None:
        self.start_daemon()
        directory = self.directory / "with space"
        directory.mkdir()
        launcher = str(shutil.copy(FRONTEND / "bpf-iptables", directory / "bpf-iptables"))
        shutil.copy(LIBRARY, directory / LIBRARY.name)
        self.assert_refused(self.run_here(launcher, "-L"), "a preload path cannot contain")

    def test_iptables_not_installed(self) -> None:
        self.start_daemon()
        not_executable = self.script("empty", "")
        not_executable.chmod(0o644)
        result = self.run_replaced({PROGRAM: not_executable}, [FRONTEND / "bpf-iptables", "-L"])
        self.assert_refused(result, "install the distribution's iptables package")

    def test_environment_does_not_choose_the_program(self) -> None:
        self.start_daemon()
        self.script("xtables-legacy-multi", "#!/bin/sh\necho chosen by PATH\n")
        self.environment["PATH"] = f"{self.directory}:{self.environment['PATH']}"
        self.assert_result(self.ours("iptables", "-S", "INPUT"), 0, stdout="-P INPUT ACCEPT\n")

    def test_name_under_which_it_is_called(self) -> None:
        self.start_daemon()
        for name in ("iptables", "bpf-iptables-save"):
            link = self.directory / name
            link.symlink_to(FRONTEND / "bpf-iptables")
        self.assert_result(self.run_here(str(self.directory / "iptables"), "-S", "INPUT"), 0,
                           stdout="-P INPUT ACCEPT\n")
        saved = self.run_here(str(self.directory / "bpf-iptables-save"))
        self.assertIn("*filter\n", saved.stdout, str(saved))
        (self.directory / "ebtables").symlink_to(FRONTEND / "bpf-iptables")
        self.assert_refused(self.run_here(str(self.directory / "ebtables"), "-L"),
                            "called as ebtables, which is no iptables command")

    def test_program_is_run_with_the_library_before_other_preloads(self) -> None:
        self.start_daemon()
        program = self.script("program", '#!/bin/bash\necho "$0 $* LD_PRELOAD=$LD_PRELOAD"\n')
        self.environment["LD_PRELOAD"] = "libm.so.6"
        result = self.run_replaced({PROGRAM: program}, [FRONTEND / "bpf-iptables-save", "-c"])
        # A script's $0 is its path.
        self.assert_result(result, 0, stdout=f"{PROGRAM} -c LD_PRELOAD={LIBRARY}:"
                           "libm.so.6\n")

    def test_closed_standard_streams(self) -> None:
        daemon = self.start_daemon()
        result = self.run_here("sh", "-c", f"{FRONTEND}/bpf-iptables -S >&-; echo status $?")
        self.assertIn("status ", result.stdout, str(result))
        self.assertEqual(daemon.failures, [], "what was sent to the daemon")
        self.assert_result(self.ours("iptables", "-S", "INPUT"), 0, stdout="-P INPUT ACCEPT\n")

    def test_not_as_a_setuid_program(self) -> None:
        self.start_daemon()
        self.directory.chmod(0o755)
        launcher = Path(self.copy_launcher())
        shutil.copy(LIBRARY, self.directory / LIBRARY.name)
        launcher.chmod(0o4755)
        result = self.run_here("setpriv", "--reuid=65534", "--clear-groups", str(launcher), "-L")
        self.assert_refused(result, "may not run with setuid, setgid or file capabilities")

    def test_users_get_the_words_of_iptables(self) -> None:
        self.start_daemon()
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        self.directory.chmod(0o755)
        launcher = self.copy_launcher()
        shutil.copy(LIBRARY, self.directory / LIBRARY.name)
        del self.environment["XTABLES_LOCKFILE"]
        expected = self.run_here(*command, LEGACY["iptables"], "-L")
        self.assert_result(self.run_here(*command, launcher, "-L"), expected.status, expected.stdout,
                           expected.stderr)

class LauncherIpv6Test(FrontendTest):
    """What is called by an IPv6 name asks for IPv6, and so does what it runs."""

    family = IPV6

    def test_no_daemon(self) -> None:
        for program in ("iptables", "iptables-save", "iptables-restore"):
            self.assert_refused(self.ours(program), "no bpf-iptablesd serves this network namespace")

    def test_help_and_version_need_no_daemon(self) -> None:
        for arguments in (["-V"], ["-h"], ["-p", "icmpv6", "-m", "rt", "-h"]):
            expected = run([LEGACY["ip6tables"], *arguments])
            self.assert_result(self.ours("iptables", *arguments), expected.status, expected.stdout,
                               expected.stderr)

    def test_name_under_which_it_is_called(self) -> None:
        self.start_daemon()
        for name in ("ip6tables", "bpf-ip6tables-save", "ip6tables-restore"):
            (self.directory / name).symlink_to(FRONTEND / "bpf-iptables")
        restored = self.served.run([str(self.directory / "ip6tables-restore")],
                                   "*filter\n-A INPUT -s 2001:db8::/32 -j DROP\nCOMMIT\n",
                                   env=self.environment)
        self.assert_result(restored, 0, stdout="", stderr="")
        listed = self.served.run([str(self.directory / "ip6tables"), "-S", "INPUT"],
                                 env=self.environment)
        self.assert_result(listed, 0, stdout="-P INPUT ACCEPT\n-A INPUT -s 2001:db8::/32 -j DROP\n")
        saved = self.served.run([str(self.directory / "bpf-ip6tables-save")], env=self.environment)
        self.assertIn("# Generated by ip6tables-save ", saved.stdout, str(saved))


def installed_library() -> Path:
    """Where the launcher looks if there is none beside it."""
    directory = re.search(rb"/[^\0]*/bpf-iptables(?=\0)", (FRONTEND / "bpf-iptables").read_bytes())
    return Path(directory[0].decode()) / LIBRARY.name


if __name__ == "__main__":
    unittest.main(verbosity=2)
