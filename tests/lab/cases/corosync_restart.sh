# shellcheck shell=bash disable=SC2154
# Corosync is restarted below running guests, on every node in turn
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
add_on corosync-a n1
add_on corosync-b n2
for node in n1 n2 n3; do
	lab service "$node" restart corosync
	until_true "$node answers" answers "$node"
	until_true "all are up" all_up
	ticks_on corosync-a
	ticks_on corosync-b
done
equal "boots of corosync-a" 1 "$(boots corosync-a)"
equal "boots of corosync-b" 1 "$(boots corosync-b)"
equal "fencings" 0 "$(count_events 'being fenced through')"
done_ ctl vm migrate corosync-a n3
