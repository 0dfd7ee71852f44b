# SPDX-License-Identifier: GPL-2.0-or-later
"""What rules are made of: that which both families have, and of each family its own."""

import ipaddress
from dataclasses import dataclass

INTERFACES = ["eth0", "eth+", "lo", "+", "wlan0", "br-0123456789a", "eth0.100", "a"]
BAD_INTERFACES = ["averyverylonginterface", "", "eth 0"]
BAD_PROTOCOLS = ["256", "nosuchprotocol", "-1", ""]
PORTS = ["22", "80", "http", "0", "65535", "1024:65535", ":1023", "1024:", "53", "ssh", "8000:8080", "0:65535"]
BAD_PORTS = ["65536", "90:80", "nosuchservice", "-1", "1:2:3", ""]
TCP_FLAG_SETS = ["SYN", "ACK", "SYN,ACK", "FIN,SYN,RST,ACK", "ALL", "NONE", "URG,PSH", "RST"]
STATES = ["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"]
CONNTRACK_STATES = STATES + ["SNAT", "DNAT"]
STATUSES = ["NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"]
COMMENTS = [
    "web", "two words", 'a "quoted" word', "back\\slash", "$dollar `tick`", "x" * 255, "", "'single'",
    "tab\there", "--looks-like-an-option", "umlaut \u00e4\u00f6", "semi;colon # hash",
]


@dataclass(frozen=True)
class Option:
    name: str
    values: tuple[str, ...] = ()  # none: it takes no value
    bad_values: tuple[str, ...] = ("", "x", "-1")
    invertible: bool = True
    required: bool = False
    probability: float = 0.5


@dataclass(frozen=True)
class Match:
    name: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Vocabulary:
    command: str
    address_bits: int
    addresses: list[str]
    bad_addresses: list[str]
    protocols: list[str]
    icmp: str  # the protocol
    icmp_match: str
    icmp_option: str
    icmp_types: list[str]
    bad_icmp_types: list[str]
    has_fragment_option: bool
    further_matches: tuple[Match, ...]
    hosts: tuple[str, str]
    private_network: str
    nat_destination: str  # with a port

    def to_address(self, number: int) -> str:
        kind = ipaddress.IPv4Address if self.address_bits == 32 else ipaddress.IPv6Address
        return str(kind(number))


HOP_LIMIT_MATCHES = {name: (
    Match(name, (
        Option(f"--{name}-eq", ("0", "64", "255"), ("256", "x", ""), required=True),
        Option(f"--{name}-lt", ("64",), ("256", "x"), invertible=False, probability=0.05),)),
    Match(name, (
        Option(f"--{name}-gt", ("0", "64", "255"), ("256", "x", ""), invertible=False, required=True),)),
) for name in ("ttl", "hl")}

NUMBERS = ("0", "5", "0x10/0xff", "4294967295", "0x12/0x2")
BAD_NUMBERS = ("4294967296", "x", "", "1/x")
PORT_NAMES = ("eth0", "eth+", "port1", "+")
TYPES = ("LOCAL", "UNICAST", "MULTICAST", "UNSPEC", "BROADCAST", "ANYCAST", "UNREACHABLE",
         "LOCAL,UNICAST", "PROHIBIT", "BLACKHOLE,LOCAL", "THROW")
BAD_TYPES = ("local", "", "LOCAL,", "NOSUCHTYPE")
CONNECTION_COUNTS = ("1", "1:5", ":1000", "10:", "0:18446744073709551615")

