# SPDX-License-Identifier: GPL-2.0-or-later
"""driver.c in a namespace: the devices and the chain selector without the filter."""

import subprocess
from typing import NamedTuple

from network import PATIENCE, Namespace, build, die_with_parent


class Device(NamedTuple):
    name: str
    ifindex: int
    state: str
    reason: str


class Result(NamedTuple):
    seen: int
    selection: str
    out: str


class Refused(Exception):
    """The driver says why."""


class Driver:
    COUNTERS = ("xdp", "ingress", "egress", "xdp again", "ingress again")

    def __init__(self, namespace: Namespace, mode: str, *excluded: str):
        self.reports: list[Device] = []
        self.process = subprocess.Popen(
            namespace.command(str(build() / "tests" / "e2e" / "devices" / "devices_driver"), mode,
                              *excluded),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            preexec_fn=die_with_parent)
        try:
            self.answer()
        except Refused:
            self.close()
            raise

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)
        self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def answer(self) -> list[list[str]]:
        lines = []
        for line in self.process.stdout:
            words = line.rstrip("\n").split(" ", 1)
            if words[0] == "done":
                return lines
            if words[0] == "failed:":
                raise Refused(words[1])
            if words[0] == "report":
                self.reports.append(self.device(words[1].split(" ", 2)[2]))
            else:
                lines.append(words[1])
        raise AssertionError(f"the driver has ended, status {self.process.wait(PATIENCE)}")

    @staticmethod
    def device(text: str) -> Device:
        name, ifindex, state, reason = text.split(" ", 3)
        return Device(name, int(ifindex), state, reason)

    def ask(self, command: str) -> list[str]:
        self.process.stdin.write(command + "\n")
        return self.answer()

    def devices(self) -> dict[str, Device]:
        return {device.name: device for device in map(self.device, self.ask("status"))}

    def states(self) -> dict[str, str]:
        return {device.name: device.state for device in self.devices().values()}

    def covered(self) -> dict[int, int]:
        return {int(ifindex): int(cover) for ifindex, cover in
                (line.split() for line in self.ask("covered"))}

    def counters(self) -> dict[str, int]:
        return dict(zip(self.COUNTERS, map(int, self.ask("counters"))))

    def results(self, first: int, last: int) -> dict[int, Result]:
        rows = (line.split() for line in self.ask(f"results {first} {last}"))
        return {int(number): Result(int(seen), selection, out)
                for number, seen, selection, out in rows}
