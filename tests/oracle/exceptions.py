# SPDX-License-Identifier: GPL-2.0-or-later
"""
The hooks on devices (--hook xdp, --hook tc) cannot judge all that netfilter's hooks judge, and not
all of it as they do. Here is everything that the oracle leaves out or forgives there; whatever else
differs is an error. docs/hooks.md lists the same exceptions (exceptions_test.py compares).

What is left out is left out on both sides, before a case is played.
"""

import re
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from addresses import in_network
from case import Case
from discovery import SOLICITATION, SOURCE_ADDRESS
from packets import DCCP, GRE, ICMPV6, SCTP, UDPLITE, is_fragment
from packets_ipv6 import (FRAGMENT, HEADER_LENGTH, HOP_BY_HOP, addresses_of, is_later_fragment,
                          layout_of, transport_of, version)
from topology import (BROADCASTS, LINK_LOCAL, LINK_LOCAL_HOSTS, LINKS, LOCAL_ADDRESSES,
                      end_of)

NETFILTER = "netfilter"
HOOKS = (NETFILTER, "xdp", "tc")
PPTP_VERSION = 1  # of GRE (RFC 2637 section 4.1)


@dataclass(frozen=True)
class Setting:
    """What holds for a step."""
    tracked: frozenset[int]         # families whose rules ask for the state of connections
    timed: frozenset[int]           # and how long they last
    further_local: tuple[str, ...]  # addresses that are the firewall's own, besides the usual

    def is_own(self, address: str) -> bool:
        return address in LOCAL_ADDRESSES[4] or address in LOCAL_ADDRESSES[6] or \
            address in self.further_local or \
            address in [link.link_local for link in LINKS]


@dataclass(frozen=True)
class Sent:
    """What a step sends."""
    source: str
    destination: str
    end: str | None      # of the link where it comes in; None: the firewall sends it
    packet: bytes = b""  # empty if the kernel makes it

    @property
    def by_firewall(self) -> bool:
        return self.end is None


@dataclass(frozen=True)
class Exemption:
    name: str
    reason: str
    effect: str  # what exactly is left out or forgiven
    # Is it left out? None: the effect is somewhere else.
    leaves_out: Callable[[Setting, Sent], bool] | None = None
    sysctls: tuple[tuple[str, int], ...] = ()  # set on both sides


def is_group(address: str) -> bool:
    return address.startswith("ff") if ":" in address else \
        address in BROADCASTS or int(address.split(".")[0]) >= 224


def comes_in(setting: Setting, sent: Sent) -> bool:
    """At a device, be it lo."""
    return not sent.by_firewall or setting.is_own(sent.destination)


def has_fragment_header(packet: bytes) -> bool:
    if version(packet) == 6:
        layout = layout_of(packet)
        return FRAGMENT in (*layout.headers, layout.protocol)
    return is_fragment(packet)


def is_unlike_fragment(setting: Setting, sent: Sent) -> bool:
    if version(sent.packet) in setting.tracked:
        return has_fragment_header(sent.packet)
    return version(sent.packet) == 4 and is_fragment(sent.packet) and \
        (setting.is_own(sent.destination) or is_group(sent.destination))


# CALIPSO and IOAM, of which the kernel looks at more: taken for refused.
LABELS = (7, 49)


def are_options_accepted(options: bytes) -> bool:
    """What ip6_parse_tlv() (net/ipv6/exthdrs.c) says of hop-by-hop options; of jumbograms never."""
    padding = known = 0
    while options:
        kind = options[0]
        length = 1 if kind == 0 else options[1] + 2 if len(options) > 1 else len(options) + 1
        if length > len(options):
            return False
        padding = padding + length if kind in (0, 1) else 0
        known += kind not in (0, 1)
        if padding > 7 or known > 8 or kind & 0xC0 or \
                (kind == 1 and any(options[2:length])) or (kind == 5 and length != 4) or \
                kind in LABELS:
            return False
        options = options[length:]
    return True


def has_refused_options(setting: Setting, sent: Sent) -> bool:
    packet = sent.packet
    if version(packet) != 6 or packet[6] != HOP_BY_HOP or not comes_in(setting, sent):
        return False
    claimed = struct.unpack_from("!H", packet, 4)[0]
    payload = packet[HEADER_LENGTH:HEADER_LENGTH + claimed] if claimed else packet[HEADER_LENGTH:]
    size = (payload[1] + 1) * 8 if len(payload) >= 8 else 8
    return len(payload) < size or not are_options_accepted(payload[2:size])


