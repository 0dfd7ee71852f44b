# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces with a /run of their own (xtables.lock, sockets); they go with their process."""

import contextlib
import ctypes
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 300  # seconds; bigger than what the slowest command takes on a busy machine
PR_SET_PDEATHSIG = 1

HOLDER = """
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
echo ready
exec sleep infinity
"""

libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Failure(Exception):
    """Something that was to be measured did not work."""


class Namespace:
    def __init__(self) -> None:
        self.processes: list[subprocess.Popen] = []
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", HOLDER],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent)
        if self.holder.stdout.readline() != "ready\n":
            self.close()
            raise Failure("no network namespace could be made (this takes root)")

    @property
    def pid(self) -> int:
        return self.holder.pid

    def close(self) -> None:
        for process in reversed(self.processes):
            process.stdin.close()
            process.terminate()
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    def command(self, *arguments: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", *arguments]

    def run(self, *arguments: str, text: str = "") -> str:
        """Returns what the command prints; @text is its input."""
        done = subprocess.run(self.command(*arguments), input=text, capture_output=True,
                              text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise Failure(f"{' '.join(arguments)}: status {done.returncode}: "
                          f"{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def start(self, *arguments: str, text: str = "") -> subprocess.Popen:
        """Starts what says that it is ready in its first line, and stays until close(); its input
        begins with @text."""
        process = subprocess.Popen(self.command(*arguments), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.processes.append(process)
        process.stdin.write(text)
        process.stdin.flush()
        line = process.stdout.readline()
        if "ready" not in line:
            raise Failure(f"{arguments[0]} did not start: {line.strip()}")
        return process

    def finish(self, process: subprocess.Popen) -> str:
        """Ends what start() started, by the end of its input; returns the rest of what it says."""
        self.processes.remove(process)
        rest, _ = process.communicate(timeout=PATIENCE)
        if process.returncode != 0:
            raise Failure(f"{process.args[-1]}: status {process.returncode}")
        return rest


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    made = Namespace()
    try:
        yield made
    finally:
        made.close()


NF_INET_LOCAL_IN = "1"


def input_program(pid: int, protocol: str) -> int:
    """Id of the eBPF program that process @pid has attached to INPUT of a family (NFPROTO_*)."""
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        # kernel/bpf/syscall.c bpf_link_show_fdinfo(), and net/netfilter/nf_bpf_link.c
        with contextlib.suppress(FileNotFoundError):
            words = entry.read_text().replace(":", " ").split()
            values = dict(zip(words, words[1:]))
            if (values.get("link_type"), values.get("pf"), values.get("hooknum")) == (
                    "netfilter", protocol, NF_INET_LOCAL_IN):
                return int(values["prog_id"])
    raise Failure(f"process {pid} filters nothing at INPUT")


def in_namespace_of(pid: int, path: str) -> str:
    """The contents of /proc/@path, as process @pid sees it."""
    return (Path(f"/proc/{pid}") / path).read_text()
