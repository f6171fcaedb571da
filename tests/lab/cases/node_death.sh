# shellcheck shell=bash disable=SC2154
# a node dies: proof, restart by priority, and its return
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
may_fence n3
set_for_now vm.starts_per_node 1
# All on n3; when it dies, n2 alone may take them, so the order can be seen.
for name in death-low death-medium death-high; do
	add_on $name n3 --set priority="${name#death-}" --set owners=n2,n3
done
add_on death-else n1
first_event=$(last_event)

counts=()
for name in death-low death-medium death-high; do counts+=("$(ticks $name)"); done
lab kill n3
i=0
for name in death-low death-medium death-high; do
	until_true "$name runs on n2" runs_on $name n2
	until_true "$name ticks on n2" ticked_on $name n2 "${counts[i++]}"
done
for name in death-low death-medium death-high; do
	before "node n3: is off, proven" "vm $name: runs on n2"
done
before "node n3: lost" "node n3: being fenced through"
before "node n3: being fenced through" "node n3: is off, proven"
before "vm death-high: runs on n2" "vm death-medium: runs on n2"
before "vm death-medium: runs on n2" "vm death-low: runs on n2"
equal "how often n3 was fenced" 1 "$(count_events '^node n3: being fenced through')"
ticks_on death-else
equal "boots of a guest that had no part in it" 1 "$(boots death-else)"

note "the node comes back, and nothing is doubled"
lab start n3
until_true "n3 is up" node_is n3 up
until_true "all are up" all_up
for name in death-low death-medium death-high; do
	equal "where $name is" n2 "$(owner $name)"
	equal "its process on n3" "" "$(qemu_pids n3 $name)"
	ticks_on $name
done
done_ ctl vm migrate death-high n3
equal "owner after a move back" n3 "$(owner death-high)"