# What the kernel knows about a packet.
METADATA_MATCHES = (
    Match("owner", (
        Option("--uid-owner", ("0", "1000", "1-5", "root", "4294967294"), ("4294967295", "5-1", "nouser", "")),
        Option("--gid-owner", ("0", "100-2000", "root"), ("4294967295", "5-1", "")),
        Option("--suppl-groups", invertible=False, probability=0.2),
        Option("--socket-exists", probability=0.2))),
    Match("mark", (Option("--mark", NUMBERS, BAD_NUMBERS, required=True),)),
    Match("connmark", (Option("--mark", NUMBERS, BAD_NUMBERS, required=True),)),
    Match("devgroup", (
        Option("--src-group", ("0", "5", "0x6/0x7"), BAD_NUMBERS),
        Option("--dst-group", ("0", "22", "0x6/0x7"), BAD_NUMBERS))),
    Match("cpu", (Option("--cpu", ("0", "1", "4294967295"), ("x", "", "-1"), required=True),)),
    Match("physdev", (
        Option("--physdev-in", PORT_NAMES, ("", "averyverylonginterface"), probability=0.4),
        Option("--physdev-out", PORT_NAMES, ("", "averyverylonginterface"), probability=0.4),
        Option("--physdev-is-in", probability=0.2),
        Option("--physdev-is-out", probability=0.2),
        Option("--physdev-is-bridged"))),
    Match("policy", (
        Option("--dir", ("in", "out"), ("", "up"), invertible=False, required=True, probability=1),
        Option("--pol", ("none", "ipsec"), ("", "some"), invertible=False, probability=0.9),
        Option("--strict", invertible=False, probability=0.3),
        Option("--reqid", ("1", "4294967295"), ("x", ""), probability=0.3),
        Option("--spi", ("0x1001", "0"), ("x", ""), probability=0.3),
        Option("--proto", ("esp", "ah", "ipcomp"), ("tcpx", ""), probability=0.3),
        Option("--mode", ("tunnel", "transport"), ("", "x"), probability=0.4))),
    Match("connbytes", (
        Option("--connbytes", CONNECTION_COUNTS, ("x", "", "5:1", "-1"), required=True),
        Option("--connbytes-dir", ("original", "reply", "both"), ("", "x"), invertible=False, probability=0.95),
        Option("--connbytes-mode", ("packets", "bytes", "avgpkt"), ("", "x"), invertible=False,
               probability=0.95))),
    Match("connlabel", (Option("--label", ("0", "5", "127"), ("128", "x", ""), required=True),)),
    Match("helper", (Option("--helper", ("ftp", "tftp-69", ""), ("x" * 40,), required=True),)),
    Match("addrtype", (
        Option("--src-type", TYPES, BAD_TYPES),
        Option("--dst-type", TYPES, BAD_TYPES),
        Option("--limit-iface-in", invertible=False, probability=0.1),
        Option("--limit-iface-out", invertible=False, probability=0.1))),
    # Paths that are not there are refused by the kernel's own match, but only if it is asked.
    Match("cgroup", (
        Option("--path", ("/",), ("/",), probability=0.5),
        Option("--cgroup", ("0", "7"), ("x", ""), probability=0.5))),
)
REALM_MATCH = Match("realm", (Option("--realm", NUMBERS, ("x", "", "-1"), required=True),))

IPV4 = Vocabulary(
    command="iptables",
    address_bits=32,
    addresses=[
        "10.0.0.1", "10.0.0.0/8", "192.168.1.0/24", "192.168.1.77/24", "172.16.5.9/32", "0.0.0.0/0",
        "10.1.2.3/255.0.255.0", "10.0.0.0/255.255.255.0", "224.0.0.0/4", "255.255.255.255", "127.0.0.1",
        "192.0.2.128/25", "10.1.1.1/0.0.0.255", "198.51.100.7/31", "1.2.3.4/0",
    ],
    bad_addresses=["10.0.0.256", "10.0.0.0/33", "10.0.0.0/-1", "1.2.3.4/255.255.255", "::1", "", "/8"],
    protocols=["tcp", "udp", "icmp", "all", "6", "17", "47", "esp", "gre", "0", "255", "TCP"],
    icmp="icmp",
    icmp_match="icmp",
    icmp_option="--icmp-type",
    icmp_types=[
        "echo-request", "echo-reply", "8", "0", "3/4", "any", "destination-unreachable",
        "port-unreachable", "time-exceeded", "255", "255/255", "redirect", "ping",
        "fragmentation-needed", "5/1",
    ],
    bad_icmp_types=["256", "3/256", "nosuchtype", "echo", "8/", ""],
    has_fragment_option=True,
    further_matches=(*HOP_LIMIT_MATCHES["ttl"], *METADATA_MATCHES, REALM_MATCH),
    hosts=("10.0.0.1", "10.0.0.2"),
    private_network="10.0.0.0/8",
    nat_destination="10.0.0.1:8080",
)

HEADER_LISTS = ("hop-by-hop", "dst", "route,frag", "auth,esp", "none", "prot", "0,60,43", "hop,dst,route,frag",
                "255", "dst,dst", "hop,dst,route,frag,auth,esp,none,prot")
OPTION_LISTS = ("1", "1:4", "5:2,0", "194:4", "1:4,5:2,0,255:255", "201:16,1:0",
                ",".join(str(number) for number in range(16)))