def has_states_of_its_own(setting: Setting, sent: Sent) -> bool:
    if version(sent.packet) not in setting.tracked or is_later_fragment(sent.packet):
        return False
    protocol, start = transport_of(sent.packet)
    header = sent.packet[start:start + 8].ljust(8, b"\0")
    if protocol == GRE:
        return version(sent.packet) in setting.timed or header[1] & 7 == PPTP_VERSION
    return protocol in (DCCP, SCTP) or (protocol == UDPLITE and header[6:8] == b"\0\0")


def is_looped(setting: Setting, sent: Sent) -> bool:
    return sent.by_firewall and is_group(sent.destination)


def has_to_wait(setting: Setting, sent: Sent) -> bool:
    if version(sent.packet) == 6 and not sent.by_firewall:
        return asks_without_address(sent.packet)
    return ":" in sent.destination and \
        any(in_network(sent.destination, link.on_link) for link in LINKS)


def asks_without_address(packet: bytes) -> bool:
    """A neighbour solicitation whose answer has to wait for one of the firewall's own."""
    protocol, start = transport_of(packet)
    if protocol != ICMPV6 or packet[start:start + 1] != bytes((SOLICITATION,)):
        return False
    source = addresses_of(packet)[0]
    option = packet[start + 24:start + 26]
    return source not in (*LINK_LOCAL_HOSTS, "::") and option != bytes((SOURCE_ADDRESS, 1))


def goes_back(setting: Setting, sent: Sent) -> bool:
    """To a neighbour; from a router beyond the kernel does not send anybody away (ndisc.c)."""
    return ":" in sent.destination and any(
        sent.destination == link.ipv6.gateway or in_network(sent.destination, link.on_link)
        for link in LINKS if link.end == sent.end)


def has_impossible_source(setting: Setting, sent: Sent) -> bool:
    return sent.source in BROADCASTS and comes_in(setting, sent)


def is_answered_with_error(setting: Setting, sent: Sent) -> bool:
    """By the kernel, instead of forwarding it: ip_forward(), ip6_forward()."""
    if sent.by_firewall or version(sent.packet) not in setting.tracked or \
            setting.is_own(sent.destination) or is_group(sent.destination):
        return False
    if version(sent.packet) == 4:
        return sent.packet[8] <= 1
    beyond_scope = in_network(sent.source, LINK_LOCAL) and end_of(sent.destination) != sent.end
    return sent.packet[7] <= 1 or beyond_scope


ADDRESS_TRANSLATION = Exemption(
    "address translation",
    "addresses are translated behind these hooks, and rules that ask for SNAT or DNAT are refused",
    "there is no nat table, and SNAT and DNAT are taken out of the states that rules ask for")
EXEMPTIONS = (
    ADDRESS_TRANSLATION,
    Exemption(
        "no tracking",
        "the CT target of the raw table is of the kernel's conntrack, and unknown to ours",
        "there is no raw table"),
    Exemption(
        "checksums",
        "the eBPF tracker does not verify checksums",
        "the kernel's conntrack does not verify them either (nf_conntrack_checksum)",
        sysctls=(("netfilter/nf_conntrack_checksum", 0),)),
    Exemption(
        "own sources",
        "the kernel refuses packets from its own addresses after these hooks have judged them",
        "the kernel accepts them (accept_local)",
        sysctls=(("ipv4/conf/all/accept_local", 1),)),
    Exemption(
        "broadcast sources",
        "the kernel refuses packets from broadcast addresses after these hooks have judged them",
        "such packets do not come in", has_impossible_source),
    Exemption(
        "fragments",
        "here each fragment is judged, there whole datagrams: IPv4's that are for this machine, "
        "and all while connections are tracked",
        "such fragments are not sent", is_unlike_fragment),
    Exemption(
        "hop-by-hop options",
        "the kernel drops IPv6 packets with options that it does not accept after these hooks have "
        "judged them, and before netfilter's",
        "such packets do not come in", has_refused_options),
    Exemption(
        "protocols with states",
        "the eBPF tracker does not know the states of SCTP and DCCP, PPTP's call numbers, the "
        "timeouts of GRE, and that UDP-Lite must have a checksum",
        "while connections are tracked, SCTP, DCCP, PPTP's GRE and UDP-Lite without a checksum are "
        "not sent, and no GRE where rules ask for --ctexpire", has_states_of_its_own),
    Exemption(
        "errors before FORWARD",
        "the kernel tracks a packet that it cannot forward, and its own error about it is RELATED "
        "even if the packet was NEW; here no chain sees the packet, nor does the tracker",
        "while connections are tracked, no packets come in to be forwarded that have no hop left, "
        "or are from link-local addresses and for another link", is_answered_with_error),
    Exemption(
        "looped copies",
        "a sender's own copy of a broadcast or multicast packet is made before OUTPUT is judged "
        "here",
        "the firewall sends none", is_looped),
    Exemption(
        "waiting for neighbours",
        "OUTPUT is judged here when the neighbour's hardware address is known, which may be never",
        "the firewall sends nothing to neighbours that it has to discover, and none of them asks "
        "for its address without telling its own; what it forwards to them stays",
        has_to_wait),
    Exemption(
        "redirects",
        "the kernel tells the sender of an IPv6 packet that the neighbour is on its own link "
        "before FORWARD judges the packet; one that FORWARD drops has not come so far here",
        "no packet comes in that would go back to a neighbour on its link", goes_back),
    Exemption(
        "untold senders",
        "who sends is not told here that OUTPUT drops",
        "EPERM there may be success or ENOBUFS here"),
)


