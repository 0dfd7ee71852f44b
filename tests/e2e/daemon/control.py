# SPDX-License-Identifier: GPL-2.0-or-later
"""The client's side of src/abi/control.h, and tables as struct ipt_replace has them.

What depends on the address family takes it as an argument, which is IPv4 unless given."""

import socket
import struct
from dataclasses import dataclass

MAGIC = 0x62697074
VERSION = 1
MAX_LENGTH = 512 << 20
IPV4, IPV6 = 2, 10  # NFPROTO_IPV4, NFPROTO_IPV6

GET_INFO = 1
GET_ENTRIES = 2
GET_REVISION_MATCH = 3
SET_REPLACE = 5
TABLE_IN_USE = 7

INPUT, FORWARD, OUTPUT = 1, 2, 3
ACCEPT, DROP = -2, -1
CONNTRACK_INFORMATION_SIZE = 164
NO_OFFSET = 0xFFFFFFFF


@dataclass(frozen=True)
class Answer:
    error: int
    message: str
    payload: bytes


def header(operation: int, length: int, magic: int = MAGIC, version: int = VERSION,
           family: int = IPV4) -> bytes:
    return struct.pack("=IHBBI", magic, version, family, operation, length)


def receive_exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise ConnectionError(f"closed after {len(data)} of {size} bytes")
        data += part
    return data


def receive_answer(client: socket.socket) -> Answer:
    magic, error, message_length, length = struct.unpack("=IiII", receive_exactly(client, 16))
    if magic != MAGIC:
        raise ConnectionError(f"the answer's magic is {magic:#x}")
    message = receive_exactly(client, message_length).decode(errors="replace")
    return Answer(error, message, receive_exactly(client, length))


def ask(client: socket.socket, operation: int, payload: bytes = b"", family: int = IPV4) -> Answer:
    client.sendall(header(operation, len(payload), family=family) + payload)
    return receive_answer(client)


def get_info(client: socket.socket, family: int = IPV4) -> Answer:
    return ask(client, GET_INFO, struct.pack("=32s52x", b"filter"), family)


def number_of_entries(client: socket.socket, family: int = IPV4) -> int:
    return struct.unpack_from("=I", get_info(client, family).payload, 76)[0]


def make_entry(matches: bytes, target: bytes, family: int = IPV4) -> bytes:
    """A struct ipt_entry or ip6t_entry that has nothing set in its header."""
    # struct ip6t_entry has four bytes more before the counters, so that these are aligned.
    header_size, padding = (136, 4) if family == IPV6 else (84, 0)
    offset = header_size + 28 + padding + len(matches)
    sizes = struct.pack(f"=IHHI{padding}x16x", 0, offset, offset + len(target), 0)
    return bytes(header_size) + sizes + matches + target


def make_standard(verdict: int, matches: bytes = b"", family: int = IPV4) -> bytes:
    return make_entry(matches, struct.pack("=H29sBi4x", 40, b"", 0, verdict), family)


def make_conntrack_match() -> bytes:
    """-m conntrack --ctstate INVALID"""
    size = (32 + CONNTRACK_INFORMATION_SIZE + 7) & ~7
    information = struct.pack("=146xHHHH10x", 1, 0, 1, 0)
    return struct.pack("=H29sB", size, b"conntrack", 3) + information.ljust(size - 32, b"\0")


def make_table(input_rules: list[bytes], num_counters: int, family: int = IPV4) -> bytes:
    """The filter table with these rules in INPUT, and policies ACCEPT."""
    hook_entry, underflow = [NO_OFFSET] * 5, [NO_OFFSET] * 5
    entries = b""
    for hook in (INPUT, FORWARD, OUTPUT):
        hook_entry[hook] = len(entries)
        entries += b"".join(input_rules) if hook == INPUT else b""
        underflow[hook] = len(entries)
        entries += make_standard(ACCEPT, family=family)
    entries += make_entry(b"", struct.pack("=H29sB30s2x", 64, b"ERROR", 0, b"ERROR"), family)
    return struct.pack("=32sIII5I5IIQ", b"filter", 0b1110, len(input_rules) + 4, len(entries),
                       *hook_entry, *underflow, num_counters, 0) + entries


def replace(client: socket.socket, input_rules: list[bytes], family: int = IPV4) -> Answer:
    return ask(client, SET_REPLACE, make_table(input_rules, number_of_entries(client, family), family),
               family)


def conntrack_rule(family: int = IPV4) -> bytes:
    return make_standard(DROP, make_conntrack_match(), family)
