#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rule lines of iptables' own extension tests, for both families: what is accepted must be saved as
iptables saves it and be deletable again, and what iptables refuses must be refused. A line that
asks for what we do not have may be refused, and is counted as such. Reports in TAP.

The lists and the program that plays them are not part of this tree: BPF_IPTABLES_SHARED says where
they are.
"""

import argparse
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
SKIPPED_STATUS = 77  # Meson's and Automake's
FAMILIES = ("iptables", "ip6tables")
FAMILY_COLUMN = 2
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
DAEMON_SECONDS = 20
PLAY_SECONDS = 240
EXTENSION = re.compile(r"^(\S+) +\d+ passed +\d+ failed +([1-9]\d*) refused$")
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")

# What is in these files is ours in whole: nothing of it may be refused that iptables takes.
WHOLE = {
    "iptables.t", "libip6t_ah.t", "libip6t_conntrack.t", "libip6t_dst.t", "libip6t_eui64.t",
    "libip6t_frag.t", "libip6t_hbh.t", "libip6t_hl.t", "libip6t_icmp6.t", "libip6t_ipv6header.t",
    "libip6t_mh.t", "libip6t_policy.t", "libip6t_rt.t", "libip6t_srh.t", "libip6t_standard.t",
    "libipt_ah.t", "libipt_conntrack.t", "libipt_icmp.t", "libipt_policy.t", "libipt_realm.t",
    "libipt_recent.t", "libipt_standard.t", "libipt_ttl.t", "libxt_addrtype.t", "libxt_comment.t",
    "libxt_connbytes.t", "libxt_connlabel.t", "libxt_conntrack.t", "libxt_cpu.t", "libxt_dccp.t",
    "libxt_dscp.t", "libxt_ecn.t", "libxt_esp.t", "libxt_helper.t", "libxt_ipcomp.t",
    "libxt_iprange.t", "libxt_length.t", "libxt_limit.t", "libxt_mac.t", "libxt_mark.t",
    "libxt_multiport.t", "libxt_physdev.t", "libxt_pkttype.t", "libxt_policy.t", "libxt_quota.t",
    "libxt_recent.t", "libxt_sctp.t", "libxt_standard.t", "libxt_state.t", "libxt_statistic.t",
    "libxt_string.t", "libxt_tcp.t", "libxt_tcpmss.t", "libxt_time.t", "libxt_tos.t", "libxt_u32.t",
    "libxt_udp.t",
}

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Outcome:
    passed: int
    failed: int
    refused: int
    output: list[str]  # without the summary

    def missing(self) -> list[str]:
        """The files of extensions that should be there in whole, and are not."""
        found = [EXTENSION.match(line) for line in self.output]
        return [match.group(1) for match in found if match and match.group(1) in WHOLE]


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start_daemon(path: Path) -> subprocess.Popen:
    daemon = subprocess.Popen([str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True, preexec_fn=die_with_parent)
    # An alarm ends the wait for a daemon that is never ready.
    signal.alarm(DAEMON_SECONDS)
    line = daemon.stdout.readline()
    signal.alarm(0)
    if line != "bpf-iptablesd: ready\n":
        daemon.kill()
        raise RuntimeError(f"the daemon does not start: it says {line!r}, status {daemon.wait()}")
    return daemon


def lines_of(path: Path, family: str) -> list[str]:
    return [line for line in path.read_text().splitlines(keepends=True)
            if not line.startswith("#") and line.split("\t")[FAMILY_COLUMN] == family]


def play(tool: Path, lines: list[str], commands: list[str]) -> Outcome:
    """Raises RuntimeError if not every line has been judged."""
    with tempfile.NamedTemporaryFile("w", prefix="bipt-conformance-", suffix=".tsv") as chosen, \
            tempfile.NamedTemporaryFile(prefix="bipt-conformance-", suffix=".lock") as lock:
        chosen.write("".join(lines))
        chosen.flush()
        # A lock of our own: other tests neither wait for us nor make commands fail.
        environment = dict(os.environ, LC_ALL="C", XTABLES_LOCKFILE=lock.name)
        done = subprocess.run(
            [sys.executable, str(tool), *commands, "--unsupported-ok", chosen.name],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment,
            timeout=PLAY_SECONDS)
    output = done.stdout.splitlines()
    summary = SUMMARY.match(output[-1]) if output else None
    if not summary:
        raise RuntimeError(f"{tool} ended with status {done.returncode}: {done.stderr}")
    outcome = Outcome(*map(int, summary.groups()), output[:-1])
    if outcome.passed + outcome.failed + outcome.refused != len(lines):
        raise RuntimeError(f"{len(lines)} lines were given, but: {output[-1]}")
    return outcome


def report(number: int, family: str, outcome: Outcome) -> bool:
    # A list of which nothing passes tests nothing.
    good = outcome.passed > 0 and outcome.failed == 0 and not outcome.missing()
    for name in outcome.missing():
        print(f"# of {name} nothing may be refused")
    print("".join(f"# {line}\n" for line in outcome.output), end="")
    print(f"{'ok' if good else 'not ok'} {number} - {family}: {outcome.passed} lines passed, "
          f"{outcome.failed} failed, {outcome.refused} refused as not supported", flush=True)
    return good


def run(arguments: argparse.Namespace, tool: Path, rules: Path) -> int:
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    daemon = None
    commands = ["--prefix", "", "--iptables-dir", ""]
    if arguments.against == "ours":
        daemon = start_daemon(arguments.build / "src" / "daemon" / "bpf-iptablesd")
        commands = ["--prefix", "bpf-", "--iptables-dir", str(arguments.build / "src" / "frontend")]
    print(f"1..{len(arguments.families) + 1}", flush=True)
    good = True
    for number, family in enumerate(arguments.families, 1):
        good &= report(number, family, play(tool, lines_of(rules, family), commands))
    status = 0
    if daemon:
        daemon.terminate()
        status = daemon.wait(timeout=DAEMON_SECONDS)
    print(f"{'not ok' if status else 'ok'} {len(arguments.families) + 1} - "
          f"the daemon ended with status {status}")
    return 0 if good and not status else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--family", dest="families", action="append", choices=FAMILIES)
    parser.add_argument("--against", choices=["ours", "system"], default="ours",
                        help="system: whatever iptables and ip6tables are in PATH")
    build = os.environ.get("BPF_IPTABLES_BUILD", REPOSITORY / "build")
    parser.add_argument("--build", type=Path, default=Path(build))
    arguments = parser.parse_args()
    arguments.families = arguments.families or list(FAMILIES)
    arguments.build = arguments.build.resolve()
    return arguments


def main() -> int:
    arguments = parse_arguments()
    shared = Path(os.environ.get("BPF_IPTABLES_SHARED", REPOSITORY.parent / "shared"))
    tool, rules = shared / "tools" / "conformance.py", shared / "conformance" / "filter.tsv"
    if os.geteuid():
        print("skipped: network namespaces need root")
        return SKIPPED_STATUS
    for path in (tool, rules):
        if not path.is_file():
            print(f"skipped: there is no {path}")
            return SKIPPED_STATUS
    return run(arguments, tool, rules)


if __name__ == "__main__":
    sys.exit(main())
