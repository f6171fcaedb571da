# shellcheck shell=bash disable=SC2154
# every plug is pulled, every service stopped; all comes back from disk
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
add_on whole-a n1 --set priority=high
add_on whole-b n2
add whole-off --stopped
set_for_now node.freeze_s 300
a_records() {
	ctl vm list --json | field 'sorted((v["name"], v["uuid"], v["wanted"], v["priority"]) for v in d)'
	ctl settings get --json | field 'sorted((s["name"], s["value"]) for s in d)'
	ctl fence list --json | field 'sorted((f["name"], f["agent"], str(f["params"]), f["has_secret"]) for f in d)'
	ctl volume list --json | field 'sorted((v["name"], v["target"]) for v in d)'
}
second_boot() { [[ $(boots "$1") == 2 ]]; }
records=$(a_records)
history=$(ctl events --limit 1000 --json | field 'len(d)')

note "all plugs at once"
lab kill n1 & lab kill n2 & lab kill n3 & wait
for node in n1 n2 n3; do lab start "$node"; done
until_true "n1 answers" answers n1
until_true "all are up" all_up
equal "the records" "$records" "$(a_records)"
later=$(ctl events --limit 1000 --json | field 'len(d)')
((later >= history)) || fail "there were $history events before, and now $later"
for name in whole-a whole-b; do
	until_true "$name runs" runs $name
	until_true "$name ticks in a second boot" second_boot $name
done
equal "the VM that was off" stopped "$(state whole-off)"

equal "daemons said to have ended without leave" 0 "$(count_events 'without taking leave')"

note "all services stopped, guests and all"
boot_a=$(boot whole-a)
for node in n1 n2 n3; do lab service "$node" stop clusterd; done
for node in n1 n2 n3; do lab service "$node" stop corosync; done
ticks_on whole-a
for node in n1 n2 n3; do lab service "$node" start corosync; done
for node in n1 n2 n3; do lab service "$node" start clusterd; done
until_true "n1 answers" answers n1
until_true "all are up" all_up
equal "the records" "$records" "$(a_records)"
ticks_on whole-a
equal "the boot of a guest that ran on" "$boot_a" "$(boot whole-a)"
equal "fencings" 0 "$(count_events 'being fenced through')"
