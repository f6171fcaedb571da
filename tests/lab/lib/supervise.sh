# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Services inside a node, as systemd would keep them: started again when they
# die, unless somebody stopped them. For a service NAME there are in /run/lab
#   NAME.pid      while it runs
#   NAME.stopped  while it shall not run (a stop)
#   NAME.idle     while its supervisor rests because of that
#   NAME.bell     a fifo; writing to it wakes the supervisor
# A service not enabled in /etc/lab is stopped when the node boots.

# supervise NAME RESTART_S READY COMMAND...: keeps COMMAND running, each time
# once READY is true.
supervise() {
	local name=$1 restart_s=$2 ready=$3 at=/run/lab/$1 bell pid status
	shift 3
	mkfifo "$at.bell"
	exec {bell}<>"$at.bell"
	[[ -e /etc/lab/$name.enabled ]] || touch "$at.stopped"
	while :; do
		if [[ -e $at.stopped ]]; then
			touch "$at.idle"
			read -r -u "$bell" || true
			rm -f "$at.idle"
			continue
		fi
		if ! "$ready"; then
			read -r -t 0.1 -u "$bell" || true
			continue
		fi
		setsid "$@" </dev/null >>"/var/log/$name.log" 2>&1 {bell}>&- &
		pid=$!
		echo "$pid" >"$at.pid"
		status=0
		wait "$pid" || status=$?
		rm -f "$at.pid"
		echo "$name, pid $pid, ended with status $status"
		[[ -e $at.stopped ]] || read -r -t "$restart_s" -u "$bell" || true
	done
}

corosync_answers() {
	corosync-cfgtool -s >/dev/null 2>&1
}
