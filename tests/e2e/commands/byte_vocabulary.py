# SPDX-License-Identifier: GPL-2.0-or-later
"""The matches on bytes of packets, for random rules: those of both families, and of each its own."""

from vocabulary import BAD_RANGES, Match, Option

PORT_RANGES = ("22", "80:90", ":1023", "1024:", "0:65535")
BAD_PORT_RANGES = ("65536", "90:80", "nosuchservice", "")
INDICES = ("0", "1", "1:5", "256:4294967295", ":7")

BOTH_MATCHES = (
    Match("iprange", (
        Option("--src-range", ("10.0.0.1-10.0.0.9", "::1-::9"), ("10.0.0.9-10.0.0.1", "x", ""), required=True),)),
    Match("mac", (Option("--mac-source", ("02:00:00:00:00:01", "FF:ff:0:0:0:0"), ("02:00", "x", ""), required=True),)),
    Match("length", (Option("--length", ("40", "0:65535", ":100", "100:"), ("65536", "9:8", ""), required=True),)),
    Match("dscp", (Option("--dscp", ("0", "0x3f", "10"), ("64", "x", ""), required=True),)),
    Match("dscp", (Option("--dscp-class", ("EF", "AF11", "cs7", "BE"), ("AF99", ""), required=True),)),
    Match("tos", (Option("--tos", ("0", "0x10/0x3f", "Minimize-Delay", "0xff"), ("256", "x", ""), required=True),)),
    Match("ecn", (
        Option("--ecn-ip-ect", ("0", "1", "3"), ("4", "x", "")),
        Option("--ecn-tcp-ece", probability=0.2),
        Option("--ecn-tcp-cwr", probability=0.2))),
    Match("pkttype", (Option("--pkt-type", ("unicast", "broadcast", "multicast"), ("x", ""), required=True),)),
    Match("esp", (Option("--espspi", INDICES, BAD_RANGES),)),
    Match("ipcomp", (Option("--ipcompspi", INDICES, BAD_RANGES), Option("--compres", probability=0.1))),
    Match("tcpmss", (Option("--mss", ("536", "1:1460", "0:65535"), ("65536", "9:8", ""), required=True),)),
    Match("sctp", (
        Option("--sport", PORT_RANGES, BAD_PORT_RANGES),
        Option("--dport", PORT_RANGES, BAD_PORT_RANGES),
        Option("--chunk-types", ("any DATA", "all INIT,SACK", "only DATA:Be"), ("any", "some DATA", "")))),
    Match("dccp", (
        Option("--dport", PORT_RANGES, BAD_PORT_RANGES),
        Option("--dccp-types", ("REQUEST,DATA", "INVALID"), ("NOSUCH", "")),
        Option("--dccp-option", ("1", "255"), ("256", "")))),
    Match("u32", (
        Option("--u32", ("0=0", "6&0xFF=1", "0>>22&0x3C@0>>24=8,9:11", "0=0&&4=1:2&&8>>31=0"),
               ("0", "0=", "0>>32=1", "x=1", "", "0&1&2&3&4&5&6&7&8&9&10&11=1"), required=True),)),
    Match("string", (
        Option("--string", ("GET /", "x" * 128, 'a "quoted" word', "umlaut \u00e4"), ("x" * 129, ""), required=True),
        Option("--algo", ("bm", "kmp"), ("fsm", "nosuch", "x" * 16, ""), invertible=False, required=True),
        Option("--from", ("0", "10", "65535"), ("65536", "x"), invertible=False, probability=0.3),
        Option("--to", ("65535", "100", "0"), ("65536", "x"), invertible=False, probability=0.3),
        Option("--icase", invertible=False, probability=0.3))),
    Match("string", (
        Option("--hex-string", ("|00 01 ff|", "a|0d0a|b"), ("|0|", "|xx|", "|00", ""), required=True),
        Option("--algo", ("bm", "kmp"), ("x",), invertible=False, required=True))),
    Match("time", (
        Option("--timestart", ("01:02", "23:59:59"), ("24:00", "x", ""), invertible=False),
        Option("--timestop", ("01:02", "00:00"), ("24:00", "x", ""), invertible=False),
        Option("--weekdays", ("Mon", "1,2,7", "Sa,Su"), ("8", "x", "")),
        Option("--monthdays", ("1", "1,15,31"), ("32", "0", "x")),
        Option("--datestart", ("2020-01-01T10:00:00",), ("2020-13-01", "x"), invertible=False, probability=0.2),
        Option("--contiguous", invertible=False, probability=0.1),
        Option("--kerneltz", invertible=False, probability=0.2))),
)

IPV4_MATCHES = (
    Match("ah", (Option("--ahspi", INDICES, BAD_RANGES),)),
)

IPV6_MATCHES = (
    Match("ah", (
        Option("--ahspi", INDICES, BAD_RANGES),
        Option("--ahlen", ("0", "24"), BAD_RANGES),
        Option("--ahres", invertible=False, probability=0.2))),
    Match("srh", (
        Option("--srh-next-hdr", ("6", "udp"), ("256", "")),
        Option("--srh-hdr-len-eq", ("4", "255"), ("256", "")),
        Option("--srh-segs-left-gt", ("1",), ("256", "")),
        Option("--srh-last-entry-lt", ("4",), ("256", "")),
        Option("--srh-tag", ("0", "65535"), ("65536", "")),
        Option("--srh-psid", ("2001:db8::/64", "::1"), ("10.0.0.1", "")),
        Option("--srh-lsid", ("2001:db8::1/128",), ("10.0.0.1", "")))),
)

OF_FAMILY = {4: BOTH_MATCHES + IPV4_MATCHES, 6: BOTH_MATCHES + IPV6_MATCHES}
