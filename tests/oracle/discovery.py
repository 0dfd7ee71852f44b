# SPDX-License-Identifier: GPL-2.0-or-later
"""
Neighbour discovery (RFC 4861) that matters: whether a packet gets to its neighbour depends on what
the ruleset does with solicitations and advertisements.
"""

import struct
from random import Random

from addresses import packed, to_address, to_number, IPV6
from packets import UDP, icmpv6, udp
from packets_ipv6 import ipv6
from topology import ENDS, LINK_LOCAL_HOSTS, LINKS, mac_address

SOLICITATION, ADVERTISEMENT = 135, 136
SOLICITED_NODE = "ff02::1:ff00:0"
SOURCE_ADDRESS, TARGET_ADDRESS = 1, 2  # options: link-layer addresses
SOLICITED_OVERRIDE = 0x60000000
HOP_LIMIT = 255


def discovery_message(source: str, destination: str, kind: int, flags: int, target: str,
                      option: bytes) -> bytes:
    message = icmpv6(source, destination, kind, 0, rest=struct.pack("!I", flags),
                     payload=packed(target) + option)
    return ipv6(source, destination, 58, message, hop_limit=HOP_LIMIT)


def link_address(kind: int, link: int) -> bytes:
    return bytes((kind, 1)) + mac_address(link, False)


def solicited_node(address: str) -> str:
    return to_address(to_number(SOLICITED_NODE) | to_number(address) & 0xFFFFFF, IPV6)


def frame(link: int, packet: bytes) -> dict:
    return {"do": "frame", "at": ENDS[link], "hex": packet.hex()}


def datagram(source: str, destination: str, number: int) -> bytes:
    return ipv6(source, destination, UDP, udp(source, destination, 5353, 5353,
                                              payload=b"datagram %d" % number))


def outwards(random: Random, hosts: list[str]) -> list[dict]:
    """The firewall has to find a neighbour for a packet that waits, and for the next one."""
    link = random.randrange(len(LINKS))
    neighbour = LINKS[link].on_link.replace("::/64", f"::{random.getrandbits(16):x}")
    if random.random() < 0.6:
        first, second = [frame(0 if link else 1, datagram(hosts[0] if link else hosts[4],
                                                          neighbour, number)) for number in (0, 1)]
    else:
        first, second = [{"do": "raw", "hex": datagram(
            LINKS[link].ipv6.addresses[0], neighbour, number).hex()} for number in (0, 1)]
    answer = discovery_message(neighbour, LINKS[link].link_local, ADVERTISEMENT, SOLICITED_OVERRIDE,
                               neighbour, link_address(TARGET_ADDRESS, link))
    return [first, {"do": "settle"}, frame(link, answer), {"do": "settle"}, second]


def inwards(random: Random, hosts: list[str]) -> list[dict]:
    """A neighbour asks for the firewall."""
    link = random.randrange(len(LINKS))
    target = random.choice((*LINKS[link].ipv6.addresses, LINKS[link].link_local, hosts[0]))
    source = random.choice((*LINK_LOCAL_HOSTS, "::",
                            LINKS[link].on_link.replace("::/64", f"::{random.getrandbits(16):x}")))
    option = b"" if source == "::" else link_address(SOURCE_ADDRESS, link)
    destination = target if random.random() < 0.3 else solicited_node(target)
    return [frame(link, discovery_message(source, destination, SOLICITATION, 0, target, option)),
            {"do": "settle"}]


def unsolicited(random: Random, hosts: list[str]) -> list[dict]:
    link = random.randrange(len(LINKS))
    source = random.choice(LINK_LOCAL_HOSTS)
    return [frame(link, discovery_message(source, "ff02::1", ADVERTISEMENT, 0x20000000,
                                          random.choice((source, hosts[0])),
                                          link_address(TARGET_ADDRESS, link)))]


def discovery_steps(random: Random, hosts: list[str]) -> list[dict]:
    scene = random.choice((outwards, outwards, inwards, inwards, unsolicited))
    return scene(random, hosts)
