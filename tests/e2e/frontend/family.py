# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between iptables and ip6tables, for tests that run for both."""

import socket
from dataclasses import dataclass

GET_INFO, GET_ENTRIES, GET_REVISION_MATCH, GET_REVISION_TARGET, SET_REPLACE, SET_ADD_COUNTERS, \
    TABLE_IN_USE = range(1, 8)


@dataclass(frozen=True)
class Family:
    number: int  # NFPROTO_IPV4, NFPROTO_IPV6
    iptables: str
    address_family: int
    level: int
    options: dict[int, int]  # of the kernel, by the operation of src/abi/control.h
    network: str
    hosts: tuple[str, str]
    host_length: int

    @property
    def names(self) -> str:
        """Of the file with the kernel's tables."""
        return "ip6_tables_names" if self.number == IPV6.number else "ip_tables_names"

    @property
    def module(self) -> str:
        return self.names.removesuffix("_names")

    def program(self, name: str) -> str:
        """"iptables-save" is ip6tables-save in IPv6, and "bpf-iptables" bpf-ip6tables."""
        return name.replace("iptables", self.iptables)

    def rules(self, text: str) -> str:
        """@text with addresses of this family: NETWORK, HOST, OTHER; and FULL, their length."""
        for name, value in (("NETWORK", self.network), ("HOST", self.hosts[0]),
                            ("OTHER", self.hosts[1]), ("FULL", str(self.host_length))):
            text = text.replace(name, value)
        return text


OPTIONS = {GET_INFO: 64, GET_ENTRIES: 65, SET_REPLACE: 64, SET_ADD_COUNTERS: 65}

IPV4 = Family(number=2, iptables="iptables", address_family=socket.AF_INET, level=socket.SOL_IP,
              options=OPTIONS | {GET_REVISION_MATCH: 66, GET_REVISION_TARGET: 67},
              network="10.0.0.0/8", hosts=("192.0.2.1", "192.0.2.77"), host_length=32)
IPV6 = Family(number=10, iptables="ip6tables", address_family=socket.AF_INET6, level=socket.IPPROTO_IPV6,
              options=OPTIONS | {GET_REVISION_MATCH: 68, GET_REVISION_TARGET: 69},
              network="fd00:a::/32", hosts=("2001:db8::1", "2001:db8::77"), host_length=128)
