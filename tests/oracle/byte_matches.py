# SPDX-License-Identifier: GPL-2.0-or-later
"""
Matches on the bytes of packets, in random rules, and packets that they are for. Both draw from the
same small pools, so that they meet often, and miss each other by little.
"""

import struct
from random import Random

from addresses import to_number
from packets import AH, DCCP, ESP, SCTP
from topology import mac_address

IPCOMP = 108
INDICES = (0, 1, 2, 255, 256, 65535, 65536, 65537, 0x12345678, 0xFFFFFFFF)
TRAFFIC_CLASSES = (0, 0, 16, 255, 1, 2, 3, 0x20, 0xB8, 0xB9)
LENGTHS = (20, 28, 32, 40, 44, 48, 60, 64, 88, 140)
MSS = (0, 536, 1400, 1459, 1460, 1461, 65535)
CHUNKS = {"DATA": 0, "INIT": 1, "INIT_ACK": 2, "SACK": 3, "HEARTBEAT": 4, "ABORT": 6, "SHUTDOWN": 7,
          "COOKIE_ECHO": 10, "ASCONF": 193, "ASCONF_ACK": 128}
DCCP_TYPES = ("REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC",
              "SYNCACK", "INVALID")
DCCP_OPTIONS = (1, 2, 32, 33, 44, 128)
# With parts that come again, in both cases, and with bytes that have no capital in Latin-1. Not so
# short that they would be in the numbers that a stack chooses at random.
TEXTS = (b"abab", b"aabab", b"aabaaab", b"GET /", b"get /index", b"pppp", b"pppppp", b"p" * 60,
         b"Host: example.org", b"\xdfxyz", b"xyz\xffxyz", b"\x00\x01\x02\x03", b"ffffff")
TEXT_ENDS = (0, 1, 20, 28, 39, 40, 41, 48, 60, 64, 100, 1500, 65535)
# Nothing that a stack chooses at random, as the identification.
U32_TESTS = ("0>>28=4", "0>>28=6", "6&0xFF=1", "6&0xFF=6,17", "4&0x3FFF=0:100", "0&0xFFFF=20:60",
             "0>>22&0x3C@0>>16=0:1023", "0>>22&0x3C@12>>26&0x3C@0=0x70707070", "40=0x70707070",
             "8>>16&0xFF@0=0:0x7FFFFFFF", "8>>16&0x1F@12=0:0x7FFFFFFF", "1400=0", "0>>22&0x3C@0>>24=8",
             "16=0x0a000000:0x0affffff && 12=0:0xffffffff")
DATES = ("--datestart 2019-01-01 --datestop 2024-01-01", "--datestart 2020-02-29",
         "--datestop 2037-12-31T23:59:59", "--weekdays Mon,Tue,Wed,Thu,Fri,Sat,Sun",
         "--timestart 00:00:00 --timestop 23:59:59 --kerneltz",
         "--timestart 12:00 --timestop 11:59:59 --contiguous", "--datestart 2037-01-01")
PACKET_TYPES = ("unicast", "broadcast", "multicast")


