# shellcheck shell=bash disable=SC2154
# kill -9 of daemons and agents, idle and in the middle of everything
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
# limit: 300
add_on daemon-kill n2
one_boot=$(boot daemon-kill)

note "idle"
for node in n1 n2 n3; do
	kill_agents "$node"
	kill_daemon "$node"
	until_true "all are up" all_up
	until_true "an event says so" \
		happened "node $node: its clusterd was restarted: it had ended without taking leave"
done
lab service n1 kill clusterd
lab service n2 kill clusterd
lab service n3 kill clusterd
until_true "n1 answers" answers n1
until_true "all are up" all_up
ticks_on daemon-kill
equal "its boot" "$one_boot" "$(boot daemon-kill)"

add daemon-start --stopped --set prefer=n2
for victim in "clusterd n2" "agents n2" "clusterd n1"; do
	note "$victim dies while a guest starts"
	count=$(ticks daemon-start)
	arm_kill daemon-start starting "$victim"
	done_ ctl vm start daemon-start --no-wait
	was_killed || note "it was too fast"
	until_true "it runs" runs daemon-start
	until_true "it ticks" ticked daemon-start "$count" 3
	note "$victim dies while it stops"
	arm_kill daemon-start stopping "$victim"
	done_ ctl vm stop daemon-start --no-wait
	was_killed || note "it was too fast"
	until_true "it is off" is_state daemon-start stopped
	silent daemon-start
done

for how in live quick; do
	for victim in "clusterd n2" "agents n2" "clusterd n3" "agents n3"; do
		until_true "all are up" all_up
		[[ $(owner daemon-kill) == n2 ]] || done_ ctl vm migrate daemon-kill n2
		note "$victim dies during a $how migration n2 -> n3"
		arm_kill daemon-kill "$([[ $how == live ]] && echo copying || echo saving)" "$victim"
		done_ ctl vm migrate daemon-kill n3 --$how --no-wait
		was_killed || note "it was too fast"
		until_true "it is settled" settled daemon-kill
		until_true "it runs" runs daemon-kill
		ticks_on daemon-kill
		equal "its boot" "$one_boot" "$(boot daemon-kill)"
	done
done
until_true "all are up" all_up
until_true "nothing is under way" nothing_under_way
