# SPDX-License-Identifier: GPL-2.0-or-later
"""To be imported before modules of the other folders of tests that are used here."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]

sys.path[1:1] = [str(TESTS / "e2e" / "hooks"), str(TESTS / "e2e" / "devices"),
                 str(TESTS / "oracle")]
