# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces without names, which vanish with this process, and the driver in one of them."""

import ctypes
import itertools
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, NamedTuple

PATIENCE = 20  # seconds after which a test gives up
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
ETH_P_ALL = 3

libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def build() -> Path:
    return Path(os.environ.get("BPF_IPTABLES_BUILD", "build"))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} seconds for this: {what}")
        time.sleep(0.01)


def enter(path: str) -> None:
    with open(path) as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c",
             "mount -t sysfs sysfs /sys && mount -t bpf bpf /sys/fs/bpf && ip link set lo up && echo ready && exec sleep infinity"],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        if self.holder.stdout.readline() != "ready\n":
            self.close()
            raise RuntimeError("no namespace could be made")

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    @property
    def pid(self) -> int:
        return self.holder.pid

    def command(self, *arguments: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", *arguments]

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), input=text, capture_output=True, text=True,
                              timeout=PATIENCE)

    def output(self, *arguments: str, text: str = "") -> str:
        done = self.run(*arguments, text=text)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)}: status {done.returncode}: {done.stderr}")
        return done.stdout

    def ip(self, *lines: str) -> None:
        """Commands of ip(8), one a string; those that begin with -4 or -6 are of that family."""
        for family, group in itertools.groupby(lines, lambda line: line[:2] if line[0] == "-" else ""):
            text = "".join(line.removeprefix(family) + "\n" for line in group)
            done = self.run("ip", *([family] if family else []), "-batch", "-", text=text)
            if done.returncode != 0:
                raise AssertionError(f"ip {family}: {done.stderr}of:\n{text}")

    def sysctl(self, **values: int) -> None:
        """Names below /proc/sys/net, with __ in the place of /."""
        text = "".join(f"echo {value} > /proc/sys/net/{name.replace('__', '/')}\n"
                       for name, value in values.items())
        self.output("sh", "-ec", text)

    def inside(self, make: Callable[[], object]) -> object:
        """What @make returns, called in this namespace."""
        enter(f"/proc/{self.pid}/ns/net")
        try:
            return make()
        finally:
            enter(f"/proc/{os.getpid()}/ns/net")

    def packet_socket(self, device: str) -> socket.socket:
        def make() -> socket.socket:
            # Of no protocol: it only sends.
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sender.bind((device, 0))
            return sender
        return self.inside(make)

    def mac(self, device: str) -> bytes:
        text = self.output("cat", f"/sys/class/net/{device}/address")
        return bytes.fromhex(text.strip().replace(":", ""))

    def ifindex(self, device: str) -> int:
        return int(self.output("cat", f"/sys/class/net/{device}/ifindex"))


class Device(NamedTuple):
    name: str
    ifindex: int
    state: str
    reason: str


class Result(NamedTuple):
    seen: int
    selection: str
    out: str


class Refused(Exception):
    """The driver says why."""


class Driver:
    COUNTERS = ("xdp", "ingress", "egress", "xdp again", "ingress again")

    def __init__(self, namespace: Namespace, mode: str, *excluded: str):
        self.reports: list[Device] = []
        self.process = subprocess.Popen(
            namespace.command(str(build() / "tests" / "e2e" / "devices" / "devices_driver"), mode,
                              *excluded),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            preexec_fn=die_with_parent)
        try:
            self.answer()
        except Refused:
            self.close()
            raise

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def answer(self) -> list[list[str]]:
        lines = []
        for line in self.process.stdout:
            words = line.rstrip("\n").split(" ", 1)
            if words[0] == "done":
                return lines
            if words[0] == "failed:":
                raise Refused(words[1])
            if words[0] == "report":
                self.reports.append(self.device(words[1].split(" ", 2)[2]))
            else:
                lines.append(words[1])
        raise AssertionError(f"the driver has ended, status {self.process.wait(PATIENCE)}")

    @staticmethod
    def device(text: str) -> Device:
        name, ifindex, state, reason = text.split(" ", 3)
        return Device(name, int(ifindex), state, reason)

    def ask(self, command: str) -> list[str]:
        self.process.stdin.write(command + "\n")
        return self.answer()

    def devices(self) -> dict[str, Device]:
        return {device.name: device for device in map(self.device, self.ask("status"))}

    def states(self) -> dict[str, str]:
        return {device.name: device.state for device in self.devices().values()}

    def covered(self) -> dict[int, int]:
        return {int(ifindex): int(cover) for ifindex, cover in
                (line.split() for line in self.ask("covered"))}

    def counters(self) -> dict[str, int]:
        return dict(zip(self.COUNTERS, map(int, self.ask("counters"))))

    def results(self, first: int, last: int) -> dict[int, Result]:
        rows = (line.split() for line in self.ask(f"results {first} {last}"))
        return {int(number): Result(int(seen), selection, out)
                for number, seen, selection, out in rows}
