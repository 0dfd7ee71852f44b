# SPDX-License-Identifier: GPL-2.0-or-later
"""A network namespace with a /run of its own, both without a name: they go with their processes."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable

PATIENCE = 20  # seconds after which a test gives up
PR_SET_PDEATHSIG = 1
DIRECTORY = "/run/bpf-iptables"

libc = ctypes.CDLL(None, use_errno=True)

HOLDER = """
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
echo ready
exec sleep infinity
"""


def daemon_path() -> Path:
    build = Path(os.environ.get("BPF_IPTABLES_BUILD", "build"))
    return Path(os.environ.get("BPF_IPTABLESD", build / "src" / "daemon" / "bpf-iptablesd"))


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The daemon respects an ignored SIGHUP (nohup), which the tests may have inherited.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} seconds for this: {what}")
        time.sleep(0.02)


class Daemon:
    def __init__(self, process: subprocess.Popen):
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Returns the exit status, as subprocess has it: -9 for one that was killed."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()
        return status


class Sandbox:
    def __init__(self) -> None:
        self.daemons: list[Daemon] = []
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", HOLDER],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        if self.holder.stdout.readline() != "ready\n":
            self.close()
            raise RuntimeError("no namespace could be made")

    def close(self) -> None:
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.stop(signal.SIGKILL)
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    def path(self, path: str) -> Path:
        """The sandbox's @path, as seen from outside."""
        return Path(f"/proc/{self.holder.pid}/root{path}")

    def command(self, *arguments: str) -> list[str]:
        return ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True,
                              timeout=PATIENCE)

    def output(self, *arguments: str) -> str:
        done = self.run(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)}: status {done.returncode}: {done.stderr}")
        return done.stdout

    def run_daemon(self, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        """One that is expected not to stay."""
        return self.run(*prefix, str(daemon_path()), *arguments)

    def start_daemon(self) -> Daemon:
        process = subprocess.Popen(self.command(str(daemon_path())), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        daemon = Daemon(process)
        self.daemons.append(daemon)
        line = process.stdout.readline()
        if line != "bpf-iptablesd: ready\n":
            raise AssertionError(f"the daemon says {line!r}, status {process.wait(PATIENCE)}")
        return daemon

    def files(self, suffix: str) -> list[str]:
        return sorted(str(path) for path in self.path(DIRECTORY).glob(f"net-*{suffix}"))

    def connect(self) -> socket.socket:
        (path,) = self.files(".sock")
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(PATIENCE)
        client.connect(path)
        return client
