# SPDX-License-Identifier: GPL-2.0-or-later
"""The filter in the middle of a row: the daemon at a hook, or the kernel's own iptables."""

import os
import re
import signal
import subprocess
from pathlib import Path

import paths  # noqa: F401
from network import PATIENCE, Namespace, build, die_with_parent

START_SECONDS = 60
HOOKS = ("xdp", "tc")
COMMANDS = {4: "iptables", 6: "ip6tables"}


def command(ours: bool, name: str) -> str:
    program, _, kind = name.partition("-")
    if ours:
        return str(build() / "src/frontend" / f"bpf-{name}")
    return f"{program}-legacy" + (f"-{kind}" if kind else "")


class Filter:
    """The commands for one side's rules."""

    def __init__(self, place: Namespace, ours: bool):
        self.place = place
        self.ours = ours

    def restore(self, family: int, rules: str, *options: str) -> None:
        self.place.output(command(self.ours, f"{COMMANDS[family]}-restore"), *options, text=rules)

    def rules(self, family: int, *lines: str, policy: str = "ACCEPT") -> None:
        """Of the base chains, and of chains that lines of `:NAME` make; OUTPUT accepts."""
        chains = [f":INPUT {policy}", f":FORWARD {policy}", ":OUTPUT ACCEPT"]
        chains += [f"{line} -" for line in lines if line[0] == ":"]
        self.restore(family, "\n".join(["*filter", *chains,
                                        *(line for line in lines if line[0] != ":"),
                                        "COMMIT", ""]))

    def save(self, family: int) -> str:
        """With counters, without the comments, in which there is the time."""
        text = self.place.output(command(self.ours, f"{COMMANDS[family]}-save"), "-c", "-t",
                                 "filter")
        return "".join(line + "\n" for line in text.splitlines() if line[0] != "#")

    def counters(self, family: int) -> dict[str, tuple[int, int]]:
        """Packets and bytes of each rule, by its text; equal rules count together."""
        result: dict[str, tuple[int, int]] = {}
        for packets, size, rule in re.findall(r"^\[(\d+):(\d+)\] (.*)$", self.save(family), re.M):
            before = result.get(rule, (0, 0))
            result[rule] = (before[0] + int(packets), before[1] + int(size))
        return result

    def packets(self, family: int, rule: str) -> int:
        """Of the one rule that contains the text."""
        found = [count for text, (count, _) in self.counters(family).items() if rule in text]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} rules contain '{rule}':\n{self.save(family)}")
        return found[0]


class Daemon:
    """bpf-iptablesd in a namespace, as a child of this very process."""

    def __init__(self, place: Namespace, *arguments: str) -> None:
        # nsenter runs it in its own place: the process is the daemon.
        self.process = subprocess.Popen(
            place.command(str(build() / "src/daemon/bpf-iptablesd"), *arguments),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        line = self.process.stdout.readline()
        if line != "bpf-iptablesd: ready\n":
            raise AssertionError(f"the daemon did not start: {line}{self.process.stderr.read()}")

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Returns what it had to say."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=START_SECONDS)
        return errors

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def objects(self, kind: str) -> set[int]:
        """Numbers of the eBPF objects that it holds: "link", "prog", "map"."""
        numbers = set()
        for entry in os.scandir(f"/proc/{self.process.pid}/fdinfo"):
            try:
                text = Path(entry.path).read_text(encoding="ascii")
            except FileNotFoundError:
                continue  # it has just been closed
            if found := re.search(rf"^{kind}_id:\s*(\d+)$", text, re.M):
                numbers.add(int(found[1]))
        return numbers

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self) -> int:
        """Resident, in KiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s*(\d+) kB$", text, re.M)[1])
