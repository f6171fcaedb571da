# shellcheck shell=bash disable=SC2154
# a fence device protects from its first good test until one fails; that is said, and told
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
add_on fence-device n3
protected() { ctl vm show fence-device --json | field 'd["protected"]["ok"]'; }
why_not() { ctl vm show fence-device --json | field 'd["protected"]["reason"]'; }
parameters=$(ctl fence list --json | field \
	'" ".join(p["key"] + "=" + p["value"] for f in d if f["name"] == "bmc-n3" for p in f["params"])')
add_device() { # NAME PASSWORD OPTIONS...: with the parameters of the BMC of n3
	# shellcheck disable=SC2086
	ctl fence add "$1" fence_ipmilan --node n3 --secret-stdin $parameters "${@:3}" <<<"password=$2"
}
equal "whether it is protected at first" true "$(protected)"
first_event=$(last_event)

note "a second device that fails its test takes nothing away"
refused 1 'bmc-second is recorded, but protects nothing until it is mended' add_device bmc-second wrong
equal "whether it is protected" true "$(protected)"
done_ happened 'device bmc-second cannot prove that n3 is dead, its test from n1 failed: '
has "what the list says" 'bmc-second .* failed 20' "$(ctl fence list | grep bmc-second)"

note "the BMC of one node is not that of another"
# shellcheck disable=SC2086
refused 1 'one of them is wrong' ctl fence add bmc-other fence_ipmilan --node n1 --secret-stdin $parameters <<<"password=test"

note "without the first one it protects nothing, and one that was not tested does not change that"
done_ ctl fence remove bmc-n3
has "why not" 'the last test of fence device bmc-second failed .*fence test bmc-second' "$(why_not)"
done_ add_device bmc-n3 test --no-test
has "why not" 'the last test of fence device bmc-second failed' "$(why_not)"
done_ ctl fence remove bmc-second
has "why not" 'its fence device bmc-n3 was never tested .*clusterctl fence test bmc-n3' "$(why_not)"
done_ ctl fence test bmc-n3
equal "whether it is protected" true "$(protected)"

note "a device that was added anew begins anew, and is right at once on every node"
done_ ctl fence remove bmc-n3
has "why not" 'no fence device' "$(why_not)"
done_ add_device bmc-n3 test
for node in n1 n2 n3; do
	equal "whether it is protected, says $node" true \
		"$(ctl_on $node vm show fence-device --json | field 'd["protected"]["ok"]')"
done

note "a test that fails, and a good one after it"
lab bmc n3 cut
refused 1 'cannot prove that n3 is dead' ctl fence test bmc-n3
equal "whether it is protected" false "$(protected)"
lab bmc n3 join
done_ ctl fence test bmc-n3
done_ happened 'device bmc-n3 can prove again that n3 is dead'
equal "whether it is protected" true "$(protected)"
equal "fencings" 0 "$(count_events 'being fenced through')"
