# SPDX-License-Identifier: GPL-2.0-or-later
"""The filter table as the control socket gives it: to be put back, and to read final counters by."""

import socket
import struct
from dataclasses import dataclass

import control

INFO = "=32sI5I5III"
ENTRIES_HEADER = "=32sI4x"
REPLACE_HEADER = "=32sIII5I5IIQ"
# In struct ipt_entry and in struct ip6t_entry.
INVERSIONS = {control.IPV4: 83, control.IPV6: 132}
TARGET_OFFSET = {control.IPV4: 88, control.IPV6: 140}
INVERTED_PROTOCOL = 0x40


@dataclass(frozen=True)
class Rule:
    index: int  # of its counter
    chain: str


def text(name: bytes) -> str:
    return name.split(b"\0", 1)[0].decode()


@dataclass(frozen=True)
class Table:
    replace: bytes  # struct ipt_replace without its last two members
    entries: bytes
    n_entries: int
    rules: tuple[Rule, ...]  # those that every packet must hit, with an inverted protocol

    def request(self, n_counters: int) -> bytes:
        return self.replace + struct.pack("=IQ", n_counters, 0) + self.entries

    def counted(self, counters: list[tuple[int, int]], prefix: str) -> set[tuple[int, int]]:
        """What the rules of the chains with this prefix have counted: packets and bytes."""
        return {counters[rule.index] for rule in self.rules if rule.chain.startswith(prefix)}


def counting_rules(entries: bytes, base_chains: dict[int, str], family: int) -> list[Rule]:
    rules, offset, index, chain = [], 0, 0, ""
    while offset < len(entries):
        chain = base_chains.get(offset, chain)
        target, size = struct.unpack_from("=HH", entries, offset + TARGET_OFFSET[family])
        if text(entries[offset + target + 2:offset + target + 31]) == "ERROR":
            chain = text(entries[offset + target + 32:offset + target + 62])
        elif entries[offset + INVERSIONS[family]] & INVERTED_PROTOCOL:
            rules.append(Rule(index, chain))
        offset += size
        index += 1
    return rules


def read_table(client: socket.socket, family: int) -> Table:
    """The table in force."""
    info = struct.unpack(INFO, control.get_info(client, family).payload)
    name, valid_hooks, hook_entry, underflow, n_entries, size = (
        info[0], info[1], info[2:7], info[7:12], info[12], info[13])
    answer = control.ask(client, control.GET_ENTRIES, struct.pack(ENTRIES_HEADER, b"filter", size), family)
    assert answer.error == 0, answer.message
    entries = answer.payload[struct.calcsize(ENTRIES_HEADER):]
    base_chains = {hook_entry[hook]: chain for hook, chain in
                   ((control.INPUT, "INPUT"), (control.FORWARD, "FORWARD"), (control.OUTPUT, "OUTPUT"))}
    replace = struct.pack("=32sIII5I5I", name, valid_hooks, n_entries, size, *hook_entry, *underflow)
    return Table(replace, entries, n_entries, tuple(counting_rules(entries, base_chains, family)))


def unpack_counters(payload: bytes) -> list[tuple[int, int]]:
    return list(struct.iter_unpack("=QQ", payload))
