# SPDX-License-Identifier: GPL-2.0-or-later
"""Where commands run: a process in a network namespace of its own, which has no name and dies with it."""

import ctypes
import multiprocessing
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from command_generator import Command

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
COMMAND_SECONDS = 20
DAEMON_SECONDS = 20
FAMILIES = ("iptables", "ip6tables")
KINDS = ("", "-save", "-restore")

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Programs:
    name: str
    paths: dict[str, str]
    daemon: str | None = None

    @classmethod
    def legacy(cls) -> "Programs":
        return cls("iptables-legacy", {
            name + kind: f"/usr/sbin/{name}-legacy{kind}" for name in FAMILIES for kind in KINDS})

    @classmethod
    def ours(cls, build: Path) -> "Programs":
        frontend = build / "src" / "frontend"
        return cls("bpf-iptables", {
            name + kind: str(frontend / f"bpf-{name}{kind}") for name in FAMILIES for kind in KINDS},
            str(build / "src" / "daemon" / "bpf-iptablesd"))

    def missing(self, families: set[str]) -> list[str]:
        paths = [path for name, path in self.paths.items() if name.split("-")[0] in families]
        paths += [self.daemon] if self.daemon else []
        return [path for path in paths if not os.access(path, os.X_OK)]


@dataclass(frozen=True)
class Result:
    status: int
    stdout: str
    stderr: str


def normalize(text: str) -> str:
    """Without the time of day."""
    return re.sub(r"^(# (?:Generated|Completed).*) on .*$", r"\1", text, flags=re.MULTILINE)


def remove_reason(status: int, stderr: str) -> str:
    """The daemon's reason for a refusal comes in front of iptables' own message."""
    if status == 0:
        return stderr
    return re.sub(r"^bpf-ip6?tables: .*\n", "", stderr, flags=re.MULTILINE)


def run_command(programs: Programs, command: Command, environment: dict[str, str]) -> Result:
    path = programs.paths[command.program]
    try:
        done = subprocess.run(
            [path, *command.arguments], input=(command.input or "").encode(), capture_output=True,
            env=environment, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        return Result(-1, "", f"no answer within {COMMAND_SECONDS} seconds")
    stderr = remove_reason(done.returncode, done.stderr.decode(errors="replace"))
    return Result(done.returncode, normalize(done.stdout.decode(errors="replace")), normalize(stderr))


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start_daemon(path: str) -> subprocess.Popen:
    daemon = subprocess.Popen([path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              preexec_fn=die_with_parent, text=True)
    # An alarm ends the wait for a daemon that is never ready.
    signal.alarm(DAEMON_SECONDS)
    line = daemon.stdout.readline()
    signal.alarm(0)
    if line.strip() != "bpf-iptablesd: ready":
        daemon.kill()
        raise RuntimeError(f"the daemon does not start: it says {line!r}, status {daemon.wait()}")
    return daemon


def serve(connection: Connection, programs: Programs) -> None:
    die_with_parent()
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    daemon = start_daemon(programs.daemon) if programs.daemon else None
    # A lock of our own: the two sides, and other tests, do not make each other wait or fail.
    lock = f"/run/bipt-commands-{os.getpid()}.lock"
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "XTABLES_LOCKFILE": lock,
                   "RES_OPTIONS": "attempts:1 timeout:1"}
    try:
        connection.send(None)
        while (commands := connection.recv()) is not None:
            results = [run_command(programs, command, environment) for command in commands]
            if daemon and daemon.poll() is not None:
                results[-1] = Result(-1, "", f"the daemon has ended with status {daemon.returncode}")
            connection.send(results)
    except EOFError:
        pass
    finally:
        Path(lock).unlink(missing_ok=True)
        if daemon:
            daemon.terminate()
            # A daemon that crashes or leaks, if it was built with sanitizers, shows it at the latest now.
            os._exit(0 if daemon.wait(timeout=DAEMON_SECONDS) == 0 else 1)


class Side:
    """A namespace, its programs and, if they need one, their daemon. Commands run in the background:
    submit() starts some, results() waits for them."""

    def __init__(self, programs: Programs):
        self.programs = programs
        self.connection, other_end = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(other_end, programs), daemon=True)
        self.process.start()
        other_end.close()
        try:
            self.connection.recv()
        except EOFError:
            raise RuntimeError(f"{programs.name}: cannot start") from None

    def submit(self, commands: list[Command]) -> None:
        self.connection.send(commands)

    def results(self) -> list[Result]:
        return self.connection.recv()

    def close(self) -> bool:
        """False if the daemon did not end well."""
        try:
            self.connection.send(None)
        except BrokenPipeError:
            pass
        self.process.join(timeout=DAEMON_SECONDS + COMMAND_SECONDS)
        self.connection.close()
        return self.process.exitcode == 0


class Pair:
    def __init__(self, reference: Programs, ours: Programs):
        self.sides: list[Side] = []
        try:
            for programs in (reference, ours):
                self.sides.append(Side(programs))
        except RuntimeError:
            self.close()
            raise

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        well = self.close()
        if kind is None and not well:
            raise RuntimeError("the daemon did not end with status 0")

    def close(self) -> bool:
        return all([side.close() for side in self.sides])

    def run(self, commands: list[Command]) -> list[tuple[Result, Result]]:
        for side in self.sides:
            side.submit(commands)
        expected, got = [side.results() for side in self.sides]
        return list(zip(expected, got))
