# SPDX-License-Identifier: GPL-2.0-or-later
"""
ipsets, and the rules that ask them or change them. The sets are there for all cases, as a set that
a rule holds cannot be destroyed; each case says what is in them.
"""

from random import Random

ADDED_PORTS = 6


class Kind:
    """One set of each kind: how it is made, and which directions a rule gives."""

    def __init__(self, name: str, kind: str, directions: int, options: str = "",
                 of_family: bool = True, addable: bool = True) -> None:
        self.name, self.kind, self.directions, self.options = name, kind, directions, options
        self.of_family, self.addable = of_family, addable

    def title(self, version: int) -> str:
        return f"of{version}-{self.name}"

    def creation(self, version: int) -> str:
        family = f" family {'inet' if version == 4 else 'inet6'}" if self.of_family else ""
        return f"create {self.title(version)} {self.kind}{family}{self.options}"


KINDS = (
    Kind("ip", "hash:ip", 1),
    Kind("counted", "hash:ip", 1, " counters"),
    Kind("net", "hash:net", 1, addable=False),
    Kind("ipport", "hash:ip,port", 2, " counters"),
    Kind("netiface", "hash:net,iface", 2, addable=False),
    Kind("both", "hash:ip,port,ip", 3),
    Kind("port", "bitmap:port", 1, " range 0-65535", of_family=False),
    Kind("list", "list:set", 1, "", of_family=False, addable=False),
)


def creations() -> list[str]:
    """What ipset restore takes to make them all, empty."""
    lines = [kind.creation(version) for version in (4, 6) for kind in KINDS]
    members = [f"add of{version}-list of{version}-{name}" for version in (4, 6)
               for name in ("ip", "net")]
    return lines + members


def emptied() -> list[str]:
    return [f"flush {kind.title(version)}" for version in (4, 6) for kind in KINDS
            if kind.name != "list"]


class KernelSets:
    def __init__(self, random: Random, version: int) -> None:
        self.random = random
        self.version = version

    def members(self, hosts: list[str], ports: list[int], interfaces: list[str]) -> list[str]:
        lines = []
        length = self.random.choice((8, 16, 24, 31) if self.version == 4 else (16, 32, 64, 127))
        for host in self.random.sample(hosts, len(hosts) // 2):
            protocol = self.random.choice(("tcp", "udp"))
            port = self.random.choice(ports)
            other = self.random.choice(hosts)
            lines += [f"add {self._title('ip')} {host}", f"add {self._title('counted')} {host}",
                      f"add {self._title('net')} {host}/{length}",
                      f"add {self._title('ipport')} {host},{protocol}:{port}",
                      f"add {self._title('netiface')} {host}/{length},"
                      f"{self.random.choice(interfaces)}",
                      f"add {self._title('both')} {host},{protocol}:{port},{other}"]
        lines += [f"add {self._title('port')} {port}"
                  for port in self.random.sample(ports, min(ADDED_PORTS, len(ports)))]
        lines += [f"add {self._title('net')} {self.random.choice(hosts)} nomatch"]
        return list(dict.fromkeys(lines))

    def _title(self, name: str) -> str:
        return f"of{self.version}-{name}"

    def _directions(self, kind: Kind) -> str:
        return ",".join(self.random.choice(("src", "dst")) for _ in range(kind.directions))

    def match(self) -> str:
        kind = self.random.choice(KINDS)
        text = f"-m set {'! ' if self.random.random() < 0.3 else ''}--match-set " \
            f"{kind.title(self.version)} {self._directions(kind)}"
        if self.random.random() < 0.2:
            text += " ! --update-counters"
        if "counters" in kind.options and self.random.random() < 0.3:
            counter = self.random.choice(("packets", "bytes"))
            comparison = self.random.choice(("gt", "lt", "eq"))
            return f"-m set --match-set {kind.title(self.version)} {self._directions(kind)} " \
                f"! --update-counters ! --update-subcounters " \
                f"--{counter}-{comparison} {self.random.choice((0, 1, 2, 60, 200))}"
        return text

    def target(self) -> str:
        kind = self.random.choice([kind for kind in KINDS if kind.addable])
        option = self.random.choice(("--add-set", "--add-set", "--del-set"))
        exist = " --exist" if option == "--add-set" and self.random.random() < 0.3 else ""
        return f"SET {option} {kind.title(self.version)} {self._directions(kind)}{exist}"