def sysctls_of(hook: str) -> dict[str, int]:
    """To be set on both sides."""
    return {} if hook == NETFILTER else \
        {name: value for exemption in EXEMPTIONS for name, value in exemption.sysctls}


def asks_for_state(text: str) -> bool:
    return "--ct" in text or "--state" in text


def asks_for_translation(rule: str) -> bool:
    return bool(re.search(r"--ctstate \S*[SD]NAT", rule))


def without_translation(text: str) -> str:
    """The filter table alone, with no rule that asks for a translated connection."""
    table = "*filter"
    lines = []
    for line in text.splitlines(True):
        table = line.strip() if line.startswith("*") else table
        wanted = re.search(r"--ctstate (\S+)", line)
        states = wanted[1].split(",") if wanted else []
        rest = [state for state in states if state not in ("SNAT", "DNAT")]
        if table != "*filter" or (states and not rest):
            continue
        lines.append(line.replace(wanted[0], "--ctstate " + ",".join(rest)) if states else line)
    return "".join(lines)


def without_translations(tables: dict[str, str]) -> dict[str, str]:
    return {"filter": without_translation(tables["filter"])} if tables else {}


def sent_by(step: dict) -> Sent | None:
    """None for what sends nothing, or answers."""
    if "hex" in step:
        packet = bytes.fromhex(step["hex"])
        return Sent(*addresses_of(packet), step.get("at"), packet)
    if "to" in step:
        return Sent(step.get("from", ""), step["to"], step.get("at"))
    return None


class Exceptions:
    """Those that hold at one hook, and how often each has left something out."""

    def __init__(self, hook: str) -> None:
        self.hook = hook
        self.steps = 0
        self.left_out: Counter[str] = Counter()

    def reason_to_leave_out(self, setting: Setting, step: dict) -> str | None:
        if step["do"] == "command" and asks_for_translation(" ".join(step["arguments"])):
            return ADDRESS_TRANSLATION.name
        sent = sent_by(step)
        for exemption in EXEMPTIONS if sent else ():
            if exemption.leaves_out and exemption.leaves_out(setting, sent):
                return exemption.name
        return None

    def adapt(self, case: Case) -> Case:
        """The case as it can be played at this hook."""
        if self.hook == NETFILTER:
            return case
        tables = without_translations(case.tables)
        other_tables = without_translations(case.other_tables)
        filters = {case.family: tables.get("filter", ""),
                   10 - case.family: other_tables.get("filter", "")}
        setting = Setting(
            frozenset(family for family, text in filters.items() if asks_for_state(text)),
            frozenset(family for family, text in filters.items() if "--ctexpire" in text),
            tuple(case.local))
        reasons = [self.reason_to_leave_out(setting, step) for step in case.steps]
        self.steps += len(reasons)
        self.left_out.update(reason for reason in reasons if reason)
        steps = [step for step, reason in zip(case.steps, reasons) if not reason]
        return replace(case, tables=tables, other_tables=other_tables, steps=steps)

    def summary(self) -> str:
        shares = [f"{name} {count}" for name, count in self.left_out.most_common()]
        return f"left out of {self.steps} steps: {', '.join(shares) or 'none'}"


def is_untold(reference: object, ours: object) -> bool:
    """May a sender be told @ours where OUTPUT on the other side said @reference?"""
    if isinstance(reference, list) and isinstance(ours, list):
        return len(reference) == len(ours) and \
            all(first == second or is_untold(first, second)
                for first, second in zip(reference, ours))
    return reference == "EPERM" and ours in ("ok", "ENOBUFS")
