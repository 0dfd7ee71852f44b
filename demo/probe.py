#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""probe.py serve PROTOCOL:PORT...: answers whatever comes, once "ready" is printed.
probe.py PROTOCOL SOURCE ADDRESS PORT SECONDS: asks such a server. Exit status 0: there was an answer
(a refusal too: it shows that packets pass), 1: there was none."""

import contextlib
import selectors
import socket
import sys

QUESTION = b"is anybody there?"
SOCKET_TYPES = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def open_server(protocol: str, port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET, SOCKET_TYPES[protocol])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("0.0.0.0", port))
    if protocol == "tcp":
        server.listen()
    return server


def answer(server: socket.socket) -> None:
    if server.type == socket.SOCK_DGRAM:
        question, client = server.recvfrom(2048)
        server.sendto(question, client)
        return
    connection, _ = server.accept()
    with connection, contextlib.suppress(OSError):
        connection.settimeout(1)
        connection.sendall(connection.recv(2048))


def serve(names: list[str]) -> None:
    selector = selectors.DefaultSelector()
    for name in names:
        protocol, port = name.split(":")
        selector.register(open_server(protocol, int(port)), selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            answer(key.fileobj)


def ask(protocol: str, source: str, address: str, port: int, seconds: float) -> bool:
    with socket.socket(socket.AF_INET, SOCKET_TYPES[protocol]) as client:
        client.settimeout(seconds)
        client.bind((source, 0))
        try:
            client.connect((address, port))
            client.sendall(QUESTION)
            return client.recv(2048) == QUESTION
        except ConnectionRefusedError:
            return True
        except OSError:
            return False


def main() -> int:
    if sys.argv[1] == "serve":
        serve(sys.argv[2:])
    protocol, source, address, port, seconds = sys.argv[1:]
    return 0 if ask(protocol, source, address, int(port), float(seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
