# SPDX-License-Identifier: GPL-2.0-or-later
"""What only IPv4's rulesets have."""

from addresses import IPV4
from rulesets import Generator
from topology import BROADCASTS, LOCAL_ADDRESSES


class GeneratorIPv4(Generator):
    family = IPV4
    icmp = ("icmp", "1")
    icmp_match = ("icmp", "--icmp-type")
    icmp_types = ("echo-request", "echo-reply", "8", "0", "3", "3/0", "3/1", "3/3", "3/4", "11",
                  "11/0", "5/1", "12/0", "13", "30", "port-unreachable", "time-exceeded", "254/255")
    other_protocols = ("udplite", "sctp", "dccp", "gre", "esp", "ah", "igmp", "ipencap", "0", "2",
                       "41", "99", "108", "132", "253", "255", "all")
    lengths = (8, 12, 16, 24, 24, 31, 32, 0)
    odd_masks = ("255.0.255.0", "0.0.0.255", "0.255.255.255", "255.255.0.255", "128.0.0.1",
                 "255.255.255.254", "0.0.0.0")
    special_addresses = (*LOCAL_ADDRESSES[4], "127.0.0.1", BROADCASTS[0], "255.255.255.255",
                         "224.0.0.1")
    nat_public = ("203.0.113.50", "203.0.113.51", "10.2.200.1")
    nat_targets = ("172.16.5.5", "198.51.100.77", "10.2.0.9")
    nat_aliases = ("198.18.7.1", "198.18.7.2")

    def _pick_hosts(self) -> list[str]:
        number = self.random.randrange
        return [f"10.1.{number(4)}.{number(2, 256)}", f"10.1.{number(4)}.{number(2, 256)}",
                f"172.16.{number(256)}.{number(256)}", f"192.168.{number(3)}.{number(1, 255)}",
                f"203.0.113.{number(2, 40)}", f"198.51.100.{number(2, 40)}", "8.8.8.8",
                f"{number(1, 224)}.{number(256)}.{number(256)}.{number(256)}"]

    def family_header(self) -> str:
        return f"{self.maybe_not(0.5)}-f" if self.chance(0.06) else ""

    def family_matches(self, protocol: str, chain: str) -> list[str]:
        return [self.hop_limit_match("ttl")] if self.chance(0.06) else []

    def _icmp(self) -> str:
        return "-m icmp --icmp-type any" if self.chance(0.1) else super()._icmp()
