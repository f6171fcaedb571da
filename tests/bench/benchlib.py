# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benches share: a lab of their own, its daemon's socket, its guests' ticks.

All clocks are one machine's: the lab's nodes share it with the observer of ticks and with us.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LAB = TOP / "tests/lab/lab"
BUILD = Path(os.environ.get("LAB_BUILD", TOP)).resolve()
LIMIT_S = 120


def now_ms():
    return time.time() * 1000


def say(text):
    """Progress; standard output belongs to the result."""
    print(f"{time.strftime('%T')}  {text}", file=sys.stderr, flush=True)


def wait_for(what, condition, limit_s=LIMIT_S, pause_s=0.02):
    """The condition's first value that is not false."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{limit_s} s in vain for: {what}")
        time.sleep(pause_s)


def median(values):
    values = sorted(v for v in values if v is not None)
    if not values:
        return None
    half = len(values) // 2
    return round(values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2, 4)


def seconds(ms):
    return None if ms is None else round(ms / 1000, 3)


class Lab:
    """A lab that ends when the with-block does."""

    def __init__(self, *options):
        self.dir = Path(tempfile.mkdtemp(prefix="clusterd-bench-")) / "lab"
        self.options = options

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            self.run("up", *self.options)
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"the lab did not start: {error.stderr}") from error
        return self

    def __exit__(self, *_):
        subprocess.run([LAB, "-d", self.dir, "down", "--purge"], stdout=subprocess.DEVNULL,
                       check=False)
        self.dir.parent.rmdir()

    def command(self, *words):
        return [str(LAB), "-d", str(self.dir), *map(str, words)]

    def run(self, *words, text=None):
        done = subprocess.run(self.command(*words), input=text, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            say(f"lab {' '.join(map(str, words))[:120]}: {done.stderr.strip()[-500:]}")
            done.check_returncode()
        return done.stdout

    def ctl(self, *words, node="n1", text=None):
        return self.run("exec", node, BUILD / "clusterctl/clusterctl", *words, text=text)

    def init(self, node):
        """The node's pid 1 on this machine."""
        return int((self.dir / "nodes" / node / "pid").read_text())

    def enter(self, node, *command):
        """The words of a command that runs in a node without a shell between."""
        return ["nsenter", "-t", str(self.init(node)), "-m", "-u", "-i", "-n", "-p", "--",
                *map(str, command)]

    def ask(self, node, **request):
        """One question to the daemon of a node, over its socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
            daemon.connect(f"/proc/{self.init(node)}/root/run/clusterd/operator.sock")
            daemon.send(json.dumps({"id": 1, **request}).encode())
            data = None
            while True:
                reply = json.loads(daemon.recv(1 << 17))
                if not reply["ok"]:
                    raise RuntimeError(reply["error"]["text"])
                part = reply.get("data")
                data = data + part if isinstance(data, list) else part
                if reply["last"]:
                    return data

    def vms(self, node="n1"):
        return {vm["name"]: vm for vm in self.ask(node, do="vms")}

    def events(self, node, after):
        return self.ask(node, do="events", after=after, limit=5000)

    def last_event(self, node):
        return max([e["id"] for e in self.ask(node, do="events", limit=1)] + [0])

    def conf(self, key):
        text = (self.dir / "nodes/n1/etc/corosync/corosync.conf").read_text()
        found = re.search(rf"^\s*{key}: (\d+)$", text, re.M)
        return int(found.group(1))

    # ------------------------------------------------------------ guests

    def guest_xml(self, name, *more):
        return self.run("guest", name, *more)

    def tick_log(self, name):
        return self.dir / "ticks" / f"{name}.log"

    def ticks(self, name, since_ms=0):
        """(ms of arrival, node, boot, process) of each."""
        ticks = []
        if not self.tick_log(name).exists():
            return ticks
        for line in self.tick_log(name).read_text().splitlines():
            words = line.split()
            if len(words) == 8 and int(words[0]) >= since_ms:
                ticks.append((int(words[0]), "n" + words[1].rsplit(".", 1)[1], words[3],
                              words[1] + ":" + words[7]))
        return ticks

    def first_tick(self, name, since_ms, not_on=None):
        return next((t[0] for t in self.ticks(name, since_ms) if t[1] != not_on), None)

    def gap_ms(self, name, since_ms, boot):
        """The longest silence of one boot, from the last tick before that time on."""
        times = [t[0] for t in self.ticks(name) if t[2] == boot]
        start = max([t for t in times if t <= since_ms] or [since_ms])
        times = [t for t in times if t >= start]
        return max([b - a for a, b in zip(times, times[1:])] + [0])

    def wait_ticks(self, name, since_ms, not_on=None):
        return wait_for(f"{name} ticks", lambda: self.first_tick(name, since_ms, not_on))

    def writers(self, name):
        """Raises if the guest ever ran twice."""
        self.run("writers", name)

    def node_up(self, node, via):
        found = self.ask(via, do="node", name=node)
        facts = found["facts"] or {}
        return (found["state"] == "up" and found["ready"] and facts.get("agent_ok")
                and "shared" in facts["volumes"])


def finish(result):
    json.dump(result, sys.stdout, indent=2)
    print()
