#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The table of extensions in docs/compatibility.md is that of the code: every extension is there with
its families and revisions, by whom it is done and whether it is there on devices, and no other is;
and of what iptables brings along nothing is left out. The argument is the program that lists what
is in the code.
"""

import re
import subprocess
import sys
import unittest
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "compatibility.md"
FAMILIES = ("IPv4", "IPv6")
SUPPORTED = {"Matches": "match", "Targets": "target"}
REFUSED = ("Refused", "Targets of other tables")
NONE = "–"  # in place of revisions
WORKERS = {"fields": "ebpf", "residual": "ebpf", "state": "state", "kernel": "kernel",
           "nothing": "nothing"}
ON_DEVICES = ("yes", "no", "in part")
PLACES = ("usr/lib/*/xtables", "usr/lib/xtables", "usr/lib64/xtables")
LIBRARIES = ("libxt_", "libipt_", "libip6t_")
# A library that holds several extensions, whose names are links to it.
NO_EXTENSION = {"NAT"}


@dataclass
class Extension:
    revisions: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # by family
    workers: set[str] = field(default_factory=set)
    on_devices: set[str] = field(default_factory=set)


def listed(program: str) -> dict[tuple[str, str], Extension]:
    """What is in the code, by kind and name."""
    extensions: dict[tuple[str, str], Extension] = defaultdict(Extension)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        kind, name, family, revision, workers, on_devices = line.split("\t")
        extension = extensions[kind, name]
        extension.revisions[family].append(int(revision))
        extension.workers |= set(workers.split())
        extension.on_devices.add(on_devices)
    for extension in extensions.values():
        for revisions in extension.revisions.values():
            revisions.sort()
        if len(extension.on_devices) > 1:
            extension.on_devices = {"in part"}
    return dict(extensions)


def rows(section: str) -> list[list[str]]:
    """The cells of the table in a section, without its head."""
    text = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(),
                     re.MULTILINE | re.DOTALL)
    if not text:
        raise AssertionError(f"there is no section {section}")
    lines = [line for line in text[1].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[1:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def begins(cell: str) -> str:
    found = [word for word in ON_DEVICES if re.match(rf"{word}\b", cell)]
    return found[0] if found else cell


def described() -> dict[tuple[str, str], Extension]:
    """What is in the document, likewise."""
    extensions = {}
    for section, kind in SUPPORTED.items():
        for cells in rows(section):
            if len(cells) != 6:
                raise AssertionError(f"not six cells: {cells}")
            for name in names(cells[0]):
                if (kind, name) in extensions:
                    raise AssertionError(f"{kind} {name} is there twice")
                extension = extensions[kind, name] = Extension()
                for family, cell in zip(FAMILIES, cells[1:3]):
                    if cell != NONE:
                        extension.revisions[family] = [int(each) for each in cell.split(", ")]
                extension.workers = {WORKERS.get(word, word) for word in cells[3].split(", ")}
                extension.on_devices = {begins(cells[5])}
    return extensions


def refused() -> dict[str, list[str]]:
    """Names of what is refused, by section."""
    return {section: [name for cells in rows(section) for name in names(cells[0])]
            for section in REFUSED}


def libraries() -> set[str]:
    """Names of all extensions that iptables has here."""
    files = [path for place in PLACES for path in Path("/").glob(place + "/*.so")]
    return {path.stem.removeprefix(prefix) for path in files for prefix in LIBRARIES
            if path.name.startswith(prefix)} - NO_EXTENSION


class Documentation(unittest.TestCase):
    def test_it_has_the_extensions_of_the_code(self) -> None:
        code, document = listed(sys.argv[1]), described()
        self.assertGreater(len(code), 60)
        self.assertEqual(sorted(document), sorted(code))
        for name, extension in code.items():
            with self.subTest(extension=name):
                self.assertEqual(document[name].revisions, extension.revisions)
                self.assertEqual(document[name].workers, extension.workers)
                self.assertEqual(document[name].on_devices, extension.on_devices)

    def test_what_it_calls_refused_is_not_in_the_code(self) -> None:
        code = {name for _, name in listed(sys.argv[1])}
        for section, those in refused().items():
            with self.subTest(section=section):
                self.assertEqual(sorted(set(those) & code), [])
                self.assertEqual(len(those), len(set(those)))

    def test_nothing_that_iptables_has_is_left_out(self) -> None:
        there = libraries()
        self.assertGreater(len(there), 80)
        document = {name for _, name in described()}
        for those in refused().values():
            document.update(those)
        self.assertEqual(sorted(there - document), [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
