# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the measured and the measuring programs are, and what the options say."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from measure.namespace import Failure, Namespace

REFERENCE_MILLISECONDS = 1500


@dataclass
class Bench:
    build: Path
    results: Path
    quick: bool
    cpu: int = field(default_factory=lambda: max(os.sched_getaffinity(0)))
    reference: int = 0  # what the canary takes while nothing disturbs the CPU

    def program(self, name: str) -> str:
        path = self.build / "bench" / name
        if not path.exists():
            raise Failure(f"{path} is missing: build first (make)")
        return str(path)

    def command(self, name: str) -> str:
        return str(self.build / "src" / "frontend" / name)

    def start_daemon(self, namespace: Namespace, *options: str) -> subprocess.Popen:
        return namespace.start(str(self.build / "src" / "daemon" / "bpf-iptablesd"), *options)

    def other_cpu(self) -> int | None:
        others = os.sched_getaffinity(0) - {self.cpu}
        return max(others) if others else None

    def find_reference(self) -> None:
        done = subprocess.run([self.program("canary_reference"), str(self.cpu),
                               str(REFERENCE_MILLISECONDS)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure("the speed of the CPU cannot be measured")
        self.reference = int(done.stdout)

    def settle_arguments(self) -> list[str]:
        return [str(self.cpu), str(self.reference)]
