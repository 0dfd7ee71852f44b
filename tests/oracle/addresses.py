# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses and networks of both families, as text and as numbers. A text shows its family."""

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    version: int
    bits: int
    number: int  # AF_INET or AF_INET6
    ethertype: int
    any: str

    @property
    def ones(self) -> int:
        return (1 << self.bits) - 1


IPV4 = Family(4, 32, socket.AF_INET, 0x0800, "0.0.0.0")
IPV6 = Family(6, 128, socket.AF_INET6, 0x86DD, "::")
FAMILIES = {4: IPV4, 6: IPV6}


def family_of(address: str) -> Family:
    return IPV6 if ":" in address else IPV4


def packed(address: str) -> bytes:
    return socket.inet_pton(family_of(address).number, address)


def unpacked(value: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(value) == 4 else socket.AF_INET6, value)


def to_number(address: str) -> int:
    return int.from_bytes(packed(address), "big")


def to_address(number: int, family: Family) -> str:
    return unpacked((number & family.ones).to_bytes(family.bits // 8, "big"))


def moved(address: str, distance: int) -> str:
    return to_address(to_number(address) + distance, family_of(address))


def parse_network(value: str) -> tuple[int, int]:
    """(address, mask)"""
    address, _, mask = value.partition("/")
    family = family_of(address)
    if not mask:
        return to_number(address), family.ones
    if not mask.isdigit():
        return to_number(address), to_number(mask)
    return to_number(address), (family.ones << (family.bits - int(mask))) & family.ones


def in_network(address: str, value: str) -> bool:
    network, mask = parse_network(value)
    return not (to_number(address) ^ network) & mask
