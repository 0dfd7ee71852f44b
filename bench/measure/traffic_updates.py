# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a packet while rules are appended, deleted and replaced on the other CPU; and whether any
packet is lost meanwhile: all of them are accepted, by the rules before and after each change."""

import contextlib

from measure import disturbance, rules
from measure.disturbance import Subject
from measure.firewalls import LEGACY, OURS, Firewall, installed, iptables_rule, iptables_text
from measure.live_traffic import Section
from measure.tools import Bench
from measure.traffic import Rule, Ruleset, five_fields, hits, shuffled

ANOTHER = Rule(rules.IPV4.elsewhere, "192.168.1.2", "udp", 1000, 2000)


def script(bench: Bench, section: Section, firewall: Firewall, ruleset: Ruleset) -> str:
    """Appends and deletes a rule, and replaces all by others and back."""
    paths = []
    for more in ([ANOTHER], []):
        paths.append(section.directory / f"{len(ruleset.rules)}-{len(more)}")
        paths[-1].write_text(iptables_text(Ruleset(ruleset.hook, ruleset.target,
                                                   [*ruleset.rules, *more])))
    command, restore = ((bench.command("bpf-iptables"), bench.command("bpf-iptables-restore"))
                        if firewall == OURS else ("iptables-legacy", "iptables-legacy-restore"))
    rule = iptables_rule(ANOTHER, ruleset.target)
    return "; ".join([f"{command} -A {ruleset.hook} {rule}", f"{command} -D {ruleset.hook} {rule}",
                      *(f"{restore} <{path}" for path in paths)])


def subject(bench: Bench, section: Section, firewall: Firewall, ruleset: Ruleset) -> Subject:
    made = Subject(section.cell(firewall, ruleset), section.cell(firewall, ruleset),
                   script(bench, section, firewall, ruleset))
    flows = [rule.flow() for rule in ruleset.rules]
    disturbance.add_cases(section, made, [hits("last", ruleset, flows[-1:]),
                                          hits("uniform", ruleset, shuffled(flows))])
    return made


def run(bench: Bench) -> None:
    if bench.other_cpu() is None:
        print("updates-traffic is left out: there is only one CPU")
        return
    counts = (1000,) if bench.quick else (1000, 10000)
    with contextlib.ExitStack() as stack:
        section = Section(bench, "updates-traffic", stack)
        subjects = [subject(bench, section, firewall, Ruleset("FORWARD", "ACCEPT",
                                                              five_fields(count)))
                    for count in counts for firewall in installed([OURS, LEGACY])]
        disturbance.measure_all(section, subjects, 3 if bench.quick else 11)
    disturbance.show("Nanoseconds per packet at FORWARD while rules change: not, those of another "
                     "namespace, those of this one:", subjects)
    disturbance.write(section, subjects)