class ByteMatches:
    def __init__(self, random: Random, hosts: list[str]) -> None:
        self.random = random
        self.hosts = hosts

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def _not(self) -> str:
        return "! " if self.chance(0.3) else ""

    def of(self, version: int, protocol: str, incoming: bool) -> list[str]:
        """@incoming: the chain is INPUT or FORWARD."""
        matches = []
        if self.chance(0.16):
            makers = [self._iprange, self._length, self._dscp, self._tos, self._ecn,
                      self._packet_type, self._u32, self._string, self._string, self._time]
            makers += [self._mac] if incoming else []
            makers += [self._authentication_header, self._segments] if version == 6 else []
            matches.append(self.random.choice(makers)())
        specific = {"tcp": self._tcp, "sctp": self._sctp, "132": self._sctp, "dccp": self._dccp,
                    "esp": lambda: self._index("esp", "--espspi", 0xFFFFFFFF),
                    "108": lambda: self._index("ipcomp", "--ipcompspi", 65535)}.get(protocol)
        if protocol == "ah" and version == 4:
            specific = lambda: self._index("ah", "--ahspi", 0xFFFFFFFF)
        if specific and self.chance(0.1 if protocol == "tcp" else 0.8):
            matches.append(specific())
        return matches

    def _iprange(self) -> str:
        options = []
        for option in self.random.sample(("--src-range", "--dst-range"), self.random.choice((1, 2))):
            ends = sorted(self.random.sample(self.hosts, 2), key=to_number)
            options.append(f"{self._not()}{option} {ends[0]}-{ends[1]}")
        return "-m iprange " + " ".join(options)

    def _two(self, numbers: tuple[int, ...]) -> str:
        first, last = sorted(self.random.choices(numbers, k=2))
        return f"{first}:{last}" if self.chance(0.7) else str(first)

    def _length(self) -> str:
        return f"-m length {self._not()}--length {self._two(LENGTHS)}"

    def _dscp(self) -> str:
        return f"-m dscp {self._not()}--dscp {self.random.choice(TRAFFIC_CLASSES) >> 2}"

    def _tos(self) -> str:
        value = self.random.choice(TRAFFIC_CLASSES)
        mask = self.random.choice(("", "/0x0f", "/0xfc", "/0x01"))
        return f"-m tos {self._not()}--tos {value:#x}{mask}"

    def _ecn(self) -> str:
        return f"-m ecn {self._not()}--ecn-ip-ect {self.random.randrange(4)}"

    def _packet_type(self) -> str:
        return f"-m pkttype {self._not()}--pkt-type {self.random.choice(PACKET_TYPES)}"

    def _mac(self) -> str:
        address = mac_address(self.random.randrange(3), self.chance(0.1)).hex(":")
        return f"-m mac {self._not()}--mac-source {address}"

    def _u32(self) -> str:
        return f'-m u32 {self._not()}--u32 "{self.random.choice(U32_TESTS)}"'

    def _string(self) -> str:
        text = self.random.choice(TEXTS)
        pattern = "|" + text.hex() + "|"
        first, last = sorted(self.random.choices(TEXT_ENDS, k=2))
        ends = (f" --from {first}" if self.chance(0.4) else "") + \
            (f" --to {last}" if self.chance(0.4) else "")
        icase = " --icase" if self.chance(0.4) else ""
        return f'-m string {self._not()}--hex-string "{pattern}" --algo ' \
            f"{self.random.choice(('bm', 'kmp'))}{ends}{icase}"

    def _time(self) -> str:
        return f"-m time {self.random.choice(DATES)}"

    def _index(self, name: str, option: str, maximum: int) -> str:
        value = self._two(tuple(index for index in INDICES if index <= maximum))
        return f"-m {name} {self._not()}{option} {value}"

    def _authentication_header(self) -> str:
        return self._index("ah", "--ahspi", 0xFFFFFFFF) + self.random.choice(
            ("", f" {self._not()}--ahlen {self.random.choice((12, 16, 20, 24, 28))}", " --ahres"))

    def _segments(self) -> str:
        options = [f"{self._not()}--srh-{name}-{self.random.choice(('eq', 'gt', 'lt'))} "
                   f"{self.random.randrange(3)}"
                   for name in self.random.sample(("segs-left", "last-entry", "hdr-len"), 2)]
        options += [f"{self._not()}--srh-{name} {self.random.choice(self.hosts)}"
                    for name in ("psid", "nsid", "lsid") if self.chance(0.3)]
        return "-m srh " + " ".join(options)

    def _tcp(self) -> str:
        if self.chance(0.5):
            return f"-m tcpmss {self._not()}--mss {self._two(MSS)}"
        return f"-m ecn {self._not()}--ecn-tcp-{self.random.choice(('ece', 'cwr'))}"

    def _sctp(self) -> str:
        text = f"-m sctp {self._not()}--dport {self._two((22, 80, 443, 65535))}"
        if self.chance(0.2):
            return text
        types = [name + (":B" if name == "DATA" and self.chance(0.4) else "") for name in
                 self.random.sample(sorted(CHUNKS), self.random.choice((1, 2, 3)))]
        kind = self.random.choice(("any", "all", "only"))
        text = "-m sctp" if self.chance(0.7) else text
        return f"{text} {self._not()}--chunk-types {kind} {','.join(types)}"

    def _dccp(self) -> str:
        options = [f"{self._not()}--dport {self._two((22, 80, 443, 65535))}",
                   f"{self._not()}--dccp-types "
                   f"{','.join(self.random.sample(DCCP_TYPES, self.random.choice((1, 3))))}",
                   f"{self._not()}--dccp-option {self.random.choice(DCCP_OPTIONS)}"]
        return "-m dccp " + " ".join(self.random.sample(options, self.random.choice((1, 1, 2))))


def text_payload(random: Random) -> bytes:
    """A few of the texts, in any case, and what is almost one of them."""
    parts = []
    for _ in range(random.choice((0, 1, 2, 4))):
        text = random.choice(TEXTS)
        change = random.choice(("", "", "upper", "lower", "cut", "double"))
        if change in ("upper", "lower"):
            text = getattr(text, change)()
        parts.append(text[:-1] if change == "cut" else text * (2 if change == "double" else 1))
    return b"".join(parts)


def byte_segment(random: Random, protocol: int, source: int, destination: int) -> bytes | None:
    """The transport header of a protocol that a match is for; None for others."""
    index = random.choice(INDICES)
    if protocol == ESP:
        return struct.pack("!II", index, 1) + text_payload(random)
    if protocol == AH:
        return struct.pack("!BBHII", 17, random.choice((1, 4)), 0, index, 1) + random.randbytes(20)
    if protocol == IPCOMP:
        return struct.pack("!BBH", 6, 0, index & 0xFFFF) + text_payload(random)
    if protocol == SCTP:
        return struct.pack("!HHII", source, destination, 7, 0) + _chunks(random)
    if protocol == DCCP:
        return _dccp_header(random, source, destination)
    return None


def _chunks(random: Random) -> bytes:
    result = b""
    for _ in range(random.choice((0, 1, 1, 2, 3, 5))):
        size = random.choice((0, 0, 4, 5, 8, 16))
        length = random.choice((4 + size,) * 15 + (0, 1, 3, 60, 65535))
        result += struct.pack("!BBH", random.choice((*CHUNKS.values(), 0, 0, 200)),
                              random.randrange(4), length)
        result += b"\1" * size + b"\0" * (-size % 4)
    return result


def _dccp_header(random: Random, source: int, destination: int) -> bytes:
    kind, extended = random.randrange(12), random.random() < 0.5
    fixed = 4 * extended + (0 if kind == 2 else 4 if kind == 0 else
                            8 if kind in (3, 4, 5, 6, 8, 9) else 12)
    options = b"".join(bytes((option,)) if option < 32 else bytes((option, 3, 0)) for option in
                       random.choices((0, *DCCP_OPTIONS), k=random.choice((0, 1, 2, 4))))
    options += b"\0" * (-len(options) % 4)
    offset = 3 + (fixed + len(options)) // 4 + random.choice((0,) * 12 + (1, -1, -3, 20))
    return struct.pack("!HHBBHBBH", source, destination, max(offset, 0), 0, 0,
                       kind << 1 | extended, 0, 1) + b"\0" * fixed + options + text_payload(random)
