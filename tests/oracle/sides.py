# SPDX-License-Identifier: GPL-2.0-or-later
"""The two sides: worker processes that play the same case at the same time, each on its own CPU."""

import json
import subprocess
import sys
from pathlib import Path

from case import Case
from firewalls import Firewall

WORKER = Path(__file__).with_name("worker.py")
STOP_SECONDS = 45


class Side:
    def __init__(self, firewall: Firewall, cpu: int, hook: str) -> None:
        """@hook: of the firewall that this one is compared with, if not its own."""
        self.firewall = firewall
        # In a session of its own, so that an interrupt from the terminal reaches the oracle alone,
        # which then ends the worker in order.
        self.process = subprocess.Popen([sys.executable, str(WORKER)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.send({"firewall": firewall.to_json(), "cpu": cpu, "hook": hook})

    def send(self, message: dict) -> None:
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # receive() tells

    def receive(self) -> dict:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the worker process died"}

    def stop(self) -> None:
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Sides:
    """Made when first needed, and anew after an error: a worker that failed has ended itself."""

    def __init__(self, reference: Firewall, ours: Firewall, hook: str) -> None:
        self.firewalls = (reference, ours)
        self.hook = hook
        self.sides: list[Side] = []
        self.salt = 0

    def __enter__(self) -> "Sides":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        while self.sides:
            self.sides.pop().stop()

    def start(self) -> None:
        """Raises RuntimeError if a side cannot be set up."""
        for cpu, firewall in enumerate(self.firewalls):
            self.sides.append(Side(firewall, cpu, self.hook))
        answers = [side.receive() for side in self.sides]
        for side, answer in zip(list(self.sides), answers):
            if "error" in answer:
                self.stop()
                raise RuntimeError(f"{side.firewall.name}: {answer['error']}")

    def play(self, case: Case, other: Case | None = None, **options: bool) -> tuple[dict, dict]:
        """Plays the case on both sides; or another one, if given, on the second."""
        if not self.sides:
            self.start()
        self.salt = (self.salt + 7919) % 65536
        for side, its_case in zip(self.sides, (case, other or case)):
            side.send(dict(its_case.message(self.salt), **options))
        results = tuple(side.receive() for side in self.sides)
        if any("error" in result for result in results):
            self.stop()
        return results
