#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The process that is one side: it makes the namespaces, starts the firewall and plays cases.

Speaks JSON lines on stdin and stdout: the first names the firewall and the CPU, each further one is
a case (see case.py) and is answered by a result. It ends, and takes all that it made with it, when
stdin closes.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import local_traffic
from exceptions import NETFILTER, sysctls_of
from firewalls import Firewall
from kernel_sets import creations, emptied
from packets_ipv6 import salted
from stateful import begins_anew_with_changes
from topology import ENDS, Topology, libc

PR_SET_PDEATHSIG = 1
CPUS = sorted(os.sched_getaffinity(0))
DAEMON_SECONDS = 60  # programs for devices take some to load
COMMAND_SECONDS = 300
TABLE_CHAINS = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
}


class FirewallError(Exception):
    pass


class Daemon:
    """bpf-iptablesd in this namespace, ready when constructed."""

    def __init__(self, program: str, hook: str) -> None:
        self.stderr = os.memfd_create("daemon-stderr")
        self.process = subprocess.Popen([program, "--hook", hook],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.stderr, preexec_fn=prepare_daemon)
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def _await_ready(self) -> None:
        deadline = time.monotonic() + DAEMON_SECONDS
        text = b""
        while b"bpf-iptablesd: ready\n" not in text:
            if not select.select([self.process.stdout], [], [], deadline - time.monotonic())[0]:
                raise FirewallError("the daemon is not ready in time: " + self.messages())
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                raise FirewallError("the daemon ended at its start: " + self.messages())
            text += piece

    def messages(self) -> str:
        return os.pread(self.stderr, 1 << 16, 0).decode(errors="replace").strip()

    def check(self) -> None:
        if self.process.poll() is not None:
            raise FirewallError(f"the daemon ended (status {self.process.returncode}): " +
                                self.messages())

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DAEMON_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def prepare_daemon() -> None:
    """On all CPUs, and ended with this process even if that is killed."""
    os.sched_setaffinity(0, CPUS)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Worker:
    def __init__(self, firewall: Firewall, cpu: int, hook: str) -> None:
        os.sched_setaffinity(0, {CPUS[cpu % len(CPUS)]})
        self.firewall = firewall
        self.hook = hook
        self.topology = Topology(sysctls_of(hook))
        self.family = 4
        self.sets_made = False
        self.tables_used: dict[int, set[str]] = {4: set(), 6: set()}
        self.lock = os.memfd_create("xtables-lock")
        # A lock of its own: the two sides, and whatever else the machine does, shall not wait.
        self.environment = dict(os.environ, XTABLES_LOCKFILE=f"/proc/{os.getpid()}/fd/{self.lock}")
        self.daemon = Daemon(firewall.daemon, firewall.hook) if firewall.daemon else None

    def stop(self) -> None:
        if self.daemon:
            self.daemon.stop()

    def run_program(self, arguments: list[str], text: str = "") -> dict:
        done = subprocess.run(arguments, input=text.encode(), capture_output=True,
                              env=self.environment, timeout=COMMAND_SECONDS)
        return {"status": done.returncode, "stdout": done.stdout.decode(errors="replace"),
                "stderr": done.stderr.decode(errors="replace")}

    def play(self, case: dict) -> dict:
        """Loads the case's tables, plays its steps, and says all that can be seen from outside."""
        topology = self.topology
        topology.rename_all(case["interfaces"])
        topology.set_local(case["local"])
        family, other_family = case["family"], 10 - case["family"]
        if 6 in (family, other_family if case["other_tables"] else 0):
            topology.forget_neighbours()
        self.forget_own_states(case)
        self.fill_sets(case["sets"])
        result = {"restore": self.restore(family, case["tables"])}
        if case["other_tables"] or self.tables_used[other_family]:
            result["other_restore"] = self.restore(other_family, case["other_tables"])
        self.family = family
        self.forget_connections()
        topology.synchronise()
        topology.take_captured()
        if result["restore"]["status"] == 0 and not case.get("only_restore"):
            result["steps"] = [self.step(step, case["salt"]) for step in case["steps"]]
            topology.synchronise()
        result["captured"] = [[frame.hex() for frame in frames]
                              for frames in topology.take_captured()]
        result["save"] = self.save(family)
        if case["other_tables"]:
            result["other_save"] = self.save(other_family)
        if case["sets"]:
            listed = self.run_program(["ipset", "save"])
            result["sets"] = sorted(line for line in listed["stdout"].splitlines()
                                    if line.startswith("add "))
        result["daemon"] = self.daemon is not None
        result["hook"] = self.hook
        result["kernel_tables"] = kernel_tables()
        if self.daemon:
            self.daemon.check()
        return result

    def forget_connections(self) -> None:
        """Those of the kernel, and those that our programs on devices track themselves."""
        self.topology.flush_conntrack()
        if self.firewall.hook == NETFILTER:
            return
        done = self.run_program([self.firewall.control, "conntrack", "flush"])
        if done["status"]:
            raise FirewallError("connections cannot be flushed: " + done["stderr"])

    def forget_own_states(self, case: dict) -> None:
        """What matches keep goes with their rules: both sides begin as with new ones."""
        for family, tables in ((case["family"], case["tables"]),
                               (10 - case["family"], case["other_tables"])):
            if begins_anew_with_changes("".join(tables.values())):
                self.restore(family, {})

    def fill_sets(self, members: list[str]) -> None:
        """They are made for the first case that has any, and stay."""
        if not members and not self.sets_made:
            return
        lines = [*([] if self.sets_made else creations()), *emptied(), *members]
        self.sets_made = True
        done = self.run_program(["ipset", "restore", "-exist"], "\n".join(lines) + "\n")
        if done["status"]:
            raise FirewallError("sets cannot be filled: " + done["stderr"])

    def restore(self, family: int, tables: dict[str, str]) -> dict:
        """Empties the tables that earlier cases used, in the same transaction per table."""
        used = self.tables_used[family]
        texts = [empty_table(table) for table in sorted(used - set(tables))] + [*tables.values()]
        self.tables_used[family] |= set(tables)
        return self.run_program([self.firewall.program(family, "-restore"), "--counters"],
                                "".join(texts))

    def save(self, family: int) -> dict:
        return self.run_program([self.firewall.program(family, "-save"), "-c"])

    def step(self, step: dict, salt: int) -> object:
        action = getattr(self, "do_" + step["do"])
        return action(step, salt)

    def do_frame(self, step: dict, salt: int) -> None:
        self.topology.send(ENDS.index(step["at"]), salted(bytes.fromhex(step["hex"]), salt),
                           step.get("broadcast", False))

    def do_exchange(self, step: dict, salt: int) -> int:
        """Plays frames as long as each makes something come out; returns how many did."""
        for number, frame in enumerate(step["frames"]):
            self.topology.synchronise()
            before = self.topology.captured_count()
            self.do_frame(frame, salt)
            self.topology.synchronise()
            if self.topology.captured_count() == before:
                return number
        return len(step["frames"])

    def do_raw(self, step: dict, salt: int) -> str:
        return local_traffic.send_raw(self.topology, salted(bytes.fromhex(step["hex"]), salt))

    def do_udp(self, step: dict, _salt: int) -> list[str]:
        return local_traffic.send_udp(self.topology, step)

    def do_ping(self, step: dict, _salt: int) -> str:
        return local_traffic.send_ping(self.topology, step)

    def do_connect(self, step: dict, _salt: int) -> list[str]:
        return local_traffic.connect_out(self.topology, step)

    def do_accept(self, step: dict, _salt: int) -> list[str]:
        return local_traffic.accept_from(self.topology, step)

    def do_loopback(self, step: dict, _salt: int) -> list[str]:
        return local_traffic.loopback(self.topology, step)

    def do_settle(self, _step: dict, _salt: int) -> None:
        """What comes out because of the steps before is out."""
        self.topology.synchronise()

    def do_rename(self, step: dict, _salt: int) -> None:
        self.topology.synchronise()
        self.topology.rename(step["link"], step["name"])

    def do_command(self, step: dict, _salt: int) -> list:
        self.topology.synchronise()
        program = self.firewall.program(step.get("family", self.family))
        done = self.run_program([program, *step["arguments"]])
        return [done["status"], done["stdout"]]


def empty_table(table: str) -> str:
    """Its counters are at zero, so that a difference does not stay for all cases to come."""
    chains = "".join(f":{chain} ACCEPT [0:0]\n" for chain in TABLE_CHAINS[table])
    return f"*{table}\n{chains}COMMIT\n"


def kernel_tables() -> list[str]:
    names = []
    for file in ("ip_tables_names", "ip6_tables_names"):
        path = Path("/proc/thread-self/net") / file
        names += path.read_text().split() if path.exists() else []
    return names


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    setup = json.loads(sys.stdin.readline())
    worker = None
    try:
        worker = Worker(Firewall(**setup["firewall"]), setup["cpu"], setup["hook"])
        print(json.dumps({}), flush=True)
        for line in sys.stdin:
            print(json.dumps(worker.play(json.loads(line))), flush=True)
    except (Exception, KeyboardInterrupt) as error:
        text = str(error) if isinstance(error, FirewallError) else traceback.format_exc()
        print(json.dumps({"error": text}), flush=True)
    finally:
        if worker:
            worker.stop()


if __name__ == "__main__":
    main()
