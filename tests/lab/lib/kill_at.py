# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills processes of a node at the moment when a VM is seen in a phase.

kill_at.py INIT VM PHASE PID...: INIT is the node's pid 1 on this machine, the PIDs are those of its
namespace; the phase is asked of the node's own daemon. To be started ahead of what moves the VM; it
says "armed". Exit 0: met and killed; 3: the VM rested again before the phase was met.
"""
import json
import os
import signal
import socket
import sys
import time

LIMIT_S = 60
REST = ("run", "off", "failed")


def host_pid(init, pid):
    """The number that a process of the node's pid namespace has on this machine."""
    namespace = os.readlink(f"/proc/{init}/ns/pid")
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{entry}/ns/pid") != namespace:
                continue
            with open(f"/proc/{entry}/status", encoding="ascii", errors="replace") as status:
                ids = next(line for line in status if line.startswith("NSpid:")).split()
        except (OSError, StopIteration):
            continue
        if ids[-1] == pid:
            return int(entry)
    return None


def main(init, vm, phase, pids):
    victims = [p for p in (host_pid(init, pid) for pid in pids) if p]
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    daemon.connect(f"/proc/{init}/root/run/clusterd/operator.sock")
    end, first, asked = time.monotonic() + LIMIT_S, None, 0
    seen = ""
    while time.monotonic() < end:
        asked += 1
        daemon.send(json.dumps({"id": asked, "do": "vm", "name": vm}).encode())
        reply = json.loads(daemon.recv(1 << 17))
        now, generation = reply["data"]["phase"], reply["data"]["generation"]
        if not first:
            first = (now, generation)
            print("kill_at: armed", flush=True)
        if now == phase:
            for victim in victims:
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            print(f"kill_at: {vm} is {phase}: killed {victims}")
            return 0
        if now != seen:
            print(f"kill_at: {vm} is {now}")
            seen = now
        if now in REST and (now, generation) != first:
            return 3
        time.sleep(0.001)
    return 3


sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]))
