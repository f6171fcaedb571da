# shellcheck shell=bash disable=SC2154
# live migration around the cluster, targets that are refused, cancel
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=live
add_on $name n1
one_boot=$(boot $name)

for node in n2 n3 n1; do
	from=$(owner $name)
	before=$(ticks $name)
	done_ ctl vm migrate $name "$node" --live
	equal "owner after the move" "$node" "$(owner $name)"
	until_true "$name ticks on $node" ticked_on $name "$node" "$before"
	equal "its boot after the move to $node" "$one_boot" "$(boot $name)"
	until_true "no process is left on $from" no_qemu "$from" $name
done
note "$(lab gap $name)"

note "targets that are refused"
done_ ctl vm migrate $name n1	# where it is
refused 3 'n9' ctl vm migrate $name n9
done_ ctl vm set $name owners=n1,n3
refused 1 'owners' ctl vm migrate $name n2
done_ ctl vm set $name owners= ha=no
refused 1 'ha=no' ctl vm migrate $name n2
done_ ctl vm set $name ha=yes
equal "owner after refusals" n1 "$(owner $name)"

note "one that came paused and has not run since: QEMU would end it"
done_ ctl vm pause $name
before=$(ticks $name)
done_ ctl vm migrate $name n2 --live
for how in --live --quick; do
	refused 1 "clusterctl vm resume $name" ctl vm migrate $name n3 $how
	equal "its state" "paused on n2" "$(vm_of $name 'd["state"] + " on " + d["owner_name"]')"
done
done_ ctl vm resume $name
until_true "$name ticks on n2" ticked_on $name n2 "$before"
equal "its boot" "$one_boot" "$(boot $name)"

note "one that is called off"
guest_mib=256 guest_options="tick.dirty_mb_s=100 tick.wss_mb=96" add_on live-busy n1
set_for_now migration.bandwidth_mib_s 4
set_for_now migration.stall_ms 60000
done_ ctl vm migrate live-busy n2 --no-wait
refused 1 'being moved' ctl vm stop live-busy
until_true "n2 receives it" has_qemu n2 live-busy
equal "what vm cancel says" "live-busy stays on n1; the migration was cancelled" \
	"$(ctl vm cancel live-busy 2>&1)"
until_true "it is settled" settled live-busy
until_true "it runs on n1" runs_on live-busy n1
equal "how the migration ended" cancelled \
	"$(ctl operation list --json | field '[o["outcome"] for o in d if o["vm_name"] == "live-busy" and o["kind"] == "live"][-1]')"
until_true "nothing of it is left on n2" no_qemu n2 live-busy
ticks_on live-busy
refused 1 'nothing is under way' ctl vm cancel live-busy

note "and moved after all, with all its memory changing"
done_ ctl settings set migration.bandwidth_mib_s 0
done_ ctl vm migrate live-busy n3
equal "owner" n3 "$(owner live-busy)"
ticks_on live-busy

note "one with a disk in the page cache is not moved live, and its administrator told what is possible"
lab guest live-cached 96 | sed "s/cache='[a-z]*'/cache='writeback'/" >"$scratch/live-cached.xml"
guests+=(live-cached)
done_ ctl vm add - --stopped <"$scratch/live-cached.xml"
start_on live-cached n1
refused 1 'disk vda .* vm migrate live-cached --quick .*vm edit live-cached' ctl vm migrate live-cached n2
done_ ctl vm migrate live-cached n2 --quick
equal "owner" n2 "$(owner live-cached)"
