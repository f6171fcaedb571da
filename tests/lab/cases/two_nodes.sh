# shellcheck shell=bash disable=SC2154
# two nodes without a witness: either goes on alone, and never both
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: fresh -n 2
# set: core
voters() { ctl status --json | field 'd["quorum"]["voters"]'; }
both_vote() { [[ $(voters) == "[1, 2]" ]]; }
has_power() { is_on "$1" && echo true || echo false; }
has_no_power() { ! is_on "$1"; }
# They reach their power devices still.
cut_link() {
	lab exec n1 ip route add blackhole 10.77.0.2/32
	lab exec n2 ip route add blackhole 10.77.0.1/32
}
may_fence n1 n2
until_true "both vote, for both have fence devices" both_vote
add_on two-a n1
add_on two-b n2
count=$(ticks two-a)
first_event=$(last_event)

note "n1, which was the first voter, loses its power"
lab kill n1
via=n2
until_true "n2 goes on" open_on n2
until_true "two-a runs on n2" runs_on two-a n2
until_true "it ticks there" ticked_on two-a n2 "$count"
before "node n2: goes on alone: n1 was" "vm two-a: runs on n2"
before "node n1: is off, proven" "vm two-a: runs on n2"
equal "boots of the guest on n2" 1 "$(boots two-b)"

note "it comes back, and is one of two again"
lab start n1
until_true "both are up" all_up
until_true "both vote" both_vote
equal "where two-a is" n2 "$(owner two-a)"

note "the link between them is cut: the one with the guests goes on"
one_boot=$(boot two-a)
first_event=$(last_event)
cut_link
until_true "n1 has no power" has_no_power n1
equal "whether n2 has power" true "$(has_power n2)"
until_true "n2 goes on" open_on n2
ticks_on two-a
ticks_on two-b
equal "its boot" "$one_boot" "$(boot two-a)"
happened "node n2: goes on alone: n1 was powered off by bmc-n1" || fail "nothing on record"

note "booted before the link is mended, n1 waits"
lab start n1
lab exec n1 ip route add blackhole 10.77.0.2/32
waits() { { ctl_on n1 status || true; } | tee /dev/stderr | grep "it was not together with n2" >/dev/null; }
until_true "n1 says why" waits
lab exec n1 ip route del blackhole 10.77.0.2/32
lab exec n2 ip route del blackhole 10.77.0.1/32
until_true "both are up" all_up
equal "where two-a is" n2 "$(owner two-a)"
