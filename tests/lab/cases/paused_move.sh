# shellcheck shell=bash disable=SC2154
# a paused guest is moved with its memory, and not when QEMU would end it: before it has run after a live move
# SPDX-License-Identifier: GPL-2.0-or-later
name=paused_move
add_on $name n1
one_boot=$(boot $name)

# What is there of it before is there after: refused, with what to do, and nothing begun.
stays_on() { # NODE
	local pid how
	pid=$(qemu_pids "$1" $name)
	for how in --live --quick; do
		refused 1 "clusterctl vm resume $name" ctl vm migrate $name n3 $how
		until_true "it is settled" settled $name
		equal "its state" "paused on $1" "$(vm_of $name 'd["state"] + " on " + d["owner_name"]')"
		equal "its process" "$pid" "$(qemu_pids "$1" $name)"
	done
}
goes_on_from() { # TICKS: with its memory
	done_ ctl vm resume $name
	until_true "it goes on" ticked $name "$1" 3
	equal "its boot" "$one_boot" "$(boot $name)"
}

done_ ctl vm pause $name
before=$(ticks $name)
done_ ctl vm migrate $name n2 --live
stays_on n2

note "whatever is restarted meanwhile"
lab service n2 restart libvirtd
kill_agents n2
lab service n2 restart clusterd
until_true "all agents are there" agents_ok
until_true "it is paused" is_state $name paused
stays_on n2
equal "its ticks" "$before" "$(ticks $name)"
goes_on_from "$before"

note "one that was resumed by others, for however short, has run"
done_ ctl vm pause $name
done_ ctl vm migrate $name n3 --live
lab exec n3 virsh -q resume $name
paused_again() { [[ $(lab exec n3 virsh -q domstate $name) == paused* ]]; }
until_true "the cluster has paused it again" paused_again
before=$(ticks $name)

note "from a file as often as one likes, and then live"
for node in n1 n2; do
	done_ ctl vm migrate $name $node --quick
	equal "owner" $node "$(owner $name)"
done
done_ ctl vm migrate $name n1 --live
equal "owner" n1 "$(owner $name)"
goes_on_from "$before"

note "a live move that failed, when its memory was there but for the last word"
done_ ctl vm pause $name
before=$(ticks $name)
set_for_now migration.bandwidth_mib_s 24
done_ ctl vm migrate $name n2 --no-wait
until_true "n2 receives it" has_qemu n2 $name
libvirtd=$(lab exec n2 pgrep -xo libvirtd)
lab exec n2 kill -STOP "$libvirtd"
failed() { [[ $(ctl operation list --json | field "[o[\"outcome\"] for o in d if o[\"vm_name\"] == \"$name\"][-1]") == failed ]]; }
until_true "the source has given up" lab exec n1 bash -c "virsh domjobinfo $name | grep None"
lab exec n2 kill -CONT "$libvirtd"
until_true "the move has failed" failed
until_true "nothing of it is on n2" no_qemu n2 $name
stays_on n1
goes_on_from "$before"
