# SPDX-License-Identifier: GPL-2.0-or-later
"""
Packets, built byte by byte so that every wrong shape can be made, and read back for people: what
both families share, and IPv4. The headers of IPv6 are in packets_ipv6.py.
"""

import struct

from addresses import packed, unpacked

# RFC 5342 section 3: local experimental use; the IP stack never sees such a frame.
ETHERTYPE_SENTINEL = 0x88B5

ICMP, IGMP, TCP, UDP, GRE, ESP, AH, ICMPV6 = 1, 2, 6, 17, 47, 50, 51, 58
DCCP, SCTP, UDPLITE = 33, 132, 136
PROTOCOL_NAMES = {ICMP: "icmp", IGMP: "igmp", TCP: "tcp", UDP: "udp", GRE: "gre", ESP: "esp",
                  AH: "ah", ICMPV6: "icmpv6", DCCP: "dccp", SCTP: "sctp", UDPLITE: "udplite"}

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
TCP_FLAG_LETTERS = "FSRPAUEC"

ICMP_ERRORS = (3, 4, 5, 11, 12)
ICMPV6_ERRORS = (1, 2, 3, 4)


def checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(destination: bytes, source: bytes, ethertype: int, payload: bytes) -> bytes:
    return destination + source + struct.pack("!H", ethertype) + payload


def ipv4(source: str, destination: str, protocol: int, payload: bytes, *, identification: int = 1,
         ttl: int = 64, tos: int = 0, dont_fragment: bool = False, more_fragments: bool = False,
         offset: int = 0, options: bytes = b"", header_words: int | None = None) -> bytes:
    """offset is in units of 8 bytes; options are padded to whole words. The checksum is right."""
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4
    fragment = offset | (0x2000 if more_fragments else 0) | (0x4000 if dont_fragment else 0)
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | (words if header_words is None else header_words),
                         tos, words * 4 + len(payload), identification, fragment, ttl, protocol, 0,
                         packed(source), packed(destination)) + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def transport_checksum(source: str, destination: str, protocol: int, segment: bytes) -> int:
    """IPv6's pseudo header has wider numbers in another order: that is the same to sums."""
    pseudo_header = (packed(source) + packed(destination) +
                     struct.pack("!BBH", 0, protocol, len(segment)))
    return checksum(pseudo_header + segment)


def tcp(source: str, destination: str, source_port: int, destination_port: int, *,
        flags: int = SYN, sequence: int = 0, acknowledgement: int = 0, window: int = 8192,
        options: bytes = b"", header_words: int | None = None, payload: bytes = b"",
        wrong_checksum: bool = False) -> bytes:
    """header_words overrides what the options need, for headers that lie about their length."""
    if header_words is None:
        options += b"\0" * (-len(options) % 4)
        header_words = 5 + len(options) // 4
    segment = struct.pack("!HHIIBBHHH", source_port, destination_port, sequence & 0xFFFFFFFF,
                          acknowledgement & 0xFFFFFFFF, (header_words & 15) << 4, flags, window,
                          0, 0) + options + payload
    value = transport_checksum(source, destination, TCP, segment) ^ wrong_checksum
    return segment[:16] + struct.pack("!H", value) + segment[18:]


def udp(source: str, destination: str, source_port: int, destination_port: int, *,
        payload: bytes = b"", wrong_checksum: bool = False) -> bytes:
    datagram = struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload
    value = transport_checksum(source, destination, UDP, datagram) ^ wrong_checksum
    return datagram[:6] + struct.pack("!H", value or 0xFFFF) + datagram[8:]


def icmp(kind: int, code: int, *, rest: bytes = b"\0\0\0\0", payload: bytes = b"") -> bytes:
    """rest is the second word of the header: identifier and sequence of an echo, for example."""
    message = struct.pack("!BBH", kind, code, 0) + rest + payload
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def icmpv6(source: str, destination: str, kind: int, code: int, *, rest: bytes = b"\0\0\0\0",
           payload: bytes = b"", wrong_checksum: bool = False) -> bytes:
    message = struct.pack("!BBH", kind, code, 0) + rest + payload
    value = transport_checksum(source, destination, ICMPV6, message) ^ wrong_checksum
    return message[:2] + struct.pack("!H", value) + message[4:]


def fragments(source: str, destination: str, protocol: int, segment: bytes, sizes: list[int], *,
              identification: int, options: bytes = b"") -> list[bytes]:
    """Cuts a whole segment into IP fragments of these sizes (multiples of 8) and a remainder."""
    packets, offset = [], 0
    for size in [*sizes, len(segment)]:
        part = segment[offset:offset + size]
        if not part:
            break
        packets.append(ipv4(source, destination, protocol, part, offset=offset // 8,
                            more_fragments=offset + size < len(segment),
                            identification=identification, options=options))
        offset += size
    return packets


def header_length(packet: bytes) -> int:
    return (packet[0] & 15) * 4


def is_fragment(packet: bytes) -> bool:
    return bool(struct.unpack_from("!H", packet, 6)[0] & 0x3FFF)


def with_identification(packet: bytes, identification: int) -> bytes:
    length = header_length(packet)
    header = packet[:4] + struct.pack("!H", identification) + packet[6:10] + b"\0\0" + \
        packet[12:length]
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + packet[length:]


def describe_ipv4(packet: bytes) -> str:
    """One line about a packet, whatever its shape."""
    if len(packet) < 20:
        return f"{len(packet)} bytes: {packet.hex()}"
    protocol = packet[9]
    fragment = struct.unpack_from("!H", packet, 6)[0]
    words = [f"{unpacked(packet[12:16])} > {unpacked(packet[16:20])}",
             PROTOCOL_NAMES.get(protocol, f"protocol {protocol}"), f"length {len(packet)}"]
    if header_length(packet) != 20:
        words.append(f"header {header_length(packet)}")
    if fragment & 0x3FFF:
        words.append(f"fragment {fragment & 0x1FFF}{'+' if fragment & 0x2000 else ''}")
    if not fragment & 0x1FFF:
        words.append(describe_transport(protocol, packet[header_length(packet):]))
    return " ".join(words)


def describe_transport(protocol: int, segment: bytes) -> str:
    if protocol in (ICMP, ICMPV6) and len(segment) >= 2:
        return f"type {segment[0]} code {segment[1]}"
    if protocol not in (TCP, UDP, SCTP, DCCP, UDPLITE) or len(segment) < 4:
        return f"payload {len(segment)}"
    text = "ports {} > {}".format(*struct.unpack_from("!HH", segment))
    if protocol == TCP and len(segment) >= 14:
        letters = "".join(letter for bit, letter in enumerate(TCP_FLAG_LETTERS)
                          if segment[13] & 1 << bit)
        text += f" flags {letters or 'none'} header {(segment[12] >> 4) * 4}"
    return text if len(segment) >= 8 else text + f" (cut to {len(segment)})"
