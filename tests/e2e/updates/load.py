# SPDX-License-Identifier: GPL-2.0-or-later
"""A firewall under load: UDP and echo requests from a neighbour over a veth pair, which the kernel hands
to both processors, and UDP of the firewall's own over the loopback device. So there are packets at INPUT
in softirqs, and at OUTPUT both in softirqs (the echo replies), and in a process that they interrupt. All of
it is of one family."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "daemon"))

import control  # noqa: E402
from sandbox import PATIENCE, Sandbox, die_with_parent, wait_until  # noqa: E402

LENGTH = 128  # of each IP packet, which is what counters count
NEIGHBOURS = "2 3 4 5 6 7 8 9"  # the last byte of the neighbour's addresses
OWN = "1 2 3 4 5 6 7 8"  # ... and of the loopback device's


@dataclass(frozen=True)
class Family:
    number: int  # control.IPV4, control.IPV6
    network: str  # of the firewall and the neighbour: what is before the last byte
    prefix: int
    loopback: str  # likewise
    source: str  # in rules: what matches the packets of the load, and no others


IPV4 = Family(control.IPV4, "10.77.0.", 24, "127.0.0.", "")
# The kernel itself sends packets, too, as reports of multicast groups: they have other sources.
IPV6 = Family(control.IPV6, "fd77::", 64, "fd77:0:0:1::", " -s fd77::/16")

BUILD = Path(os.environ.get("BPF_IPTABLES_BUILD", "build"))
PROGRAMS = BUILD / "tests" / "e2e" / "updates"

# Neighbours are known beforehand: packets that wait for an answer to ARP can be lost. $3: the network,
# $4: the prefix's length, $5: the loopback device's network if it needs addresses.
SET_UP_FIREWALL = f"""
ip link add fw type veth peer name out netns $1
ip link set fw address 02:00:00:00:00:01
ip address add ${{3}}1/$4 dev fw $6
ip link set fw up
for last in {NEIGHBOURS}; do
    ip neigh replace $3$last lladdr 02:00:00:00:00:02 dev fw nud permanent
done
if [ $5 ]; then
    for last in {OWN}; do
        ip address add $5$last dev lo nodad
    done
fi
mount -t sysfs sysfs /sys
echo $2 > /sys/class/net/fw/queues/rx-0/rps_cpus
echo $2 > /sys/class/net/lo/queues/rx-0/rps_cpus
"""
SET_UP_NEIGHBOUR = f"""
ip link set out address 02:00:00:00:00:02
for last in {NEIGHBOURS}; do
    ip address add $1$last/$2 dev out $3
done
ip link set out up
ip neigh replace ${{1}}1 lladdr 02:00:00:00:00:01 dev out nud permanent
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
    def __init__(self, family: Family) -> None:
        self.family = family
        self.floods: list[Process] = []
        self.sent = {"fw": 0, "lo": 0}
        self.cpus = sorted(os.sched_getaffinity(0))
        self.firewall = Sandbox()
        self.neighbour = Sandbox()
        mask = f"{sum(1 << cpu for cpu in self.cpus if cpu < 32):x}"  # more takes commas
        network = (family.network, str(family.prefix))
        loopback, flag = (family.loopback, "nodad") if family is IPV6 else ("", "")
        self.firewall.output("sh", "-ec", SET_UP_FIREWALL, "sh", str(self.neighbour.holder.pid), mask,
                             *network, loopback, flag)
        self.neighbour.output("sh", "-ec", SET_UP_NEIGHBOUR, "sh", *network, flag)

    def close(self) -> None:
        for flood in self.floods:
            flood.close()
        self.neighbour.close()
        self.firewall.close()

    def start(self) -> None:
        """The firewall must be dropping UDP that comes in: there is nobody who listens."""
        firewall, neighbour = (f"{self.family.network}{last}" for last in (1, 2))
        own = f"{self.family.loopback}1"
        floods = ((self.neighbour, "udp", firewall, neighbour),
                  (self.neighbour, "echo", firewall, neighbour),
                  (self.firewall, "udp", own, own))
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
        if self.family is IPV6:
            lines = (line.split() for line in self.firewall.output("cat", "/proc/net/snmp6").splitlines())
            return {name.removeprefix(f"{protocol}6"): int(value) for name, value in lines
                    if name.startswith(f"{protocol}6")}
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
        replies = "OutEchoReplies" if self.family is IPV6 else "OutEchoReps"
        return arrived, self.sent["lo"] + self.protocol_statistics("Icmp")[replies]

    def received(self) -> int:
        """Datagrams that got through to UDP."""
        udp = self.protocol_statistics("Udp")
        return udp["InDatagrams"] + udp["NoPorts"] + udp["InErrors"]


__all__ = ["BUILD", "IPV4", "IPV6", "LENGTH", "Load", "Process", "wait_until"]
