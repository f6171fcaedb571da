#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside a node: service.sh start|stop|restart|kill NAME.
# clusterd needs corosync as a unit with Requires= and After= would: it is
# stopped before corosync is and started again once corosync is.
set -euo pipefail

verb=$1
service=$2
limit_s=60
awaiting=/run/lab/clusterd.awaits-corosync # stopped only because corosync was

give_up() {
	printf 'lab: %s: %s\n' "$1" "$2" >&2
	exit 1
}

service_pid() {
	local pid=
	if [[ -e /run/lab/$1.pid ]]; then
		read -r pid <"/run/lab/$1.pid" || true
	fi
	printf '%s' "$pid"
}

wait_until() {
	local end=$((SECONDS + limit_s))
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

is_idle() { [[ -e /run/lab/$1.idle ]]; }
is_stopped() { [[ -e /run/lab/$1.stopped ]]; }
is_running() { [[ -e /run/lab/$1.pid ]]; }
is_kept() { [[ -p /run/lab/$1.bell ]]; }

# Signals the process that runs now; one that starts meanwhile gets it as well.
terminate_until_idle() {
	local pid
	is_idle "$1" && return 0
	pid=$(service_pid "$1")
	if [[ -n $pid && $pid != "${told:-}" ]]; then
		kill -TERM "$pid" 2>/dev/null || true
		told=$pid
	fi
	return 1
}

stop() {
	local pid told=
	touch "/run/lab/$1.stopped"
	if ! wait_until terminate_until_idle "$1"; then
		pid=$(service_pid "$1")
		echo "lab: $1 did not end within $limit_s s of SIGTERM; killing it" >&2
		[[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null || true
		wait_until is_idle "$1"
	fi
}

start() {
	rm -f "/run/lab/$1.stopped"
	echo >"/run/lab/$1.bell"
	wait_until is_running "$1" ||
		give_up "$1 did not start within $limit_s s" "see the node's /var/log/$1.log"
}

start_service() {
	if [[ $1 == clusterd ]] && is_stopped corosync; then
		start corosync
	fi
	start "$1"
	if [[ $1 == corosync && -e $awaiting ]]; then
		start clusterd
	fi
	rm -f "$awaiting"
}

stop_service() {
	if [[ $1 == corosync ]] && is_kept clusterd && ! is_stopped clusterd; then
		stop clusterd
		touch "$awaiting"
	fi
	stop "$1"
}

kill_service() {
	local pid
	pid=$(service_pid "$1")
	[[ -n $pid ]] || give_up "$1 does not run here now" \
		"it is stopped, or was not yet started again; see: lab status"
	kill -KILL "$pid"
}

is_kept "$service" ||
	give_up "this node has no service $service" "the lab is bare, or $service is not built"

case $verb in
start) start_service "$service" ;;
stop) stop_service "$service" ;;
kill) kill_service "$service" ;;
restart)
	stop_service "$service"
	start_service "$service"
	;;
esac
