# SPDX-License-Identifier: GPL-2.0-or-later
"""What the programs on netfilter's hooks cost while programs on devices judge the packets: they
stay attached, for devices that carry none yet, and have to see that this one does. By
BPF_PROG_TEST_RUN, whose packets leave by lo; the policy would drop them."""

import contextlib

from measure import records
from measure.namespace import input_program, namespace
from measure.report import print_table
from measure.rules import IPV4, Packet
from measure.test_run import ACCEPT, Case, Program, measure
from measure.tools import Bench

PACKET = Packet("127.0.0.1", "127.0.0.2", 40000, 8080)
HOOK = "OUTPUT"  # a test run of the others has no device (bpf_prog_test_run_nf())
DROP_ALL = f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:{HOOK} DROP [0:0]\nCOMMIT\n"


def run(bench: Bench) -> None:
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(namespace())
        daemon = bench.start_daemon(place, "--hook", "xdp")
        place.run(bench.command("bpf-iptables-restore"), text=DROP_ALL)
        case = Case(Program(input_program(daemon.pid, IPV4.protocol), daemon.pid),
                    [PACKET.argument()], ACCEPT, remembered=True, rotated=False, hook=HOOK)
        measure(bench, place, [case], 3 if bench.quick else 11)
    print_table("Nanoseconds per packet of the program on netfilter's hooks, less those of an "
                "empty program,\nwhere the device has judged the packet:", ["hook", "net ns"],
                [[HOOK, case.net().text(1)]])
    records.write(bench.results / "devices-rest.csv",
                  [records.row("devices-rest", "none", HOOK, "judged before", 0,
                               "bpf-iptables xdp", case.total(), case.net())])
