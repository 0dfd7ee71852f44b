# SPDX-License-Identifier: GPL-2.0-or-later
"""
IPv6 packets (RFC 8200), and what needs both families' formats.

An extension header is made without its first byte, the number of what follows it: assemble()
knows that.
"""

import struct
from dataclasses import dataclass, replace

from addresses import packed, unpacked
from packets import (AH, ESP, ICMP, ICMPV6, PROTOCOL_NAMES, TCP, describe_ipv4, describe_transport,
                     header_length, ipv4, is_fragment, with_identification)

HOP_BY_HOP, ROUTING, FRAGMENT, NO_NEXT, DESTINATION, MOBILITY = 0, 43, 44, 59, 60, 135
HEADER_LENGTH = 40
SHORTEST_QUOTED = 28  # of IPv4, with as much as every error quotes
MORE_FRAGMENTS = 1
EXTENSION_NAMES = {HOP_BY_HOP: "hop-by-hop", ROUTING: "routing", FRAGMENT: "fragment", AH: "ah",
                   DESTINATION: "destination options", MOBILITY: "mobility", NO_NEXT: "none",
                   ESP: "esp"}
# What the walks of net/ipv6/exthdrs_core.c go through: not ESP, nor mobility.
WALKED = (HOP_BY_HOP, ROUTING, FRAGMENT, AH, DESTINATION)


@dataclass(frozen=True)
class Extension:
    number: int
    body: bytes  # from the second byte on


def options_extension(number: int, options: bytes, length: int | None = None) -> Extension:
    """Hop-by-hop or destination options, padded to whole 8 bytes; @length lies about that."""
    missing = -(len(options) + 2) % 8
    padding = b"" if not missing else b"\0" if missing == 1 else \
        bytes((1, missing - 2)) + b"\0" * (missing - 2)
    body = options + padding
    length = (len(body) + 2) // 8 - 1 if length is None else length
    return Extension(number, bytes((length,)) + body)


def routing_extension(kind: int, segments_left: int, addresses: list[str], reserved: int = 0,
                      length: int | None = None) -> Extension:
    length = 2 * len(addresses) if length is None else length
    return Extension(ROUTING, struct.pack("!BBBI", length, kind, segments_left, reserved) +
                     b"".join(packed(address) for address in addresses))


def fragment_extension(offset: int, more: bool, identification: int,
                       reserved: int = 0) -> Extension:
    """@offset is in units of 8 bytes; the low bits of @reserved go between offset and flag."""
    return Extension(FRAGMENT, struct.pack(
        "!BHI", reserved >> 2, offset << 3 | (reserved & 3) << 1 | more, identification))


def authentication_extension(spi: int, check_value: bytes = b"\0" * 12,
                             length: int | None = None) -> Extension:
    """RFC 4302 section 2: its length counts 4 bytes, less 2."""
    words = (12 + len(check_value)) // 4 - 2 if length is None else length
    return Extension(AH, struct.pack("!BHII", words, 0, spi, 1) + check_value)


def mobility_message(kind: int, length: int | None = None, payload: bytes = b"\0\0") -> Extension:
    """RFC 6275 section 6.1; it has a header of the extensions' kind, and nothing follows it."""
    body = payload + b"\0" * (-(len(payload) + 6) % 8)
    length = (len(body) + 6) // 8 - 1 if length is None else length
    return Extension(MOBILITY, struct.pack("!BBBH", length, kind, 0, 0) + body)


def assemble(extensions: list[Extension], protocol: int, segment: bytes) -> tuple[int, bytes]:
    """(the number of the first header, what comes after the IPv6 header)"""
    numbers = [extension.number for extension in extensions] + [protocol]
    return numbers[0], b"".join(bytes((following,)) + extension.body for extension, following
                                in zip(extensions, numbers[1:])) + segment


def ipv6(source: str, destination: str, next_header: int, payload: bytes, *, hop_limit: int = 64,
         traffic_class: int = 0, flow_label: int = 0, payload_length: int | None = None) -> bytes:
    length = len(payload) if payload_length is None else payload_length
    return struct.pack("!IHBB", 6 << 28 | traffic_class << 20 | flow_label, length, next_header,
                       hop_limit) + packed(source) + packed(destination) + payload


