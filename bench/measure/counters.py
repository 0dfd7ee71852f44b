# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a packet while all rules' counters are read over and over on the other CPU."""

import contextlib

from measure import disturbance
from measure.disturbance import Subject
from measure.firewalls import OURS
from measure.live_traffic import Section
from measure.tools import Bench
from measure.traffic import Ruleset, five_fields, hits, shuffled


def run(bench: Bench) -> None:
    if bench.other_cpu() is None:
        print("counters is left out: there is only one CPU")
        return
    ruleset = Ruleset("INPUT", "DROP", five_fields(100000))
    flows = [rule.flow() for rule in ruleset.rules]
    script = (f"{bench.command('bpf-iptables')} -L -n -v -x >/dev/null; "
              f"{bench.command('bpf-iptables-save')} -c >/dev/null")
    with contextlib.ExitStack() as stack:
        section = Section(bench, "counters", stack)
        subject = Subject(section.cell(OURS, ruleset), section.cell(OURS, ruleset), script)
        disturbance.add_cases(section, subject, [hits("last", ruleset, flows[-1:]),
                                                 hits("uniform", ruleset, shuffled(flows))])
        disturbance.measure_all(section, [subject], 3 if bench.quick else 21)
    disturbance.show("Nanoseconds per packet while counters are listed and saved: not, those of "
                     "another namespace, those of this one:", [subject])
    disturbance.write(section, [subject])
