# shellcheck shell=bash disable=SC2154
# each node for itself: it answers, refuses changes, and leaves the guests alone
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
add_on quorum-a n1
add_on quorum-b n2
boot_a=$(boot quorum-a) boot_b=$(boot quorum-b)
lab cut n2
lab cut n3
for node in n1 n2 n3; do
	until_true "$node knows that it is alone" closed_on "$node"
done
for node in n1 n2; do
	equal "VMs that $node knows" "quorum-a quorum-b" \
		"$(ctl_on $node vm list --json | field '" ".join(sorted(v["name"] for v in d))')"
	refused 5 'quorum|majority' ctl_on $node vm set quorum-a priority=high
	refused 5 'quorum|majority' ctl_on $node vm stop quorum-b --force
	equal "what of that is current on $node" false \
		"$(ctl_on $node vm list --json | field 'any(v["current"] for v in d)')"
	differ "since when on $node" 0 "$(ctl_on $node status --json | field 'd["as_of_ms"]')"
	other=$([[ $node == n1 ]] && echo n2 || echo n1)
	has "what $node says of $other" 'not seen by this node now' "$(ctl_on $node node list)"
	equal "the VM there" unknown "$(ctl_on $node vm list --json |
		field '[v["state"] for v in d if v["owner_name"] == "'"$other"'"][0]')"
	equal "the VM here" "unknown, running" "$(ctl_on $node vm list --json |
		field '[v["state"] + ", " + v["last_known"] for v in d if v["owner_name"] == "'"$node"'"][0]')"
	status=0
	ctl_on $node status >/dev/null 2>&1 || status=$?
	equal "what clusterctl status ends with on $node" 2 "$status"
done
ticks_on quorum-a
ticks_on quorum-b
has "n3 has power" true "$(is_on n3 && echo true)"
lab join n2
lab join n3
until_true "all are up" all_up
equal "all is current again" true "$(ctl status --json | field 'd["current"]')"
equal "what was refused has not happened" medium "$(vm_of quorum-a 'd["priority"]')"
ticks_on quorum-a
ticks_on quorum-b
equal "the boot of quorum-a" "$boot_a" "$(boot quorum-a)"
equal "the boot of quorum-b" "$boot_b" "$(boot quorum-b)"
equal "fencings" 0 "$(count_events 'being fenced through')"
done_ ctl vm set quorum-a priority=high
