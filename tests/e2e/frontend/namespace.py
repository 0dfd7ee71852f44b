# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces of a test: made by it, and removed when it ends, however it ends."""

import ctypes
import itertools
import os
import socket
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

CLONE_NEWNET = 0x40000000
SO_NETNS_COOKIE = 71
COMMAND_SECONDS = 30

libc = ctypes.CDLL(None, use_errno=True)
numbers = itertools.count(1)


@dataclass(frozen=True)
class Result:
    command: str
    status: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"{self.command}\nstatus {self.status}\nstdout: {self.stdout}\nstderr: {self.stderr}"


def run(command: Sequence[str], text: str = "", **options: object) -> Result:
    done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace",
                          timeout=COMMAND_SECONDS, **options)
    return Result(" ".join(command), done.returncode, done.stdout, done.stderr)


class Namespace:
    def __init__(self, purpose: str):
        self.name = f"bipt-frontend-{purpose}-{os.getpid()}-{next(numbers)}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=True)

    def command(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, command: Sequence[str], text: str = "", **options: object) -> Result:
        return run(self.command(command), text, **options)

    def socket(self, *arguments: int) -> socket.socket:
        """A socket that belongs to this namespace. The calling thread is back in its own after it."""
        with open("/proc/thread-self/ns/net") as own, open(f"/run/netns/{self.name}") as other:
            enter(other.fileno())
            try:
                return socket.socket(*arguments)
            finally:
                enter(own.fileno())

    def cookie(self) -> int:
        with self.socket(socket.AF_UNIX, socket.SOCK_STREAM) as own:
            return struct.unpack("=Q", own.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0]

    def table_names(self, file: str = "ip_tables_names") -> list[str]:
        return self.run(["cat", f"/proc/net/{file}"]).stdout.split()


def enter(fd: int) -> None:
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
