# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP connections of the kernel's own, both of whose ends are here."""

import socket
from typing import Iterable

import paths  # noqa: F401
from network import PATIENCE, Namespace, Row, wait_until

PORT = 7000
TCP_INFO_UNACKED = slice(24, 28)  # struct tcp_info
# The client's address, the firewall's own that it can reach, and that of the server behind it.
CLIENT = {4: "10.1.0.2", 6: "2001:db8:1::2"}
FIREWALL = {4: "10.1.0.1", 6: "2001:db8:1::1"}
SERVER = {4: "10.2.0.2", 6: "2001:db8:2::2"}


class Connection:
    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near, self.far = near, far
        self.count = 0
        for end in near, far:
            end.settimeout(PATIENCE)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, *, far: bool = False) -> None:
        self.count += 1
        (self.far if far else self.near).sendall(b"%15d\n" % self.count)

    def hear(self, *, near: bool = False) -> None:
        """What the other end has said last."""
        got = b""
        while len(got) < 16:
            piece = (self.near if near else self.far).recv(16 - len(got))
            if not piece:
                raise AssertionError("the other end has closed its connection")
            got += piece
        if int(got) != self.count:
            raise AssertionError(f"said {self.count}, heard {got}")

    def exchange(self) -> None:
        self.say()
        self.hear()
        self.say(far=True)
        self.hear(near=True)

    def is_quiet(self) -> bool:
        """All is acknowledged: nobody will send anything of his own."""
        information = (end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
                       for end in (self.near, self.far))
        return not any(int.from_bytes(each[TCP_INFO_UNACKED], "little") for each in information)

    def close(self) -> None:
        self.near.close()
        self.far.close()


class Peers:
    """Who accepts connections at the firewall and behind it, and those that were made."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.listeners = {place: place.inside(self.listen)
                          for place in (row.firewall, row.server)}
        self.connections: list[Connection] = []

    @staticmethod
    def listen() -> socket.socket:
        listener = socket.create_server(("::", PORT), family=socket.AF_INET6, backlog=4096,
                                        dualstack_ipv6=True)
        listener.settimeout(PATIENCE)
        return listener

    def connect(self, place: Namespace, address: str) -> Connection:
        near = self.row.client.inside(
            lambda: socket.create_connection((address, PORT), timeout=PATIENCE))
        name = near.getsockname()[:2]
        while True:
            far, peer = self.listeners[place].accept()
            if (peer[0].removeprefix("::ffff:"), peer[1]) == name:
                break
            far.close()
        connection = Connection(near, far)
        self.connections.append(connection)
        return connection

    def everywhere(self) -> Iterable[Connection]:
        """A connection to each address of each family."""
        for family in (4, 6):
            yield self.connect(self.row.firewall, FIREWALL[family])
            yield self.connect(self.row.server, SERVER[family])

    def exchange(self) -> None:
        """Afterwards all is quiet."""
        for connection in self.connections:
            connection.exchange()
        wait_until(lambda: all(connection.is_quiet() for connection in self.connections),
                   "all is acknowledged")

    def close(self) -> None:
        for each in (*self.connections, *self.listeners.values()):
            each.close()
