# shellcheck shell=bash disable=SC2154
# kill -9 of daemons and agents in each phase of live and quick migration
# SPDX-License-Identifier: GPL-2.0-or-later
# limit: 900
add_on move-faults n2
one_boot=$(boot move-faults)
# A source that forgot whether the guest ran on there after it was copied loses its memory, and says so.
same_boot_or_told() { # VICTIM HOW
	local now
	now=$(boot move-faults)
	[[ $now == "$one_boot" ]] && return
	[[ $1 == *" n2" && $2 == live ]] || fail "its memory was lost"
	has "what is told" 'ended on n2 while it was being moved to n3' "$(events)"
	one_boot=$now
	lost+=("$phase:$victim")
}
lost=()
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
			first_event=$(last_event)
			arm_kill move-faults $phase "$victim"
			done_ ctl vm migrate move-faults n3 --$how --no-wait
			if was_killed; then met+=("$phase:$victim"); fi
			until_true "it is settled" settled move-faults
			until_true "it runs" runs move-faults
			ticks_on move-faults
			same_boot_or_told "$victim" "$how"
		done
	done
done
note "met: ${met[*]}"
note "memory lost: ${lost[*]:-none}"
((${#met[@]} >= 8)) || fail "only ${#met[@]} of 28 phases were met: ${met[*]}"
until_true "all are up" all_up
