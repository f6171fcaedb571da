# shellcheck shell=bash disable=SC2154
# a QEMU process dies: restarted in place, then elsewhere, then given up
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=process-death
set_for_now restart.tries_here 1
set_for_now restart.tries_total 3
add_on $name n2

kill_it() {
	local node=$1
	lab exec "$node" bash -c "kill -KILL $(qemu_pids "$node" $name)"
}

note "the first death: in place"
old=$(boot $name)
kill_it n2
until_true "it boots anew" other_boot $name "$old"
until_true "it runs on n2" runs_on $name n2
happened "vm $name: ended on n2" || fail "no event tells of the death"

note "the second: elsewhere"
old=$(boot $name)
kill_it n2
until_true "it boots anew" other_boot $name "$old"
until_true "it runs" runs $name
differ "where it ran and where it runs" n2 "$(owner $name)"
ticks_on $name

note "the third: given up, and it says so"
kill_it "$(owner $name)"
until_true "it has failed" is_state $name failed
has "what vm show says" "given up after [0-9]* failed tries; clusterctl vm start $name to try again" "$(ctl vm show $name)"
happened "vm $name: given up" || fail "no event says that it was given up"
status=0
ctl status >/dev/null 2>&1 || status=$?
equal "what clusterctl status ends with" 2 "$status"
silent $name

note "a start by hand begins anew"
count=$(ticks $name)
done_ ctl vm start $name
until_true "it ticks" ticked $name "$count" 3
