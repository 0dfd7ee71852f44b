# SPDX-License-Identifier: GPL-2.0-or-later
"""What two results of one case must have in common: all but what the kernel randomises."""

import re

from case import Case
from exceptions import NETFILTER, is_untold
from packets_ipv6 import HEADER_LENGTH, blank_random_parts, describe
from topology import ENDS

LINES_SHOWN = 8
ETHERNET_LENGTH = 14
SHORTEST = {b"\x08\x00": 20, b"\x86\xdd": HEADER_LENGTH}  # headers, by ethertype
COUNTERS = re.compile(r"\[(\d+:\d+)\]")


def compare(case: Case, reference: dict, ours: dict) -> list[str]:
    """The differences, most telling first; none if the results agree."""
    differences = errors(reference, "reference") + errors(ours, "ours")
    if differences:
        return differences
    if ours["daemon"] and "filter" in ours["kernel_tables"]:
        differences.append("ours: the kernel's own filter table has been touched")
    for kind in ("restore", "other_restore"):
        if kind in reference:
            differences += compare_restore(reference[kind], ours[kind])
    for kind in ("save", "other_save"):
        if kind in reference:
            differences += compare_saved(kind, reference[kind], ours[kind])
    if reference.get("sets") != ours.get("sets"):
        unlike = unlike_lines(reference.get("sets", []), ours.get("sets", []))
        differences += [f"sets: reference {first}, ours {second}"
                        for _, first, second in unlike[:LINES_SHOWN]]
    return differences + compare_traffic(case, reference, ours)


def errors(result: dict, name: str) -> list[str]:
    return [f"{name}: {result['error']}"] if "error" in result else []


def compare_restore(reference: dict, ours: dict) -> list[str]:
    if (reference["status"], reference["stdout"]) == (ours["status"], ours["stdout"]):
        return []
    return [f"restore: reference exits {reference['status']} {reference['stderr'].strip()!r}, "
            f"ours {ours['status']} {ours['stderr'].strip()!r}"]


def compare_saved(kind: str, reference: dict, ours: dict) -> list[str]:
    differences = compare_tables(kind, split_tables(reference["stdout"]),
                                 split_tables(ours["stdout"]))
    if reference["status"] != ours["status"]:
        differences.append(f"{kind}: reference {reference}, ours {ours}")
    return differences


def split_tables(text: str) -> dict[str, list[str]]:
    """
    Each table's lines, but for the comments with dates. The order of the tables is that in which
    the kernel met them: it says nothing about filtering.
    """
    tables: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("*"):
            lines = tables.setdefault(line, [])
        elif not line.startswith("# "):
            lines.append(line)
    return tables


def compare_tables(kind: str, reference: dict[str, list[str]],
                   ours: dict[str, list[str]]) -> list[str]:
    if sorted(reference) != sorted(ours):
        return [f"{kind}: reference has tables {sorted(reference)}, ours {sorted(ours)}"]
    differences = []
    for table, lines in reference.items():
        unlike = unlike_lines(lines, ours[table])
        differences += [f"{kind}, {table}, line {number}: reference {first}\n"
                        f"{'ours':>{len(f'{kind}, {table}, line {number}: reference')}} {second}"
                        for number, first, second in unlike[:LINES_SHOWN]]
        if len(unlike) > LINES_SHOWN:
            differences.append(f"{kind}, {table}: {len(unlike) - LINES_SHOWN} more lines differ")
    return differences


def unlike_lines(reference: list[str], ours: list[str]) -> list[tuple[int, str, str]]:
    length = max(len(reference), len(ours))
    padded = [lines + ["(nothing)"] * (length - len(lines)) for lines in (reference, ours)]
    return [(number, first, second) for number, (first, second) in
            enumerate(zip(*padded), 1) if first != second]


def compare_traffic(case: Case, reference: dict, ours: dict) -> list[str]:
    """Packets that came out, and what local senders were told."""
    differences = compare_steps(case, reference, ours)
    for end, first, second in zip(ENDS, normalised_captures(case, reference),
                                  normalised_captures(case, ours)):
        differences += compare_captured(end, first, second)
    return differences


def compare_steps(case: Case, reference: dict, ours: dict) -> list[str]:
    pairs = zip(reference.get("steps", []), ours.get("steps", []))
    told = ours.get("hook", NETFILTER) == NETFILTER
    return [f"step {number} ({describe_step(case.steps[number])}): "
            f"reference {first}, ours {second}"
            for number, (first, second) in enumerate(pairs)
            if first != second and (told or not is_untold(first, second))]


def normalised_captures(case: Case, result: dict) -> list[list[bytes]]:
    mask = any(step["do"] in ("connect", "accept", "loopback") for step in case.steps)
    return [[normalise(frame, mask) for frame in frames] for frames in result["captured"]]


def compare_captured(end: str, reference: list[bytes], ours: list[bytes]) -> list[str]:
    if reference == ours:
        return []
    place = next((index for index, (first, second) in enumerate(zip(reference, ours))
                  if first != second), min(len(reference), len(ours)))
    shown = [describe(frames[place][ETHERNET_LENGTH:]) if place < len(frames) else "nothing"
             for frames in (reference, ours)]
    return [f"packets at the {end}: reference {len(reference)}, ours {len(ours)}; number {place}: "
            f"reference {shown[0]}, ours {shown[1]}"]


def normalise(frame_hex: str, mask_sequences: bool) -> bytes:
    frame = bytearray.fromhex(frame_hex)
    packet = frame[ETHERNET_LENGTH:]
    shortest = SHORTEST.get(bytes(frame[12:14]))
    if not shortest or len(packet) < shortest:
        return bytes(frame)
    blank_random_parts(packet, sequences=mask_sequences)
    return bytes(frame[:ETHERNET_LENGTH] + packet)


def describe_step(step: dict) -> str:
    kind = step["do"]
    if kind == "exchange":
        return "exchange: " + "; ".join(describe_step(frame) for frame in step["frames"])
    if "hex" in step:
        place = f"from the {step['at']}" if "at" in step else "from the firewall"
        broadcast = " (broadcast frame)" if step.get("broadcast") else ""
        return f"{kind} {place}{broadcast}: {describe(bytes.fromhex(step['hex']))}"
    return " ".join([kind, *(f"{key}={value}" for key, value in step.items() if key != "do")])


def filter_counters(result: dict) -> list[str]:
    """The counters of the filter table's chains and rules, in the order of the listing."""
    lines = split_tables(result["save"]["stdout"]).get("*filter", [])
    return [found.group(1) for line in lines if (found := COUNTERS.search(line))]
