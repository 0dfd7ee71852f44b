# SPDX-License-Identifier: GPL-2.0-or-later
"""What is tried at both hooks on devices."""


class OnDevices:
    """Beside unittest.TestCase: check() is the test."""

    def check(self, hook: str) -> None:
        raise NotImplementedError

    def test_xdp(self) -> None:
        self.check("xdp")

    def test_tc(self) -> None:
        self.check("tc")
