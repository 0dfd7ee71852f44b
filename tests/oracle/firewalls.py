# SPDX-License-Identifier: GPL-2.0-or-later
"""The implementations that can stand in the firewall, and where their programs are."""

from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import which

from exceptions import NETFILTER

COMMANDS = {4: "iptables", 6: "ip6tables"}


@dataclass(frozen=True)
class Firewall:
    name: str
    prefix: str  # of each program's name, with its directory
    suffix: str
    daemon: str | None = None  # to be started in the namespace first
    control: str | None = None  # bpf-iptablesctl
    hook: str = NETFILTER       # that the daemon filters on

    def program(self, family: int, kind: str = "") -> str:
        """kind is nothing, -save or -restore."""
        return f"{self.prefix}{COMMANDS[family]}{self.suffix}{kind}"

    def to_json(self) -> dict:
        return asdict(self)


LEGACY = Firewall("iptables-legacy", "", "-legacy")


def find_firewall(kind: str, build: str | None, hook: str = NETFILTER) -> Firewall:
    """kind is legacy (the kernel's iptables), build (in the build directory) or installed."""
    if kind == "legacy":
        return LEGACY
    frontend = daemon = control = ""
    if kind == "build":
        root = Path(build or "build").resolve()
        frontend, daemon, control = (f"{root}/src/{part}/" for part in
                                     ("frontend", "daemon", "ctl"))
    return Firewall("bpf-iptables", f"{frontend}bpf-", "", f"{daemon}bpf-iptablesd",
                    f"{control}bpf-iptablesctl", hook)


def missing_programs(firewall: Firewall, families: list[int]) -> list[str]:
    programs = [firewall.daemon, firewall.control,
                *(firewall.program(family, kind) for family in families
                  for kind in ("", "-save", "-restore"))]
    return [program for program in programs if program and not which(program)]
