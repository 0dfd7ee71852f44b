#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""receive_offload.py DEVICE: switches generic receive offload on, as `ethtool -K DEVICE gro on` does.

A veth takes frames from XDP only if its other end has it (drivers/net/veth.c, veth_xdp_xmit())."""

import array
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
ETHTOOL_SGRO = 0x2C

command = array.array("I", [ETHTOOL_SGRO, 1])
request = struct.pack("16sQ16x", sys.argv[1].encode(), command.buffer_info()[0])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, SIOCETHTOOL, request)
