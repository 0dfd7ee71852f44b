# SPDX-License-Identifier: GPL-2.0-or-later
"""What a firewall costs that has no rules and accepts all, beside no firewall at all."""

import contextlib

from measure.firewalls import EMPTY_PROGRAM, NOTHING, PEERS, installed
from measure.live_traffic import Section
from measure.tools import Bench
from measure.traffic import Flow, Ruleset, Traffic

FLOW = Flow("192.168.0.2", "192.168.1.2")


def run(bench: Bench) -> None:
    with contextlib.ExitStack() as stack:
        section = Section(bench, "overhead", stack, floor=NOTHING)
        for hook in ("FORWARD", "OUTPUT"):
            # The policy is the opposite of what rules would do; there are none.
            cells = [section.cell(firewall, Ruleset(hook, "DROP", name="none"))
                     for firewall in installed(PEERS)]
            cells.append(section.cell(EMPTY_PROGRAM, Ruleset(hook, "ACCEPT", name="none")))
            section.add(cells, [Traffic("accepted", [FLOW], "ACCEPT", 1)])
        section.measure(5 if bench.quick else 11)
    section.show("Nanoseconds per packet, less those without any firewall; no rules, policy "
                 "ACCEPT:")
    section.write()
