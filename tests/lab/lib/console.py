# SPDX-License-Identifier: GPL-2.0-or-later
"""A person at a serial console: console.py CONSOLE-COMMAND... -- COMMAND...

Works in the guest's shell, runs the second command meanwhile, works on, and leaves by ^].
"""
import os
import pty
import re
import select
import subprocess
import sys
import time

LIMIT_S = 120
split = sys.argv.index("--")
console, meanwhile = sys.argv[1:split], sys.argv[split + 1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(console[0], console)
seen = ""


def fail(why):
    print(f"console: {why}; the end of what was seen: {seen[-300:]!r}", flush=True)
    os.close(terminal)
    sys.exit(1)


def read(seconds):
    global seen
    if select.select([terminal], [], [], seconds)[0]:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            return False
        seen += data.decode("utf-8", "replace")
        return bool(data)
    return True


def work(word):
    """The guest's shell multiplies, so that the answer is not the echo of the question."""
    global seen
    end, answer = time.monotonic() + LIMIT_S, word + "-42"
    while time.monotonic() < end:
        os.write(terminal, f"echo {word}-$((6*7))\r".encode())
        for _ in range(10):
            if not read(0.1):
                fail(f"the console ended before '{answer}' was seen")
            if answer in seen:
                return
    fail(f"never saw '{answer}'")


work("before")
print(f"console: the guest answers; now: {' '.join(meanwhile)}", flush=True)
other = subprocess.Popen(meanwhile)
while other.poll() is None:
    read(0.1)
if other.returncode:
    fail(f"the command beside it ended with {other.returncode}")
work("after")
if not re.search(r"moved from n\d to n\d", seen):
    fail("it was not said that the guest moved")
os.write(terminal, b"\x1d")
while read(1):
    pass
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(f"console: left with {status}: {seen[-200:]!r}", flush=True)
sys.exit(status)
