# shellcheck shell=bash disable=SC2154
# kill -9 of daemons and agents in each phase of live and quick migration
# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
add_on move-faults n2
one_boot=$(boot move-faults)
# The hand-over's phases are over in milliseconds: what was met is in the log.
met=()
for how in live quick; do
	phases="copying go resuming"
	[[ $how == live ]] || phases="saving saved restoring consumed"
	for phase in $phases; do
		for victim in "clusterd n2" "agents n2" "clusterd n3" "agents n3"; do
			until_true "all are up" all_up
			[[ $(owner move-faults) == n2 ]] || done_ ctl vm migrate move-faults n2
			note "$victim dies in $phase"
			arm_kill move-faults $phase "$victim"
			done_ ctl vm migrate move-faults n3 --$how --no-wait
			if was_killed; then met+=("$phase:$victim"); fi
			until_true "it is settled" settled move-faults
			until_true "it runs" runs move-faults
			ticks_on move-faults
			equal "its boot" "$one_boot" "$(boot move-faults)"
		done
	done
done
note "met: ${met[*]}"
((${#met[@]} >= 8)) || fail "only ${#met[@]} of 28 phases were met: ${met[*]}"
until_true "all are up" all_up
