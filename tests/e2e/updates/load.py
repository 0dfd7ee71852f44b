# SPDX-License-Identifier: GPL-2.0-or-later
"""A firewall under load: UDP and echo requests from a neighbour over a veth pair, which the kernel hands
to both processors, and UDP of the firewall's own over the loopback device. So there are packets at INPUT
in softirqs, and at OUTPUT both in softirqs (the echo replies), and in a process that they interrupt."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "daemon"))

from sandbox import PATIENCE, Sandbox, die_with_parent, wait_until  # noqa: E402

LENGTH = 128  # of each IP packet, which is what counters count
FIREWALL = "10.77.0.1"
NEIGHBOURS = "2 3 4 5 6 7 8 9"  # the last byte of the neighbour's addresses

BUILD = Path(os.environ.get("BPF_IPTABLES_BUILD", "build"))
PROGRAMS = BUILD / "tests" / "e2e" / "updates"

# Neighbours are known beforehand: packets that wait for an answer to ARP can be lost.
SET_UP_FIREWALL = f"""
ip link add fw type veth peer name out netns $1
ip link set fw address 02:00:00:00:00:01
ip address add {FIREWALL}/24 dev fw
ip link set fw up
for last in {NEIGHBOURS}; do
    ip neigh replace 10.77.0.$last lladdr 02:00:00:00:00:02 dev fw nud permanent
done
mount -t sysfs sysfs /sys
echo $2 > /sys/class/net/fw/queues/rx-0/rps_cpus
echo $2 > /sys/class/net/lo/queues/rx-0/rps_cpus
"""
SET_UP_NEIGHBOUR = f"""
ip link set out address 02:00:00:00:00:02
for last in {NEIGHBOURS}; do
    ip address add 10.77.0.$last/24 dev out
done
ip link set out up
ip neigh replace {FIREWALL} lladdr 02:00:00:00:00:01 dev out nud permanent
"""


class Process:
    """One of the programs here: it answers lines with lines, and ends with its input."""

    def __init__(self, sandbox: Sandbox, name: str, *arguments: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            sandbox.command(str(PROGRAMS / name), *arguments), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def read(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.name}: {self.process.stderr.read().strip()}")
        return line.strip()

    def ask(self, line: str) -> str:
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and says why
        return self.read()

    def finish(self) -> str:
        """Its last words."""
        rest, errors = self.process.communicate(timeout=PATIENCE)
        if self.process.returncode != 0:
            raise AssertionError(f"{self.name}: status {self.process.returncode}: {errors.strip()}")
        return rest.strip()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.process.stderr):
            file.close()


class Load:
    def __init__(self) -> None:
        self.floods: list[Process] = []
        self.sent = {"fw": 0, "lo": 0}
        self.cpus = sorted(os.sched_getaffinity(0))
        self.firewall = Sandbox()
        self.neighbour = Sandbox()
        mask = f"{sum(1 << cpu for cpu in self.cpus if cpu < 32):x}"  # more takes commas
        self.firewall.output("sh", "-ec", SET_UP_FIREWALL, "sh", str(self.neighbour.holder.pid), mask)
        self.neighbour.output("sh", "-ec", SET_UP_NEIGHBOUR)

    def close(self) -> None:
        for flood in self.floods:
            flood.close()
        self.neighbour.close()
        self.firewall.close()

    def start(self) -> None:
        """The firewall must be dropping UDP that comes in: there is nobody who listens."""
        floods = ((self.neighbour, "udp", FIREWALL, "10.77.0.2"),
                  (self.neighbour, "echo", FIREWALL, "10.77.0.2"),
                  (self.firewall, "udp", "127.0.0.1", "127.0.0.1"))
        for number, (sandbox, kind, to, source) in enumerate(floods):
            cpu = self.cpus[number % len(self.cpus)]
            self.floods.append(Process(sandbox, "flood", str(cpu), kind, to, source, str(LENGTH)))
        for flood in self.floods:
            assert flood.read() == "started"

    def stop(self) -> None:
        for device, flood in zip(("fw", "fw", "lo"), self.floods):
            self.sent[device] += int(flood.finish())

    def protocol_statistics(self, protocol: str) -> dict[str, int]:
        """Of the firewall's kernel (RFC 2013, RFC 4293)."""
        names, values = [line.split()[1:] for line in
                         self.firewall.output("cat", "/proc/net/snmp").splitlines()
                         if line.startswith(f"{protocol}:")]
        return dict(zip(names, map(int, values)))

    def lost(self, device: str) -> int:
        """Packets that the device has received, and that a processor had no room for."""
        for line in self.firewall.output("cat", "/proc/net/dev").splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == device:
                return int(numbers.split()[3])
        raise AssertionError(f"no device {device}")

    def expected(self) -> tuple[int, int]:
        """Packets at INPUT and at OUTPUT, after stop()."""
        arrived = sum(sent - self.lost(device) for device, sent in self.sent.items())
        return arrived, self.sent["lo"] + self.protocol_statistics("Icmp")["OutEchoReps"]

    def received(self) -> int:
        """Datagrams that got through to UDP."""
        udp = self.protocol_statistics("Udp")
        return udp["InDatagrams"] + udp["NoPorts"] + udp["InErrors"]


__all__ = ["BUILD", "LENGTH", "Load", "Process", "wait_until"]
