# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces without names, which vanish with this process, and three of them in a row."""

import ctypes
import itertools
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable

PATIENCE = 20  # seconds after which a test gives up
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23

libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def build() -> Path:
    return Path(os.environ.get("BPF_IPTABLES_BUILD", "build"))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE} seconds for this: {what}")
        time.sleep(0.01)


def enter(path: str) -> None:
    with open(path) as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c",
             "mount -t sysfs sysfs /sys && mount -t bpf bpf /sys/fs/bpf && ip link set lo up && echo ready && exec sleep infinity"],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        if self.holder.stdout.readline() != "ready\n":
            self.close()
            raise RuntimeError("no namespace could be made")

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    @property
    def pid(self) -> int:
        return self.holder.pid

    def command(self, *arguments: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", *arguments]

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), input=text, capture_output=True, text=True,
                              timeout=PATIENCE)

    def output(self, *arguments: str, text: str = "") -> str:
        done = self.run(*arguments, text=text)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)}: status {done.returncode}: {done.stderr}")
        return done.stdout

    def ip(self, *lines: str) -> None:
        """Commands of ip(8), one a string; those that begin with -4 or -6 are of that family."""
        for family, group in itertools.groupby(lines, lambda line: line[:2] if line[0] == "-" else ""):
            text = "".join(line.removeprefix(family) + "\n" for line in group)
            done = self.run("ip", *([family] if family else []), "-batch", "-", text=text)
            if done.returncode != 0:
                raise AssertionError(f"ip {family}: {done.stderr}of:\n{text}")

    def sysctl(self, **values: int) -> None:
        """Names below /proc/sys/net, with __ in the place of /."""
        text = "".join(f"echo {value} > /proc/sys/net/{name.replace('__', '/')}\n"
                       for name, value in values.items())
        self.output("sh", "-ec", text)

    def inside(self, make: Callable[[], object]) -> object:
        """What @make returns, called in this namespace."""
        with open("/proc/thread-self/ns/net") as home:
            enter(f"/proc/{self.pid}/ns/net")
            try:
                return make()
            finally:
                if libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")

    def packet_socket(self, device: str, receive: bool = False) -> socket.socket:
        def make() -> socket.socket:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            made.settimeout(PATIENCE)
            made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            # Of no protocol it only sends.
            made.bind((device, ETH_P_ALL if receive else 0))
            return made
        return self.inside(make)

    def mac(self, device: str) -> bytes:
        text = self.output("cat", f"/sys/class/net/{device}/address")
        return bytes.fromhex(text.strip().replace(":", ""))

    def ifindex(self, device: str) -> int:
        return int(self.output("cat", f"/sys/class/net/{device}/ifindex"))


class Row:
    """Three namespaces in a row: client c0 - west firewall east - s0 server."""

    MACS = {"c0": "02:00:00:00:01:02", "west": "02:00:00:00:01:01",
            "s0": "02:00:00:00:02:02", "east": "02:00:00:00:02:01"}

    def __init__(self) -> None:
        self.client, self.firewall, self.server = Namespace(), Namespace(), Namespace()
        for place, device, name, number in ((self.client, "c0", "west", 1),
                                            (self.server, "s0", "east", 2)):
            self.firewall.ip(
                f"link add {name} address {self.MACS[name]} type veth peer name {device} "
                f"address {self.MACS[device]} netns {place.pid}",
                f"addr add 10.{number}.0.1/24 dev {name}",
                f"addr add 2001:db8:{number}::1/64 dev {name} nodad", f"link set {name} up",
                *(f"neighbour replace {address} lladdr {self.MACS[device]} dev {name}"
                  for address in (f"10.{number}.0.2", f"2001:db8:{number}::2")))
        self.firewall.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)

    def give_addresses(self) -> None:
        """To both ends; without addresses they say nothing of their own."""
        for place, device, name, number in ((self.client, "c0", "west", 1),
                                            (self.server, "s0", "east", 2)):
            place.ip(f"addr add 10.{number}.0.2/24 dev {device}",
                     f"addr add 2001:db8:{number}::2/64 dev {device} nodad",
                     f"link set {device} up",
                     f"route add default via 10.{number}.0.1",
                     f"-6 route add default via 2001:db8:{number}::1",
                     *(f"neighbour replace {address} lladdr {self.MACS[name]} dev {device}"
                       for address in (f"10.{number}.0.1", f"2001:db8:{number}::1")))

    def silence(self) -> None:
        """The ends are up, and only packet sockets speak there."""
        for place, device in ((self.client, "c0"), (self.server, "s0")):
            place.sysctl(**{f"ipv6__conf__{device}__disable_ipv6": 1})
            place.ip(f"link set {device} up")

    def close(self) -> None:
        for place in (self.client, self.firewall, self.server):
            place.close()
