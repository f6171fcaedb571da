# SPDX-License-Identifier: GPL-2.0-or-later
"""Talks to vm agents in the nodes of a lab, for tests that want to see them work on real guests."""
import json
import os
import queue
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LAB = os.path.join(HERE, "..", "lab", "lab")
PATIENCE_S = 60


def boot_s():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lab:
    def __init__(self, directory, build):
        self.directory = directory
        self.build = build

    def command(self, *arguments, check=True):
        done = subprocess.run([LAB, "-d", self.directory, *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, check=False)
        if check and done.returncode:
            raise RuntimeError(f"lab {' '.join(arguments)}: {done.stdout}")
        return done.stdout

    def run(self, node, *command, check=True):
        return self.command("exec", node, *command, check=check)

    def guest(self, name, *more):
        xml = self.command("guest", name, *more)
        uuid = xml.split("<uuid>")[1].split("<")[0]
        return xml, uuid

    def agent(self, node):
        return Agent(self, node)


class Agent:
    """One clusterd-agent-vm, with everything that it said, in order."""

    def __init__(self, lab, node, uri="qemu:///system"):
        self.node = node
        self.frames = []
        self.lock = threading.Condition()
        self.next_id = 0
        self.ended = False
        self.process = subprocess.Popen(
            [LAB, "-d", lab.directory, "exec", node, f"{lab.build}/tests/agents/agentctl",
             f"{lab.build}/agents/clusterd-agent-vm", "--uri", uri],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.lock:
                self.frames.append(json.loads(line))
                self.lock.notify_all()
        with self.lock:
            self.ended = True
            self.lock.notify_all()

    def wait(self, wanted, after=0, patience_s=PATIENCE_S):
        """The first frame from position `after` on that is wanted."""
        end = time.monotonic() + patience_s
        with self.lock:
            while True:
                for position in range(after, len(self.frames)):
                    if wanted(self.frames[position]):
                        return self.frames[position]
                after = len(self.frames)
                left = end - time.monotonic()
                if self.ended or left <= 0 or not self.lock.wait(left):
                    raise TimeoutError(f"{self.node}: not seen; the last were {self.frames[-5:]}")

    def send(self, request, **more):
        self.next_id += 1
        line = json.dumps({"id": self.next_id, "request": request, **more})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.next_id

    def reply(self, request_id, patience_s=PATIENCE_S):
        frame = self.wait(lambda f: f.get("type") == "agent-reply" and f["id"] == request_id,
                          patience_s=patience_s)
        body = dict(frame["body"])
        body.setdefault("code", "ok")
        body.setdefault("text", "")
        body["at"] = frame["at"]
        return body

    def ask(self, request, patience_s=PATIENCE_S):
        begun = boot_s()
        reply = self.reply(self.send(request), patience_s)
        reply["took_ms"] = round((reply["at"] - begun) * 1000, 1)
        return reply

    def news(self, uuid, state, after=0, patience_s=PATIENCE_S):
        return self.wait(lambda f: f.get("type") == "agent-news" and
                         f["body"].get("domain", {}).get("domain", {}).get("uuid") == uuid and
                         f["body"]["domain"].get("state", "absent") == state, after, patience_s)

    def mark(self):
        with self.lock:
            return len(self.frames)

    def close(self):
        self.process.stdin.close()
        return self.process.wait(20)


def reference(uuid, name, vm=1, generation=1):
    return {"vm": vm, "uuid": uuid, "name": name, "generation": generation}
