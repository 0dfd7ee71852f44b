#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A seed says all of a case: it is the same in each process, whatever order sets have there."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

PRINT_CASES = """
from generate import random_case
for number in range(8):
    print(random_case(f"seed:{number}", 4 + 2 * (number % 2), both_families=number < 2).to_json())
"""


def cases(order: str) -> str:
    return subprocess.run([sys.executable, "-c", PRINT_CASES], check=True, capture_output=True,
                          text=True, cwd=Path(__file__).resolve().parent,
                          env=dict(os.environ, PYTHONHASHSEED=order)).stdout


class Seeds(unittest.TestCase):
    def test_a_case_does_not_depend_on_the_process(self) -> None:
        self.assertEqual(cases("1"), cases("2"))


if __name__ == "__main__":
    unittest.main()
