# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A node's power: on is a boot, off is the plug pulled. Both are done when they
# return, because a BMC must tell the truth.

power_off() {
	local node=$1 pid
	if pid=$(node_pid "$node"); then
		kill -KILL "$pid" 2>/dev/null || true
		wait_until "$limit_s" node_is_off "$node" ||
			fail "node $node did not die" "pid $pid survived SIGKILL for $limit_s s" \
				"Look for processes in state D: ps -o pid,stat,cmd --ppid $pid"
	fi
}

# Must run in the world, whose descendant the node has to be.
power_on() (
	local node=$1 place=$dir/nodes/$1
	exec 9>"$place/lock"
	flock 9
	if node_is_on "$node"; then
		return 0
	fi
	rm -f "$place/pid" "$place/pid-in-world" "$place/etc/lab/booted"
	(
		close_inherited
		exec setsid unshare --net --mount --pid --uts --ipc --fork --kill-child \
			tini -- bash "$lab_home/lib/node.sh" "$dir" "$node"
	) </dev/null >>"$place/console.log" 2>&1 &
	wait_until "$limit_s" test -e "$place/etc/lab/booted" ||
		because "node $node did not boot within $limit_s s" "$place/console.log"
)
