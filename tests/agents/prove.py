#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves the agents on real guests: prove.py LAB-DIRECTORY BUILD-DIRECTORY [SCENARIO...]

Wants a lab of two nodes that is up and bare (tests/lab/lab -d DIR up -n 2 --bare), with the build
within reach of its nodes. Every scenario leaves the nodes without guests. Prints what it measured.
"""
import re
import subprocess
import sys
import traceback

from agents import HERE, Lab, boot_s, json, reference, time

VOLUME = {"name": "shared", "driver": "dir", "target": "/clusterstorage"}
FENCE = [{"key": key, "value": value} for key, value in (
    ("ip", "10.77.0.254"), ("username", "ipmiusr"), ("lanplus", "1"), ("cipher", "3"))]


class Guest:
    def __init__(self, lab, name, *more, vm=1):
        self.xml, self.uuid = lab.guest(name, *more)
        self.name = name
        self.ref = reference(self.uuid, name, vm)
        self.disks = [{"target": "vda", "source": f"/clusterstorage/disks/{name}.raw",
                       "format": "raw", "kind": "file", "cache": "none"}]

    def ask(self, agent, deadline_ms=60000, **body):
        return agent.ask({"deadline_ms": deadline_ms, "domain": self.ref, **body})

    def send(self, agent, deadline_ms=60000, **body):
        return agent.send({"deadline_ms": deadline_ms, "domain": self.ref, **body})

    def start(self, agent, **more):
        reply = self.ask(agent, start={"xml": self.xml, "disks": self.disks, **more})
        expect(reply, "ok", "running")
        return reply


def expect(reply, code, state=None):
    assert reply["code"] == code, f"{code} was expected: {reply}"
    if state:
        seen = reply.get("domain", {}).get("state", "absent")
        assert seen == state, f"{state} was expected: {reply}"


class Proof:
    def __init__(self, directory, build):
        self.lab = Lab(directory, build)
        self.directory = directory
        self.build = build
        self.agents = {}

    def agent(self, node, *guests):
        agent = self.agents[node] = self.lab.agent(node)
        agent.wait(lambda f: f["body"].get("facts", {}).get("agent_ok"))
        agent.ask({"deadline_ms": 20000, "watch": {"domains": [g.ref for g in guests],
                                                   "volumes": [VOLUME]}})
        agent.wait(lambda f: "inventory" in f["body"])
        return agent

    def end(self):
        for node, agent in self.agents.items():
            for name in self.lab.run(node, "virsh", "list", "--name", check=False).split():
                self.lab.run(node, "virsh", "destroy", name, check=False)
            if agent.process.poll() is None:
                agent.close()
        self.agents = {}

    def libvirtd_pid(self, node):
        return self.lab.run(node, "cat", "/run/lab/libvirtd.pid").strip()

    def shell(self, node):
        """A shell in a node that is there at once when a moment matters."""
        with open(f"{self.directory}/nodes/{node}/pid", encoding="ascii") as file:
            pid = file.read().strip()
        return subprocess.Popen(["nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "sh"],
                                stdin=subprocess.PIPE, text=True, bufsize=1)

    def migrate(self, to, **more):
        return {"connect_uri": f"qemu+tcp://10.77.0.{to[1]}/system",
                "data_uri": f"tcp://10.77.0.{to[1]}", "shared_paths": ["/clusterstorage"],
                "stall_ms": 3000, **more}

    # ------------------------------------------------------------ one node

    def power(self):
        guest = Guest(self.lab, "web1")
        a = self.agent("n1", guest)
        print("  start", guest.start(a)["took_ms"], "ms")
        expect(guest.ask(a, start={"xml": guest.xml}), "ok", "running")
        expect(guest.ask(a, pause={}), "ok", "paused")
        expect(guest.ask(a, resume={"verify": True}), "ok", "running")
        expect(guest.ask(a, action={"action": "reset"}), "ok", "running")
        assert "<domain" in guest.ask(a, xml={})["xml"]
        time.sleep(5)
        reply = guest.ask(a, stop={"grace_ms": 30000})
        expect(reply, "ok", "absent")
        assert reply["text"].startswith("shut down in"), reply
        guest.start(a)
        reply = guest.ask(a, stop={"force": True})
        expect(reply, "ok", "absent")
        print("  forced stop", reply["took_ms"], "ms")
        guest.start(a)
        reply = guest.ask(a, kill={})
        expect(reply, "ok", "absent")
        print("  kill", reply["took_ms"], "ms")
        expect(guest.ask(a, kill={}), "ok", "absent")
        expect(guest.ask(a, pause={}), "absent", "absent")

    def causes(self):
        guest = Guest(self.lab, "web1")
        a = self.agent("n1", guest)
        ends = (
            ("guest-shutdown", 6, ("virsh", "shutdown", "web1")),
            ("crashed", 1, ("sh", "-c", f"kill -9 $(pgrep -f '[q]emu-system.*{guest.uuid}')")),
            ("outside", 1, ("virsh", "destroy", "web1")),
        )
        for cause, ripe_s, command in ends:
            guest.start(a)
            time.sleep(ripe_s)
            mark = a.mark()
            self.lab.run("n1", *command)
            news = a.news(guest.uuid, "absent", mark)["body"]["domain"]
            assert news.get("cause") == cause, news
            print("  ", cause, news["text"])

    def daemon_restarts(self):
        guest = Guest(self.lab, "web1")
        a = self.agent("n1", guest)
        guest.start(a)
        mark = a.mark()
        self.lab.command("service", "n1", "restart", "libvirtd")
        a.news(guest.uuid, "unknown", mark)
        a.news(guest.uuid, "running", mark)
        a.wait(lambda f: f["body"].get("facts", {}).get("agent_ok"), mark)
        expect(guest.ask(a, pause={}), "ok", "paused")
        mark = a.mark()
        self.lab.command("service", "n1", "stop", "libvirtd")
        a.news(guest.uuid, "unknown", mark)
        reply = guest.ask(a, resume={})
        expect(reply, "failed", "unknown")
        assert "libvirtd does not answer" in reply["text"], reply
        reply = guest.ask(a, kill={})
        expect(reply, "ok", "unknown")
        self.lab.command("service", "n1", "start", "libvirtd")
        news = a.news(guest.uuid, "absent", mark)["body"]["domain"]
        assert news["cause"] == "killed", news

    def hung_libvirtd(self):
        guest = Guest(self.lab, "web1")
        a = self.agent("n1", guest)
        guest.start(a)
        pid = self.libvirtd_pid("n1")
        self.lab.run("n1", "kill", "-STOP", pid)
        try:
            begun = boot_s()
            mark = a.mark()
            requests = [guest.send(a, 1500, pause={}) for _ in range(12)]
            for request in requests:
                assert a.reply(request)["code"] == "timeout"
            facts = a.wait(lambda f: "facts" in f["body"] and
                           not f["body"]["facts"].get("agent_ok"), mark)
            print("   facts after", round(facts["at"] - begun, 1), "s:",
                  facts["body"]["facts"]["agent_reason"])
            expect(guest.ask(a, 5000, pause={}), "failed")
            reply = guest.ask(a, 10000, kill={})
            expect(reply, "ok", "unknown")
            print("   kill", reply["took_ms"], "ms")
        finally:
            self.lab.run("n1", "kill", "-CONT", pid)
        a.news(guest.uuid, "absent", mark)
        a.wait(lambda f: f["body"].get("facts", {}).get("agent_ok"), mark)

    def told_last(self, agent, guest):
        """The state that was told last, by news or by an answer."""
        told = [f["body"]["domain"] for f in agent.frames if "domain" in f["body"]]
        return [d.get("state", "absent") for d in told if d["domain"]["uuid"] == guest.uuid][-1]

    def late_start(self):
        """A start that is given up and comes off all the same: until then it is not called absent."""
        guest = Guest(self.lab, "web1")
        a = self.agent("n1", guest)
        slow = "/etc/libvirt/hooks/qemu.d/slow"
        self.lab.run("n1", "sh", "-c", f"""mkdir -p ${{0%/*}}
            printf '#!/bin/sh\\n[ "$2" != start ] || sleep 3\\n' >$0; chmod +x $0""", slow)
        self.lab.command("service", "n1", "restart", "libvirtd")
        try:
            a.wait(lambda f: f["body"].get("facts", {}).get("agent_ok"), a.mark())
            mark = a.mark()
            reply = guest.ask(a, 500, start={"xml": guest.xml, "disks": guest.disks})
            expect(reply, "timeout")
            assert self.told_last(a, guest) != "absent", a.frames[mark:]
            a.news(guest.uuid, "running", mark)
            states = [f["body"]["domain"].get("state", "absent") for f in a.frames[mark:]
                      if "domain" in f["body"]]
            assert "absent" not in states, states
            print("  ", *states)
        finally:
            self.lab.run("n1", "rm", "-f", slow)
            self.lab.command("service", "n1", "restart", "libvirtd")

    def chain(self):
        guest = Guest(self.lab, "chain")
        a = self.agent("n1", guest)
        disks = "/clusterstorage/disks"
        self.lab.run("n1", "sh", "-c", f"""cd {disks}
            qemu-img create -q -f qcow2 c0.qcow2 16M
            qemu-img create -q -f qcow2 -b ../disks/c0.qcow2 -F qcow2 c1.qcow2
            qemu-img create -q -f qcow2 c2.qcow2 16M""")
        guest.xml = guest.xml.replace("chain.raw", "c1.qcow2").replace("type='raw'", "type='qcow2'")
        guest.disks[0].update(source=f"{disks}/c1.qcow2", format="qcow2")
        mark = a.mark()
        first = guest.start(a)
        live = a.wait(lambda f: "live" in f["body"].get("domain", {}), mark)
        assert live["body"]["domain"]["live"]["disks"][0]["chain"] == [f"{disks}/../disks/c0.qcow2"]
        mark = a.mark()
        self.lab.run("n1", "virsh", "snapshot-create-as", "chain", "--disk-only", "--no-metadata",
                     "--diskspec", f"vda,file={disks}/c3.qcow2")
        live = a.wait(lambda f: "live" in f["body"].get("domain", {}), mark)
        assert live["body"]["domain"]["live"]["disks"][0]["source"] == f"{disks}/c3.qcow2"
        expect(guest.ask(a, kill={}), "ok", "absent")
        guest.start(a, last_chain=first["chain"])
        guest.ask(a, kill={})
        self.lab.run("n1", "qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b",
                     f"{disks}/c2.qcow2", f"{disks}/c1.qcow2")
        reply = guest.ask(a, start={"xml": guest.xml, "disks": guest.disks,
                                    "last_chain": first["chain"]})
        expect(reply, "chain-changed", "absent")
        guest.start(a, last_chain=first["chain"], chain_accepted=reply["chain"])
        guest.ask(a, kill={})
        self.lab.run("n1", "sh", "-c", f"rm -f {disks}/c?.qcow2")

    def many(self):
        guests = [Guest(self.lab, f"many{i}", vm=i) for i in range(1, 9)]
        a = self.agent("n1", *guests)
        begun = boot_s()
        requests = [g.send(a, start={"xml": g.xml, "disks": g.disks}) for g in guests]
        replies = [a.reply(request) for request in requests]
        for reply in replies:
            expect(reply, "ok", "running")
        print("   8 starts in", round(max(r["at"] for r in replies) - begun, 2), "s")
        requests = [g.send(a, kill={}) for g in guests]
        for request in requests:
            expect(a.reply(request), "ok", "absent")

    def start_cost(self):
        """Our start beside bare virsh, by turns; both with whatever hook is installed."""
        guest = Guest(self.lab, "web1")
        a = self.agent("n1", guest)
        with open(f"{self.directory}/shared/web1.xml", "w", encoding="ascii") as file:
            file.write(guest.xml)
        ours, theirs = [], []
        for _ in range(20):
            ours.append(guest.start(a)["took_ms"])
            guest.ask(a, kill={})
            text = self.lab.run("n1", "sh", "-c", "a=$(date +%s%N); virsh create "
                                "/clusterstorage/web1.xml >&2; b=$(date +%s%N); "
                                "echo took=$((b - a)); virsh destroy web1 >&2")
            theirs.append(int(re.search(r"took=(\d+)", text).group(1)) / 1e6)
        for what, times in (("ours", sorted(ours)), ("virsh create", sorted(theirs))):
            print(f"   {what}: least {times[0]:.0f}, median {times[10]:.0f} ms of 20")

    # ------------------------------------------------------------ hook

    def hook(self):
        guest = Guest(self.lab, "web1")
        path = "etc/libvirt/hooks/qemu.d/clusterd"
        run_dir = "/run/clusterd"
        hookds = []
        for node in ("n1", "n2"):
            self.lab.run(node, "mkdir", "-p", "/etc/libvirt/hooks/qemu.d")
            self.lab.run(node, "ln", "-sf", f"{self.build}/agents/clusterd-qemu-hook", "/" + path)
            self.lab.command("service", node, "restart", "libvirtd")
            hookds.append(self.shell(node))
            hookds[-1].stdin.write(f"exec python3 {HERE}/hookd.py {run_dir}\n")
        try:
            a, b = self.agent("n1", guest), self.agent("n2", guest)
            self.prove_hook(guest, a, b, run_dir)
        finally:
            for hookd in hookds:
                hookd.kill()
            for node in ("n1", "n2"):
                self.lab.run(node, "rm", "-f", "/" + path)
                self.lab.command("service", node, "restart", "libvirtd")

    def deny(self, node, run_dir, *operations):
        self.lab.run(node, "sh", "-c", f"echo {' '.join(operations)} >{run_dir}/deny; "
                     f"rm -f {run_dir}/asked")

    def asked(self, node, run_dir):
        text = self.lab.run(node, "cat", f"{run_dir}/asked", check=False)
        return [json.loads(line)["op"] for line in text.splitlines() if line.startswith("{")]

    def prove_hook(self, guest, a, b, run_dir):
        self.deny("n1", run_dir, "start")
        reply = guest.ask(a, start={"xml": guest.xml, "disks": guest.disks})
        expect(reply, "failed", "absent")
        assert reply["text"].endswith("this node has no right to it"), reply
        self.deny("n1", run_dir, "hang")
        reply = guest.ask(a, start={"xml": guest.xml, "disks": guest.disks})
        expect(reply, "failed", "absent")
        print("   silent daemon: refused after", reply["took_ms"], "ms")
        self.deny("n1", run_dir, "incoming", "restore")
        guest.start(a)
        assert self.asked("n1", run_dir) == ["start", "start"]
        self.deny("n2", run_dir, "incoming")
        reply = guest.ask(a, migrate=self.migrate("n2"))
        expect(reply, "failed", "running")
        assert reply["text"].endswith("this node has no right to it"), reply
        self.deny("n2", run_dir, "start", "restore")
        mark = b.mark()
        expect(guest.ask(a, migrate=self.migrate("n2")), "ok", "absent")
        b.news(guest.uuid, "complete", mark)
        assert self.asked("n2", run_dir) == ["incoming"] * 3
        expect(guest.ask(b, resume={"verify": True}), "ok", "running")
        image = f"/clusterstorage/.clusterd/state/{guest.uuid}.1.sav"
        expect(guest.ask(b, save={"path": image}), "ok", "absent")
        self.deny("n1", run_dir, "start", "incoming")
        expect(guest.ask(a, restore={"path": image}), "ok", "paused")
        assert self.asked("n1", run_dir) == ["restore"] * 3
        expect(guest.ask(a, drop_image={"path": image}), "ok")
        self.deny("n1", run_dir, "start", "incoming", "restore", "hang")
        mark = a.mark()
        self.lab.command("service", "n1", "restart", "libvirtd")
        a.news(guest.uuid, "unknown", mark)
        a.news(guest.uuid, "paused", mark)
        expect(guest.ask(a, kill={}), "ok")

    # ------------------------------------------------------------ moves

    @staticmethod
    def handed_over(reply, yes=True):
        """The word without which no copy may run."""
        assert (reply["domain"].get("cause") == "handed-over") == yes, reply

    def move(self):
        guest = Guest(self.lab, "web1", "96", "tick.interval_ms=10")
        agents = {node: self.agent(node, guest) for node in ("n1", "n2")}
        guest.start(agents["n1"])
        time.sleep(4)
        source, target = "n1", "n2"
        for _ in range(6):
            a, b = agents[source], agents[target]
            mark, begun = b.mark(), boot_s()
            request = guest.send(a, migrate=self.migrate(target))
            complete = b.news(guest.uuid, "complete", mark)
            over = guest.ask(a, hand_over={"guard_ms": 2000})
            assert over["code"] in ("ok", "absent"), over
            self.handed_over(over)
            resumed = guest.ask(b, resume={"verify": True})
            expect(resumed, "ok", "running")
            reply = a.reply(request)
            expect(reply, "ok", "absent")
            print(f"   {source}->{target}: complete {1000 * (complete['at'] - begun):.0f} ms, "
                  f"hand-over {over['took_ms']} ms ({over['text'] or 'killed'}), "
                  f"complete->running {1000 * (resumed['at'] - complete['at']):.1f} ms, "
                  f"API {1000 * (reply['at'] - begun):.0f} ms")
            source, target = target, source
            time.sleep(1)
        uris = self.migrate(target)
        text = self.lab.run(source, "sh", "-c", "a=$(date +%s%N); virsh migrate --live --p2p "
                            f"--unsafe web1 {uris['connect_uri']} --migrateuri {uris['data_uri']} "
                            ">&2; b=$(date +%s%N); echo took=$(((b - a) / 1000000))")
        print("   virsh migrate", re.search(r"took=(\d+)", text).group(1), "ms")
        print("  ", self.lab.command("gap", "web1").splitlines()[-2])
        assert "double=0" in self.lab.command("writers", "web1")

    def lost_reply(self):
        """The answer that the destination is complete never reaches the source's libvirtd."""
        guest = Guest(self.lab, "big", "700",
                      "tick.interval_ms=20 tick.dirty_mb_s=60 tick.wss_mb=300")
        a, b = self.agent("n1", guest), self.agent("n2", guest)
        shell = self.shell("n1")
        shell.stdin.write("nft add table inet lost; nft 'add chain inet lost in "
                          "{ type filter hook input priority 0; }'\n")
        try:
            for wait_s, code in ((0, "ok"), (7, "ran-on")):
                guest.start(a)
                time.sleep(5)
                source, target = a.mark(), b.mark()
                request = guest.send(a, migrate=self.migrate("n2"))
                a.news(guest.uuid, "paused", source)
                shell.stdin.write("nft add rule inet lost in tcp sport 16509 drop\n")
                b.news(guest.uuid, "complete", target)
                time.sleep(wait_s)
                over = guest.ask(a, hand_over={"guard_ms": 2000})
                expect(over, code)
                self.handed_over(over, code == "ok")
                if code == "ok":
                    expect(guest.ask(b, resume={"verify": True}), "ok", "running")
                    expect(a.reply(request), "ok", "absent")
                else:
                    expect(a.reply(request), "failed", "running")
                    # It ran on, and ends: that is no hand-over.
                    self.lab.run("n1", "sh", "-c",
                                 f"kill -9 $(pgrep -f '[q]emu-system.*{guest.uuid}')")
                    over = guest.ask(a, hand_over={"guard_ms": 2000})
                    expect(over, "absent", "absent")
                    self.handed_over(over, False)
                print(f"   asked {wait_s} s after completion: {over['code']} {over['text']}, "
                      f"{over['took_ms']} ms")
                shell.stdin.write("nft flush chain inet lost in\n")
                time.sleep(1)
                for agent in (a, b):
                    expect(guest.ask(agent, kill={}), "ok", "absent")
        finally:
            shell.stdin.write("nft delete table inet lost\nexit\n")
            shell.wait(10)
        print("  ", self.lab.command("gap", "big").splitlines()[-2:])
        assert "double=0" in self.lab.command("writers", "big")

    def move_fails(self):
        guest = Guest(self.lab, "big", "700", "tick.dirty_mb_s=100 tick.wss_mb=400")
        a, b = self.agent("n1", guest), self.agent("n2", guest)
        guest.start(a)
        time.sleep(5)
        reply = guest.ask(a, migrate=self.migrate("n2", shared_paths=["/clusterstorage/boot"]))
        expect(reply, "refused", "running")
        assert "vda" in reply["text"], reply
        slow = self.migrate("n2", bandwidth_mib_s=20)
        for generation in (2, 3):
            # Progress bears the generation of the order, so that it is not taken for another move's.
            guest.ref["generation"] = generation
            mark = a.mark()
            request = guest.send(a, migrate=slow)
            told = a.wait(lambda f: "progress" in f["body"], mark)["body"]["progress"]
            assert told["domain"]["generation"] == generation, told
            assert told.get("done", 0) < told["total"] / 2, told
            expect(guest.ask(a, cancel={}), "ok")
            expect(a.reply(request), "cancelled", "running")
        expect(guest.ask(a, 4000, migrate=slow), "timeout", "running")
        for end in ("kill", "cut"):
            mark = b.mark()
            request = guest.send(a, migrate=slow)
            b.news(guest.uuid, "incoming", mark)
            begun = boot_s()
            if end == "cut":
                self.lab.command("cut", "n2")
            else:
                expect(guest.ask(b, kill={}), "ok")
            reply = a.reply(request)
            expect(reply, "failed", "running")
            print(f"   {end}: after {reply['at'] - begun:.1f} s: {reply['text']}")
            self.lab.command("join", "n2")
            expect(guest.ask(b, kill={}), "ok", "absent")

    def agents_restart(self):
        guest = Guest(self.lab, "big", "300", "tick.dirty_mb_s=20 tick.wss_mb=100")
        a, b = self.agent("n1", guest), self.agent("n2", guest)
        guest.start(a)
        time.sleep(3)
        mark = b.mark()
        guest.send(a, migrate=self.migrate("n2", bandwidth_mib_s=40))
        b.news(guest.uuid, "incoming", mark)
        assert a.close() == 0 and b.close() == 0
        a, b = self.agent("n1"), self.agent("n2", guest)
        b.news(guest.uuid, "complete")
        # An agent that came later has it from libvirt.
        left = a.news(guest.uuid, "absent")["body"]["domain"]
        assert left.get("cause") == "handed-over", left
        assert b.close() == 0
        b = self.agent("n2")
        b.news(guest.uuid, "complete")
        expect(guest.ask(b, resume={"verify": True}), "ok", "running")
        time.sleep(0.2)
        expect(guest.ask(b, pause={}), "ok", "paused")
        assert b.close() == 0
        b = self.agent("n2", guest)
        b.news(guest.uuid, "paused")

    # ------------------------------------------------------------ by way of a file

    def image(self):
        guest = Guest(self.lab, "web1")
        a, b = self.agent("n1", guest), self.agent("n2", guest)
        image = f"/clusterstorage/.clusterd/state/{guest.uuid}.1.sav"
        guest.start(a)
        time.sleep(3)
        save = guest.ask(a, save={"path": image})
        expect(save, "ok", "absent")
        expect(guest.ask(a, save={"path": image}), "ok", "absent")
        restore = guest.ask(b, restore={"path": image})
        expect(restore, "ok", "paused")
        expect(guest.ask(b, restore={"path": image}), "ok", "paused")
        assert "sav.consumed" in self.lab.run("n1", "ls", "/clusterstorage/.clusterd/state")
        expect(guest.ask(b, resume={"verify": True}), "ok", "running")
        expect(guest.ask(b, drop_image={"path": image}), "ok")
        expect(guest.ask(a, restore={"path": image}), "failed", "absent")
        print(f"   save {save['text']} {save['took_ms']} ms, restore {restore['took_ms']} ms")
        expect(guest.ask(b, save={"path": "/etc/passwd"}), "refused", "running")
        self.lab.run("n2", "sh", "-c",
                     "mkdir -p /run/small; mount -t tmpfs -o size=20m small /run/small")
        reply = guest.ask(b, save={"path": "/run/small/.clusterd/state/x.sav"})
        expect(reply, "failed", "running")
        assert reply["text"].startswith("no space left"), reply
        assert self.lab.run("n2", "ls", "/run/small/.clusterd/state") == ""
        self.lab.run("n2", "umount", "/run/small")
        request = guest.send(b, save={"path": image})
        time.sleep(0.03)
        guest.ask(b, cancel={})
        reply = b.reply(request)
        assert reply["code"] in ("cancelled", "ok"), reply
        print("   cancelled save:", reply["code"], reply["text"])
        guest.ask(b, drop_image={"path": image})

    def cut_save(self):
        """libvirtd dies when an image is complete, and before it ends the guest; then, all the rest."""
        guest = Guest(self.lab, "web1")
        a = self.agent("n1", guest)
        image = f"/clusterstorage/.clusterd/state/{guest.uuid}.7.sav"
        guest.start(a)
        time.sleep(3)
        pid = self.libvirtd_pid("n1")
        # It is killed when it has declared the image complete, and closes it for the second time; who
        # writes the memory is another process.
        threads = ",".join(self.lab.run("n1", "ls", f"/proc/{pid}/task").split())
        tracer = subprocess.Popen(
            ["nsenter", "-t", self.node_pid("n1"), "-m", "-p", "strace", "-qq", "-o",
             "/dev/null", "-P", image, "-e", "trace=close", "-e",
             "inject=close:signal=KILL:when=2", "-p", threads],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        try:
            mark = a.mark()
            reply = guest.ask(a, save={"path": image})
            assert reply["code"] in ("failed", "ok"), reply
            print("  ", reply["code"], reply["text"])
            magic = self.lab.run("n1", "head", "-c16", image, check=False)
            assert reply["code"] == "failed" and magic == "LibvirtQemudSave", (reply, magic)
            a.wait(lambda f: f["body"].get("facts", {}).get("agent_ok"), mark)
            state = self.lab.run("n1", "virsh", "domstate", "web1").strip()
            # Whoever comes now knows nothing of all that.
            assert a.close() == 0
            self.lab.run("n1", "sh", "-c", f"kill -9 $(pgrep -f '[q]emu-system.*{guest.uuid}')")
            a = self.agent("n1", guest)
            reply = guest.ask(a, save={"path": image})
            print("  ", state, "until it ended:", reply["code"])
            assert state == "paused" or reply["code"] != "ok", \
                f"memory that is older than the disks is called saved: {reply}"
            guest.ask(a, drop_image={"path": image})
        finally:
            self.lab.run("n1", "pkill", "-x", "strace", check=False)
            tracer.wait(20)
        # The same, and it is not ended by others: it goes on without that image.
        guest.start(a)
        self.lab.run("n1", "cp", "/etc/hostname", image)
        reply = guest.ask(a, save={"path": image})
        expect(reply, "failed", "running")
        assert self.lab.run("n1", "ls", "/clusterstorage/.clusterd/state") == ""

    def foreign_copy(self):
        """A copy that a live move left is not taken for what was to be restored."""
        guest = Guest(self.lab, "web1")
        a, b = self.agent("n1", guest), self.agent("n2", guest)
        image = f"/clusterstorage/.clusterd/state/{guest.uuid}.8.sav"
        guest.start(a)
        time.sleep(3)
        mark = b.mark()
        request = guest.send(a, migrate=self.migrate("n2"))
        b.news(guest.uuid, "complete", mark)
        a.reply(request)
        expect(guest.ask(b, restore={"path": image}), "failed", "complete")
        expect(guest.ask(b, kill={}), "ok", "absent")
        guest.start(a)
        time.sleep(2)
        expect(guest.ask(a, save={"path": image}), "ok", "absent")
        for _ in range(2):
            expect(guest.ask(b, restore={"path": image}), "ok", "paused")
        expect(guest.ask(b, resume={"verify": True}), "ok", "running")
        expect(guest.ask(b, drop_image={"path": image}), "ok")

    # ------------------------------------------------------------ fence

    def fence_call(self, node, target, action, secret="password=test", **more):
        with open(f"{self.directory}/shared/secret", "w", encoding="ascii") as file:
            file.write(secret + "\n")
        params = FENCE + [{"key": "ipport", "value": str(9000 + int(target[1]))}]
        process = subprocess.Popen(
            ["nsenter", "-t", self.node_pid(node), "-m", "-u", "-i", "-n", "-p",
             f"{self.build}/tests/agents/agentctl", f"{self.build}/agents/clusterd-agent-fence"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        begun = boot_s()
        process.stdin.write(json.dumps({"id": 1, "secret": "/clusterstorage/secret", "request": {
            "deadline_ms": 60000, "fence": {"action": action, "agent": "fence_ipmilan",
                                            "params": params, "node_name": target,
                                            "timeout_ms": 20000, **more}}}) + "\n")
        for line in process.stdout:
            frame = json.loads(line)
            if frame["type"] == "agent-reply":
                break
        process.stdin.close()
        process.wait(20)
        return {"code": "ok", "text": "", **frame["body"],
                "took_ms": round((frame["at"] - begun) * 1000)}

    def node_pid(self, node):
        with open(f"{self.directory}/nodes/{node}/pid", encoding="ascii") as file:
            return file.read().strip()

    def fence(self):
        expect(self.fence_call("n1", "n2", "status"), "on")
        reply = self.fence_call("n1", "n2", "off-verified")
        expect(reply, "off")
        print("   off and verified in", reply["took_ms"], "ms;",
              [(m["what"], m["at_ms"] - reply["marks"][0]["at_ms"]) for m in reply["marks"]])
        assert re.search(r"^n2 +off", self.lab.command("status"), re.M)
        reply = self.fence_call("n1", "n2", "status")
        expect(reply, "off")
        print("   status in", reply["took_ms"], "ms")
        self.lab.command("start", "n2")
        reply = self.fence_call("n1", "n2", "off-verified", secret="password=wrong-secret")
        expect(reply, "failed")
        assert "wrong-secret" not in json.dumps(reply), reply
        assert re.search(r"^n2 +on", self.lab.command("status"), re.M)
        reply = self.fence_call("n1", "n2", "off-verified", timeout_ms=30)
        expect(reply, "timeout")
        expect(self.fence_call("n1", "n2", "status", agent="../bin/sh"), "refused")
        expect(self.fence_call("n1", "n2", "status", agent="fence_of_nobody"), "failed")
        expect(self.fence_call("n1", "n2", "status", secret="password=a\naction=off"), "refused")


SCENARIOS = ("power", "causes", "daemon_restarts", "hung_libvirtd", "late_start", "chain", "many", "start_cost",
             "move", "lost_reply", "move_fails", "agents_restart", "image", "cut_save",
             "foreign_copy", "hook", "fence")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    proof = Proof(sys.argv[1], sys.argv[2])
    failed = []
    for name in sys.argv[3:] or SCENARIOS:
        print(name, flush=True)
        try:
            getattr(proof, name)()
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()
            failed.append(name)
        finally:
            proof.end()
    print("failed:", *failed) if failed else print("all proven")
    sys.exit(1 if failed else 0)


main()
