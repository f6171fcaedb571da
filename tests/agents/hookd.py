# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands in for the daemon's hook socket inside a node: hookd.py DIRECTORY.

Answers what clusterd-qemu-hook asks on DIRECTORY/hook.sock. Operations named in DIRECTORY/deny are
refused; "hang" there leaves the question unanswered. Each question is a line in DIRECTORY/asked.
"""
import json
import os
import socket
import sys

directory = sys.argv[1]
os.makedirs(directory, exist_ok=True)
path = os.path.join(directory, "hook.sock")
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(path)
listener.listen(32)
hanging = []
while True:
    client, _ = listener.accept()
    question = json.loads(client.recv(8192))
    with open(os.path.join(directory, "asked"), "a", encoding="ascii") as asked:
        asked.write(json.dumps(question) + "\n")
    try:
        with open(os.path.join(directory, "deny"), encoding="ascii") as file:
            denied = file.read().split()
    except FileNotFoundError:
        denied = []
    if "hang" in denied:
        hanging.append(client)
        continue
    ok = question["op"] not in denied
    why = "" if ok else "this node has no right to it"
    client.send(json.dumps({"ok": ok, "why": why}).encode())
    client.close()
