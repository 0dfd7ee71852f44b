#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""send_raw.py FLOWS: sends a TCP segment, an acknowledgement without numbers, of each flow of the
table FLOWS (bench/flow.h), as if a server in this namespace did."""

import socket
import struct
import sys
from pathlib import Path

FLOW = struct.Struct("!4s4sHHBBxx")
ACKNOWLEDGEMENT = 0x5010  # a header of 20 bytes, ACK

with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
    for source, destination, port, peer, protocol, _ in FLOW.iter_unpack(
            Path(sys.argv[1]).read_bytes()):
        # The kernel fills in what is 0 of the IP header: length, identifier, checksum.
        packet = struct.pack("!BBHHHBBH4s4sHHIIHHHH", 0x45, 0, 0, 0, 0, 64, protocol, 0, source,
                             destination, port, peer, 0, 0, ACKNOWLEDGEMENT, 8192, 0, 0)
        sender.sendto(packet, (socket.inet_ntoa(destination), 0))