BAD_OPTION_LISTS = ("256", "1:256", "", ":", "1:2:3", ",".join("1" * 17))
RANGES = ("0", "1", "1:3", ":7", "4:", "255", "0:255")
BAD_RANGES = ("256:x", "-1", "x", "4294967296", "")

IPV6_MATCHES = (
    Match("ipv6header", (
        Option("--header", HEADER_LISTS, ("nosuchheader", "256", "", "hop,"), required=True),
        Option("--soft", invertible=False))),
    Match("frag", (
        Option("--fragid", ("0", "7", "1:10", ":9", "8:", "4294967295", "0:4294967295", "9:8"), BAD_RANGES),
        Option("--fraglen", ("0", "8", "4294967295"), BAD_RANGES, probability=0.1),
        Option("--fragres", invertible=False, probability=0.2),
        Option("--fragfirst", invertible=False, probability=0.3),
        Option("--fragmore", invertible=False, probability=0.2),
        Option("--fraglast", invertible=False, probability=0.1))),
    Match("rt", (
        Option("--rt-type", ("0", "2", "4", "255"), ("256", "x", "")),
        Option("--rt-segsleft", RANGES, BAD_RANGES),
        Option("--rt-len", ("8", "24", "0"), BAD_RANGES, probability=0.3),
        Option("--rt-0-res", invertible=False, probability=0.2),
        Option("--rt-0-addrs", ("::1", "2001:db8::1,2001:db8::2", "ff02::1," * 15 + "::"),
               ("10.0.0.1", "", "::1," * 16 + "::"), invertible=False, probability=0.2),
        Option("--rt-0-not-strict", invertible=False, probability=0.2))),
    Match("hbh", (
        Option("--hbh-len", ("8", "16", "0", "2048"), BAD_RANGES),
        Option("--hbh-opts", OPTION_LISTS, BAD_OPTION_LISTS, invertible=False))),
    Match("dst", (
        Option("--dst-len", ("8", "16", "0", "2048"), BAD_RANGES),
        Option("--dst-opts", OPTION_LISTS, BAD_OPTION_LISTS, invertible=False))),
    Match("mh", (
        Option("--mh-type", ("0", "bu", "binding-error", "1:3", "hoti:cot", "255"), ("nosuchtype", "256", "")),)),
    Match("eui64", ()),
    *HOP_LIMIT_MATCHES["hl"],
)

IPV6 = Vocabulary(
    command="ip6tables",
    address_bits=128,
    addresses=[
        "2001:db8::1", "2001:db8::/32", "fd00:1:2::/48", "2001:db8:1::77/64", "fe80::1/128", "::/0", "::1",
        "::ff00:0/0:0:0:0:0:0:ffff:0", "2001:db8::/ffff:ffff::", "ff02::/16", "ff02::1", "::ffff:10.0.0.1",
        "2001:db8::8000/113", "fd00::1:2/0:ffff::ffff", "2001:db8::7/127", "1:2:3:4:5:6:7:8/1",
        "2001:DB8::A", "::/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff::", "64:ff9b::192.0.2.1/96",
    ],
    bad_addresses=["2001:db8::g", "::/129", "::/-1", "1:2:3:4:5:6:7", "10.0.0.1", "", "/64", "::1::2",
                   "::/ffff:ffff"],
    protocols=["tcp", "udp", "ipv6-icmp", "icmpv6", "all", "6", "17", "47", "esp", "gre", "0", "255", "TCP",
               "mh", "mh", "58", "ipv6-nonxt", "59", "hopopt", "43", "ah", "60"],
    icmp="ipv6-icmp",
    icmp_match="icmp6",
    icmp_option="--icmpv6-type",
    icmp_types=[
        "echo-request", "echo-reply", "128", "0", "1/4", "destination-unreachable", "port-unreachable",
        "time-exceeded", "255", "255/255", "redirect", "ping", "packet-too-big", "133/0",
        "neighbour-solicitation", "neighbor-advertisement", "router-advertisement", "bad-header", "4/1",
    ],
    bad_icmp_types=["256", "3/256", "nosuchtype", "echo", "8/", "", "any"],
    has_fragment_option=False,
    further_matches=(*IPV6_MATCHES, *METADATA_MATCHES),
    hosts=("2001:db8::1", "2001:db8::2"),
    private_network="fd00::/8",
    nat_destination="[fd00::1]:8080",
)

VOCABULARIES = {4: IPV4, 6: IPV6}
