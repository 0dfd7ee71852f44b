# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon for tests of the frontend: it speaks the control protocol (src/abi/control.h), and its
table is the kernel's own filter table in another network namespace."""

import ctypes
import errno
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from family import (GET_ENTRIES, GET_INFO, GET_REVISION_MATCH, GET_REVISION_TARGET, IPV4, SET_ADD_COUNTERS,
                    SET_REPLACE, TABLE_IN_USE, Family)
from namespace import Namespace

DIRECTORY = Path("/run/bpf-iptables")
MAGIC = 0x62697074
VERSION = 1
REQUEST = struct.Struct("=IHBBI")
RESPONSE = struct.Struct("=IiII")

# linux/netfilter_ipv4/ip_tables.h, and the same in linux/netfilter_ipv6/ip6_tables.h
ENTRIES_HEADER = struct.Struct("=32sI4x")
REPLACE_COUNTERS = struct.Struct("=IQ")  # num_counters, counters
REPLACE_COUNTERS_OFFSET = 84
COUNTERS_LENGTH = 16

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Request:
    operation: int
    payload: bytes
    family: int = IPV4.number
    version: int = VERSION
    client: int = 0  # the process that asks


@dataclass(frozen=True)
class Answer:
    error: int = 0  # a positive errno
    message: str = ""
    payload: bytes = b""

    def encode(self) -> bytes:
        text = self.message.encode()
        return RESPONSE.pack(MAGIC, -self.error, len(text), len(self.payload)) + text + self.payload


# What a test puts in the place of the usual answer: bytes are sent as they are, and then it hangs up.
Script = Callable[[Request], Answer | bytes]
HANG_UP = b""


class KernelTable:
    """The filter table of a network namespace, through its kernel."""

    def __init__(self, namespace: Namespace, family: Family):
        self.family = family
        self.socket = namespace.socket(family.address_family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.in_use = 0

    def close(self) -> None:
        self.socket.close()

    def call(self, request: Request, other_tables: int) -> Answer:
        if request.operation == TABLE_IN_USE:
            return Answer(payload=bytes([self.in_use]))
        if request.operation == GET_INFO and not self.in_use:
            self.in_use = 1 + other_tables
        if request.operation == SET_REPLACE:
            return self.replace(request)
        if request.operation == SET_ADD_COUNTERS:
            return self.set(request, request.payload)
        return self.get(request)

    def get(self, request: Request) -> Answer:
        length = len(request.payload)
        if request.operation == GET_ENTRIES:
            length += ENTRIES_HEADER.unpack(request.payload)[1]
        buffer = ctypes.create_string_buffer(request.payload, length)
        size = ctypes.c_uint32(length)
        option = self.family.options[request.operation]
        if libc.getsockopt(self.socket.fileno(), self.family.level, option, buffer,
                           ctypes.byref(size)) < 0:
            return Answer(error=ctypes.get_errno())
        return Answer(payload=buffer.raw)

    def set(self, request: Request, payload: bytes) -> Answer:
        option = self.family.options[request.operation]
        if libc.setsockopt(self.socket.fileno(), self.family.level, option, payload,
                           len(payload)) < 0:
            return Answer(error=ctypes.get_errno())
        return Answer()

    def replace(self, request: Request) -> Answer:
        count, _ = REPLACE_COUNTERS.unpack_from(request.payload, REPLACE_COUNTERS_OFFSET)
        counters = ctypes.create_string_buffer(count * COUNTERS_LENGTH or 1)
        payload = bytearray(request.payload)
        REPLACE_COUNTERS.pack_into(payload, REPLACE_COUNTERS_OFFSET, count, ctypes.addressof(counters))
        answer = self.set(request, bytes(payload))
        if answer.error:
            return Answer(error=answer.error, message="chain INPUT: the kernel refuses this table")
        return Answer(payload=counters.raw[:count * COUNTERS_LENGTH])


@dataclass
class FakeDaemon:
    """Serves @served with the table of @backend, until stop(); requests of another family than
    @family are failures."""

    served: Namespace
    backend: Namespace
    script: Script | None = None
    family: Family = IPV4
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    failures: list[str] = field(default_factory=list)

    def start(self) -> "FakeDaemon":
        DIRECTORY.mkdir(mode=0o700, exist_ok=True)
        self.path = DIRECTORY / f"net-{self.served.cookie()}.sock"
        self.path.unlink(missing_ok=True)
        self.table = KernelTable(self.backend, self.family)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.path.chmod(0o600)
        self.listener.listen()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def stop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        self.table.close()

    def operations(self) -> list[int]:
        return [request.operation for request in self.requests]

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    self.converse(connection)
                except (ConnectionError, EOFError):
                    pass
                except Exception as error:  # the test is to hear of it, not the thread's stderr
                    self.failures.append(repr(error))

    def converse(self, connection: socket.socket) -> None:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        client = struct.unpack("=iII", credentials)[0]
        while True:
            header = receive(connection, REQUEST.size)
            magic, version, family, operation, length = REQUEST.unpack(header)
            if magic != MAGIC:
                raise ValueError(f"request with magic {magic:#x}")
            if family != self.family.number:
                raise ValueError(f"request of family {family}")
            request = Request(operation, receive(connection, length), family, version,
                              client)
            self.requests.append(request)
            answer = self.answer(request)
            if isinstance(answer, bytes):
                connection.sendall(answer)
                return
            connection.sendall(answer.encode())

    def answer(self, request: Request) -> Answer | bytes:
        if self.script:
            scripted = self.script(request)
            if scripted is not USUAL:
                return scripted
        return self.usual(request)

    def usual(self, request: Request) -> Answer:
        names = self.served.table_names(self.family.names)
        return self.table.call(request, len([name for name in names if name != "filter"]))


# A script returns it for what it leaves to the kernel.
USUAL = Answer(error=errno.ENOSYS, message="usual")


def receive(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def for_operation(operation: int, answer: Answer | bytes) -> Script:
    """A script that gives this answer to this operation, and leaves all others as they are."""
    return lambda request: answer if request.operation == operation else USUAL


def serve_as_user(path: Path, uid: int) -> Callable[[], None]:
    """A socket at @path whose peer credentials are those of @uid: listened on by a child process.
    Returns what ends it."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        # The kernel takes the credentials of listen()'s caller (net/unix/af_unix.c, unix_listen).
        os.setuid(uid)
        listener.listen()
        os.write(told, b"1")
        signal.pause()
    os.read(ready, 1)
    os.close(ready)
    os.close(told)
    listener.close()

    def stop() -> None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        path.unlink(missing_ok=True)

    return stop
