#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes down every tick of every guest as it arrives.

observe.py ADDRESS PORT DIRECTORY appends to DIRECTORY/NAME.log, a line a tick:

    ARRIVED_MS SOURCE_IP NAME BOOT UPTIME_S SEQ STRANGE SOURCE_PORT

The source address tells the node, the source port tells one QEMU process of
it from the next. One process receives all ticks, so the order of the lines is
the order of arrival.
"""
import re
import socket
import sys
import time

TICK = re.compile(r"[A-Za-z0-9._-]+ [0-9a-f]{8} [0-9.]+ \d+ \d+")


def main(address, port, directory):
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    wire.bind((address, int(port)))
    rest = {}  # by source: the beginning of a line whose end has not come yet
    logs = {}
    while True:
        data, source = wire.recvfrom(65536)
        arrived_ms = int(time.time() * 1000)
        *lines, rest[source] = (rest.get(source, "") + data.decode("ascii", "replace")).split("\n")
        for line in lines:
            line = line.strip("\r\0 ")
            if not TICK.fullmatch(line):
                print("not a tick:", source, repr(line), flush=True)
                continue
            name = line.split()[0]
            if name not in logs:
                logs[name] = open(f"{directory}/{name}.log", "a", buffering=1)
            logs[name].write(f"{arrived_ms} {source[0]} {line} {source[1]}\n")


main(*sys.argv[1:])
