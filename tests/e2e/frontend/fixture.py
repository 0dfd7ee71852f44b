# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the frontend share: two namespaces (one is served, the kernel of the other plays the
filter table), the commands under test, and the distribution's iptables beside them."""

import os
import re
import shlex
import shutil
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path

from fake_daemon import FakeDaemon, Script
from family import IPV4, Family
from namespace import Namespace, Result, run

SOURCE = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BPF_IPTABLES_BUILD", SOURCE / "build"))
FRONTEND = BUILD / "src" / "frontend"
LIBRARY = FRONTEND / "libbpfiptables-preload.so"
PROGRAM = Path("/usr/sbin/xtables-legacy-multi")
LEGACY = {f"{iptables}{suffix}": f"/usr/sbin/{iptables}-legacy{suffix}"
          for iptables in ("iptables", "ip6tables") for suffix in ("", "-save", "-restore")}


def without_time(text: str) -> str:
    return re.sub(r"^(# (?:Generated|Completed).*) on .*$", r"\1", text, flags=re.MULTILINE)


class FrontendTest(unittest.TestCase):
    """Programs are named as in IPv4; a subclass of another family runs those of its own."""

    family: Family = IPV4

    @classmethod
    def setUpClass(cls) -> None:
        if not LIBRARY.exists():
            raise FileNotFoundError(f"{LIBRARY}: build first, or set BPF_IPTABLES_BUILD")

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="bipt-frontend-"))
        self.addCleanup(shutil.rmtree, self.directory)
        # So that other users of iptables do not make this test wait.
        self.lock = self.directory / "lock"
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                            "XTABLES_LOCKFILE": str(self.lock)}
        self.served = self.namespace("served")
        self.backend = self.namespace("backend")

    def namespace(self, purpose: str) -> Namespace:
        namespace = Namespace(purpose)
        self.addCleanup(namespace.remove)
        return namespace

    def start_daemon(self, script: Script | None = None) -> FakeDaemon:
        daemon = FakeDaemon(self.served, self.backend, script, self.family).start()
        self.addCleanup(lambda: self.assertEqual(daemon.failures, [], "requests as in control.h"))
        self.addCleanup(daemon.stop)
        return daemon

    def ours(self, program: str, *arguments: str, text: str = "") -> Result:
        return self.served.run([str(self.command(program)), *arguments], text,
                               env=self.environment)

    def command(self, program: str) -> Path:
        return FRONTEND / f"bpf-{self.family.program(program)}"

    def legacy(self, namespace: Namespace, program: str, *arguments: str, text: str = "") -> Result:
        return namespace.run([LEGACY[self.family.program(program)], *arguments], text,
                             env=self.environment)

    def run_replaced(self, files: dict[str, str | Path], command: Sequence[str],
                     first: str = "") -> Result:
        """Runs @command in the served namespace where other files lie at the paths given in @files, for
        it alone; @first is a shell command to run just before."""
        lines = [f"mount --bind {shlex.quote(str(new))} {shlex.quote(str(path))}"
                 for path, new in files.items()]
        script = "\n".join(["set -e", *lines, first, f"exec {shlex.join(map(str, command))}"])
        return run(self.served.command(["unshare", "--mount", "sh", "-c", script]),
                   env=self.environment)

    def script(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def program_copy(self) -> Path:
        """The distribution's binary, where nothing that is mounted over its path covers it."""
        return Path(shutil.copy(PROGRAM, self.directory / "xtables-legacy-multi"))

    def assert_result(self, result: Result, status: int, stdout: str | None = None,
                      stderr: str | None = None) -> None:
        self.assertEqual(result.status, status, f"exit status {status} expected of\n{result}")
        if stdout is not None:
            self.assertEqual(result.stdout, stdout, str(result))
        if stderr is not None:
            self.assertEqual(result.stderr, stderr, str(result))

    def assert_says(self, result: Result, text: str) -> None:
        self.assertIn(text, result.stderr, f"expected on standard error of\n{result}")

    def assert_refused(self, result: Result, text: str) -> None:
        """By the launcher: our exit status, our text, and no table used in the kernel."""
        self.assert_result(result, 4, stdout="")
        self.assertTrue(result.stderr.startswith(f"{self.family.program('bpf-iptables')}: "),
                        str(result))
        self.assert_says(result, text)
        self.assert_kernel_tables([])

    def assert_kernel_tables(self, names: list[str]) -> None:
        """Of the served namespace: a table is in the kernel's list as soon as somebody asked for it."""
        self.assertEqual(self.served.table_names(self.family.names), names, "tables that the kernel has in use")

    def assert_same_as_legacy(self, reference: Namespace, program: str, *arguments: str,
                              text: str = "") -> Result:
        expected = self.legacy(reference, program, *arguments, text=text)
        got = self.ours(program, *arguments, text=text)
        self.assertEqual((got.status, without_time(got.stdout), got.stderr),
                         (expected.status, without_time(expected.stdout), expected.stderr),
                         f"{program} {shlex.join(arguments)}")
        return got
