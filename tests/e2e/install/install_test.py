#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make install and make uninstall: into a staging directory, and into a prefix from which it runs."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(os.environ.get("BPF_IPTABLES_SOURCE", Path(__file__).resolve().parents[3]))
STANDARD_DIRECTORIES = ["bin", "sbin", "lib", "share", "share/man/man8"]
COMMANDS = ["bpf-iptables", "bpf-iptables-save", "bpf-iptables-restore",
            "bpf-ip6tables", "bpf-ip6tables-save", "bpf-ip6tables-restore"]
DAEMON = "bpf-iptablesd"
CONTROL = ["bpf-iptablesctl", "bpf-iptablesctl.8"]


def listing(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def find(root: Path, name: str) -> Path | None:
    found = [path for path in root.rglob(name) if not path.is_dir()]
    return found[0] if found else None


class InstallTest(unittest.TestCase):
    """One build, configured and installed as a user would; the cases are its stages."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = tempfile.TemporaryDirectory(prefix="bipt-install-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.root = Path(cls.directory.name)
        cls.prefix = cls.root / "prefix"
        cls.make("all", PREFIX=str(cls.prefix))

    @classmethod
    def make(cls, target: str, **variables: str) -> str:
        command = ["make", "-C", str(SOURCE), "--no-print-directory", target,
                   f"BUILD={cls.root / 'build'}", *(f"{k}={v}" for k, v in variables.items())]
        # Variables of a make that runs this test are not for the one that is tested.
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "PREFIX", "BUILD")}
        done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=200)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}")
        return done.stdout

    def test_destdir_gets_everything_and_loses_it_again(self) -> None:
        stage = self.root / "stage"
        usr = Path(f"{stage}{self.prefix}")
        for directory in STANDARD_DIRECTORIES:
            (usr / directory).mkdir(parents=True, exist_ok=True)
        (usr / "sbin" / "somebody-elses").write_text("stays\n")
        before = listing(stage)

        self.make("install", PREFIX=str(self.prefix), DESTDIR=str(stage))
        self.assertFalse(self.prefix.exists(), "something went past DESTDIR")
        for name in [*COMMANDS, DAEMON, *CONTROL, "libbpfiptables-preload.so"]:
            self.assertIsNotNone(find(stage, name), f"{name} is not installed: {listing(stage)}")

        # Twice is as good as once: what is there already is replaced.
        self.make("install", PREFIX=str(self.prefix), DESTDIR=str(stage))
        self.make("uninstall", PREFIX=str(self.prefix), DESTDIR=str(stage))
        self.assertEqual(listing(stage), before)

    def test_installed_programs_run_from_their_prefix(self) -> None:
        self.make("install", PREFIX=str(self.prefix))
        try:
            self.run_installed_programs()
        finally:
            self.make("uninstall", PREFIX=str(self.prefix))
        left = [path for path in self.prefix.rglob("*") if not path.is_dir()]
        self.assertEqual(left, [])
        self.assertEqual(list(self.prefix.rglob("bpf-iptables")), [])

    def run_installed_programs(self) -> None:
        script = Path(__file__).with_name("use_installed.sh")
        daemon = find(self.prefix, DAEMON)
        commands = find(self.prefix, COMMANDS[0])
        # A namespace without a name: it goes when the script, and the daemon in it, have ended.
        done = subprocess.run(["unshare", "--net", "bash", str(script), str(daemon),
                               str(commands.parent)], text=True, cwd="/", timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
