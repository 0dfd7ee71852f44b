# SPDX-License-Identifier: GPL-2.0-or-later
"""The implementations that can stand in the firewall, and where their programs are."""

from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import which


@dataclass(frozen=True)
class Firewall:
    name: str
    command: str  # iptables itself
    save: str
    restore: str
    daemon: str | None = None  # to be started in the namespace first

    def to_json(self) -> dict:
        return asdict(self)


LEGACY = Firewall("iptables-legacy", "iptables-legacy", "iptables-legacy-save",
                  "iptables-legacy-restore")


def find_firewall(kind: str, build: str | None) -> Firewall:
    """kind is legacy (the kernel's iptables), build (in the build directory) or installed."""
    if kind == "legacy":
        return LEGACY
    frontend = daemon = ""
    if kind == "build":
        root = Path(build or "build").resolve()
        frontend, daemon = f"{root}/src/frontend/", f"{root}/src/daemon/"
    return Firewall("bpf-iptables", f"{frontend}bpf-iptables", f"{frontend}bpf-iptables-save",
                    f"{frontend}bpf-iptables-restore", f"{daemon}bpf-iptablesd")


def missing_programs(firewall: Firewall) -> list[str]:
    programs = (firewall.command, firewall.save, firewall.restore, firewall.daemon)
    return [program for program in programs if program and not which(program)]
