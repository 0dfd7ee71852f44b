#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""interrupt_test.py DEMO BUILD: a demo that is interrupted, or that fails, leaves nothing behind."""

import signal
import subprocess
import sys
import unittest
from pathlib import Path

DEMO, BUILD = sys.argv[1:3]
# The demo's titles: each is printed before what it names is done.
STAGES = ["A network", "In the firewall: bpf-iptablesd", "Traffic"]
INTERRUPTS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def processes_of_session(session: int) -> list[str]:
    """The demo's helpers, and the daemon, are in its session. proc(5): pid (name) state ppid pgrp session"""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name, fields = text[: text.rindex(")") + 1], text[text.rindex(")") + 1:].split()
        if fields[0] != "Z" and int(fields[3]) == session:
            found.append(name)
    return found


class InterruptTest(unittest.TestCase):
    def check_nothing_left(self, demo: int) -> None:
        self.assertNotIn(f"bipt-demo-{demo}-", run("ip", "netns", "list"))
        self.assertEqual(processes_of_session(demo), [])

    def interrupt(self, stage: str, number: signal.Signals) -> None:
        demo = subprocess.Popen([DEMO, BUILD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                text=True, start_new_session=True)
        with demo:
            for line in demo.stdout:
                if line.startswith(stage):
                    break
            demo.send_signal(number)
            demo.stdout.read()
            self.assertEqual(demo.wait(timeout=60), INTERRUPTS[number])
        self.check_nothing_left(demo.pid)

    def test_interrupts(self) -> None:
        for stage in STAGES:
            for number in INTERRUPTS:
                with self.subTest(stage=stage, signal=number.name):
                    self.interrupt(stage, number)

    def test_failure(self) -> None:
        demo = subprocess.Popen([DEMO, "/nonexistent"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)
        self.assertEqual(demo.wait(timeout=60), 1)
        self.check_nothing_left(demo.pid)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