def fragments_ipv6(source: str, destination: str, before: list[Extension], protocol: int,
                   fragmentable: bytes, sizes: list[int], identification: int,
                   **header: int) -> list[bytes]:
    """Cuts what follows the headers @before into fragments, as packets.fragments() does."""
    result, offset = [], 0
    for size in [*sizes, len(fragmentable)]:
        part = fragmentable[offset:offset + size]
        if not part:
            break
        more = offset + size < len(fragmentable)
        fragment = fragment_extension(offset // 8, more, identification)
        first, payload = assemble([*before, fragment], protocol, part)
        result.append(ipv6(source, destination, first, payload, **header))
        offset += size
    return result


def ip_packet(source: str, destination: str, protocol: int, segment: bytes) -> bytes:
    """A plain packet of the addresses' family."""
    make = ipv6 if ":" in source else ipv4
    return make(source, destination, protocol, segment)


def version(packet: bytes) -> int:
    return packet[0] >> 4 if packet else 0


@dataclass(frozen=True)
class Layout:
    """Where things are in an IPv6 packet."""
    headers: tuple[int, ...] = ()         # the extension headers' numbers, in their order
    protocol: int = NO_NEXT               # that follows them
    start: int = HEADER_LENGTH            # of what follows them
    fragment: int | None = None           # where the first fragment header is
    offset: int = 0                       # this fragment's, in units of 8 bytes
    more: bool = False


def layout_of(packet: bytes) -> Layout:
    """Follows the extension headers as far as they are there, in a later fragment up to its own."""
    layout = Layout(protocol=packet[6])
    while layout.protocol in WALKED and not layout.offset and len(packet) >= layout.start + 2:
        number, start = layout.protocol, layout.start
        length = 8 if number == FRAGMENT else (packet[start + 1] + 2) * 4 if number == AH else \
            (packet[start + 1] + 1) * 8
        if number == FRAGMENT and layout.fragment is None and len(packet) >= start + 8:
            bits = struct.unpack_from("!H", packet, start + 2)[0]
            layout = replace(layout, fragment=start, offset=bits >> 3,
                             more=bool(bits & MORE_FRAGMENTS))
        layout = replace(layout, headers=(*layout.headers, number), protocol=packet[start],
                         start=start + length)
    return layout


def addresses_of(packet: bytes) -> tuple[str, str]:
    if version(packet) == 6:
        return unpacked(packet[8:24]), unpacked(packet[24:40])
    return unpacked(packet[12:16]), unpacked(packet[16:20])


def transport_of(packet: bytes) -> tuple[int, int]:
    """(protocol, where its header starts) of a packet that is no later fragment."""
    if version(packet) == 6:
        layout = layout_of(packet)
        return layout.protocol, layout.start
    return packet[9], header_length(packet)


def is_later_fragment(packet: bytes) -> bool:
    if version(packet) == 6:
        return layout_of(packet).offset > 0
    return bool(struct.unpack_from("!H", packet, 6)[0] & 0x1FFF)


# A fragment's identification with this bit is not changed by salted(): rules can ask for it.
KEPT_IDENTIFICATION = 0x10000


def salted(packet: bytes, salt: int) -> bytes:
    """
    Fragments that never become whole wait in the kernel: each run of a case needs identifications
    of its own, or it would complete what an earlier run left.
    """
    if version(packet) == 6 and len(packet) >= HEADER_LENGTH:
        return salted_ipv6(packet, salt)
    if len(packet) < 20 or header_length(packet) < 20 or not is_fragment(packet):
        return packet
    identification = int.from_bytes(packet[4:6], "big")
    return with_identification(packet, (identification + salt) & 0xFFFF or 1)


def salted_ipv6(packet: bytes, salt: int) -> bytes:
    layout = layout_of(packet)
    if layout.fragment is None or not (layout.offset or layout.more):
        return packet
    place = layout.fragment + 4
    identification = int.from_bytes(packet[place:place + 4], "big")
    if identification & KEPT_IDENTIFICATION:
        return packet
    identification = identification & ~0xFFFF | (identification + salt) & 0xFFFF
    return packet[:place] + struct.pack("!I", identification) + packet[place + 4:]


def describe(packet: bytes) -> str:
    """One line about a packet of either family."""
    if version(packet) != 6 or len(packet) < HEADER_LENGTH:
        return describe_ipv4(packet)
    layout = layout_of(packet)
    source, destination = addresses_of(packet)
    words = [f"{source} > {destination}", *(EXTENSION_NAMES[number] for number in layout.headers)]
    words.append(PROTOCOL_NAMES.get(layout.protocol, EXTENSION_NAMES.get(
        layout.protocol, f"protocol {layout.protocol}")))
    words.append(f"length {len(packet)} hop limit {packet[7]}")
    if layout.fragment is not None:
        identification = int.from_bytes(packet[layout.fragment + 4:layout.fragment + 8], "big")
        words.append(f"fragment {layout.offset}{'+' if layout.more else ''} of {identification:#x}")
    if not layout.offset:
        words.append(describe_transport(layout.protocol, packet[layout.start:]))
    return " ".join(words)


def blank_random_parts(packet: bytearray, *, sequences: bool) -> None:
    """
    What the kernel chooses at random or by the clock: IPv4's identification (and so its checksum),
    that of IPv6's fragments, a timestamp reply's times, and if @sequences TCP's sequence numbers;
    also where an error quotes them.
    """
    if version(packet) == 4:
        packet[4:6] = packet[10:12] = b"\0\0"
    else:
        blank_fragment_identification(packet)
    if is_later_fragment(packet):
        return
    protocol, start = transport_of(packet)
    if is_error(protocol, packet[start:]):
        blank_quoted(packet, start, sequences)
    if protocol == ICMP and packet[start:start + 1] == b"\x0e":
        packet[start + 2:start + 20] = b"\0" * len(packet[start + 2:start + 20])
    if protocol == TCP and sequences and len(packet) >= start + 18:
        packet[start + 4:start + 12] = b"\0" * 8
        packet[start + 16:start + 18] = b"\0\0"


def is_error(protocol: int, message: bytes | bytearray) -> bool:
    if protocol == ICMP:
        return message[:1] in (b"\x03", b"\x04", b"\x0b", b"\x0c")
    return protocol == ICMPV6 and message[:1] < b"\x80"


def blank_quoted(packet: bytearray, start: int, sequences: bool) -> None:
    """The same in what the error at @start quotes, but for the identification of fragments."""
    quoted = packet[start + 8:]
    if len(quoted) < SHORTEST_QUOTED or version(quoted) not in (4, 6):
        return
    if version(quoted) == 4:
        quoted[4:6] = quoted[10:12] = b"\0\0"
    if sequences and not is_later_fragment(quoted):
        protocol, transport = transport_of(quoted)
        if protocol == TCP and len(quoted) >= transport + 18:
            quoted[transport + 4:transport + 12] = b"\0" * 8
            quoted[transport + 16:transport + 18] = b"\0\0"
    if quoted != packet[start + 8:]:
        packet[start + 8:] = quoted
        packet[start + 2:start + 4] = b"\0\0"


def blank_fragment_identification(packet: bytearray) -> None:
    layout = layout_of(packet)
    if layout.fragment is not None:
        packet[layout.fragment + 4:layout.fragment + 8] = b"\0" * 4
    quoted = layout.start + 8
    quotes = not layout.offset and is_error(layout.protocol, packet[layout.start:])
    if quotes and len(packet) >= quoted + HEADER_LENGTH and packet[quoted] >> 4 == 6:
        inner = packet[quoted:]
        blank_fragment_identification(inner)
        if inner != packet[quoted:]:
            packet[quoted:] = inner
            packet[layout.start + 2:layout.start + 4] = b"\0\0"
