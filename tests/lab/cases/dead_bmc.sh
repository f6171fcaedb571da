# shellcheck shell=bash disable=SC2154
# no word from the power device: nothing is restarted, and that is said
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
may_fence n3
not_running_anywhere() { no_qemu n1 dead-bmc && no_qemu n2 dead-bmc; }
add_on dead-bmc n3
first_event=$(last_event)
lab bmc n3 cut
lab kill n3
until_true "n3 is lost" node_is n3 lost
until_true "a fencing has failed" happened "node n3: no proof that it is off"
always 30 "it is not restarted without proof" not_running_anywhere
has "why it is down" '.' "$(ctl vm list | grep dead-bmc)"
equal "its state" unknown "$(state dead-bmc)"
has "why n3 is lost" '.' "$(node_of n3 'd["reason"]')"
status=0
said=$(ctl status 2>&1) || status=$?
equal "what clusterctl status ends with" 2 "$status"
has "what it says of the VM" 'dead-bmc' "$said"
equal "proofs of death" 0 "$(count_events 'is off, proven')"

note "a node without the key says so at once, and that it is another reason"
lab exec n2 mv /etc/clusterd/secret.key /etc/clusterd/secret.away
refused 1 'on n2: The key file .* cannot be read' ctl_on n2 fence test bmc-n3
lab exec n2 mv /etc/clusterd/secret.away /etc/clusterd/secret.key
refused 1 '.' ctl_on n2 fence test bmc-n3
told=$(count_events 'node n3: no proof that it is off')
(( told <= 4 )) || fail "that the device is silent was told $told times"

note "the device answers again"
count=$(ticks dead-bmc)
lab bmc n3 join
until_true "n3 is off, proven" node_is n3 off
until_true "the VM runs" runs dead-bmc
until_true "it ticks" ticked dead-bmc "$count"
before "node n3: no proof that it is off" "node n3: is off, proven"
before "node n3: is off, proven" "vm dead-bmc: runs on"
lab start n3
until_true "n3 is up" node_is n3 up
