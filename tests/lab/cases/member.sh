# shellcheck shell=bash disable=SC2154
# a node is removed and added anew with an empty store; who votes follows
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
# lab: fresh
may_fence n1
voters() { ctl_on n2 status --json | field '" ".join(map(str, d["quorum"]["voters"]))'; }
vote() { [[ $(voters) == "$1" ]]; }
gone() { [[ $(ctl_on n2 node list --json | field '[n["name"] for n in d].count("'"$1"'")') == 0 ]]; }
up() { [[ $(ctl_on n2 node show "$1" --json | field 'd["state"]') == up ]]; }
via=n1
add_on member n1
boot_before=$(boot member)
equal "who votes" "1 2 3" "$(voters)"

note "what has something is not removed"
refused 1 'up and takes VMs' ctl node remove n3
done_ ctl node set n1 placement=no
refused 1 'VM member is there or may be' ctl node remove n1
done_ ctl node set n1 placement=yes
done_ ctl node set n3 placement=no
refused 1 'fence device bmc-n3 is for it' ctl node remove n3
done_ ctl fence remove bmc-n3

note "a voter is removed, and the cluster decides without it"
done_ ctl node remove n3
until_true "n3 is gone" gone n3
until_true "the other two vote, for both have fence devices" vote "1 2"
until_true "n3 says that it is none of the cluster's" \
	eval '[[ $(ctl_on n3 status --json | field "d[\"standing\"][\"outside\"]") == *removed* ]]'
refused 1 'this node was removed from the cluster' ctl_on n3 settings set fence.budget 4
lab service n3 restart clusterd
until_true "nor does a restart change that" \
	eval '[[ $(ctl_on n3 status --json | field "d[\"standing\"][\"outside\"]") == *removed* ]]'

note "with an empty store it is a node like any other"
done_ ctl node add n3 --address 10.77.0.3 --id 3
until_true "its old store is refused" happened 'it came with the store of n3, which was removed'
lab service n3 stop clusterd
lab exec n3 sh -c 'rm /var/lib/clusterd/cluster.db*'
lab service n3 start clusterd
until_true "n3 is up" up n3
until_true "all three vote" vote "1 2 3"

note "one of them may fail again"
equal "the VM has not noticed" "$boot_before" "$(boot member)"
via=n2
lab kill n1
until_true "the VM runs elsewhere" other_boot member "$boot_before"
until_true "and that is known" runs member
lab start n1
until_true "n1 is up" up n1
