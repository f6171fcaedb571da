# shellcheck shell=bash disable=SC2154
# start, stop, force, reset, reboot, pause, resume, and a shutdown from inside
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=start-stop

note "the lab's own programs"
equal "the node that is asked for" n2 "$("$lab_dir/clusterctl" -n n2 status --json | field 'd["node"]["name"]')"
equal "the node without -n" n1 "$("$lab_dir/clusterctl" status --json | field 'd["node"]["name"]')"
refused 2 'no node n99' "$lab_dir/clusterctl" -n n99 status
done_ "$lab_dir/lab" status

add "$name" --stopped
equal "state after vm add --stopped" stopped "$(state $name)"
for node in $(nodes); do
	equal "QEMU of a stopped VM on $node" "" "$(qemu_pids "$node" $name)"
done

done_ ctl vm start $name
until_true "it ticks" ticked $name 0 3
node=$(owner $name)
equal "state" running "$(state $name)"
has "its process on $node" '^[0-9]+$' "$(qemu_pids "$node" $name)"

note "a graceful stop: the guest powers itself off"
done_ ctl vm stop $name
equal "state after vm stop" stopped "$(state $name)"
equal "its process after vm stop" "" "$(qemu_pids "$node" $name)"
silent $name
refused 1 'does not run' ctl vm pause $name
refused 1 'does not run' ctl vm reset $name

note "a forced stop"
count=$(ticks $name)
done_ ctl vm start $name
until_true "it ticks again" ticked $name "$count" 3
equal "boots so far" 2 "$(boots $name)"
done_ ctl vm stop $name --force
equal "state after vm stop --force" stopped "$(state $name)"
silent $name

note "reset: the same process boots anew"
count=$(ticks $name)
done_ ctl vm start $name
until_true "it ticks a third time" ticked $name "$count" 5
node=$(owner $name)
pid=$(qemu_pids "$node" $name)
old=$(boot $name)
done_ ctl vm reset $name
until_true "it boots anew" other_boot $name "$old"
equal "its process after the reset" "$pid" "$(qemu_pids "$node" $name)"

note "reboot: the guest is asked"
old=$(boot $name)
ticks_on $name
done_ ctl vm reboot $name
until_true "it boots anew" other_boot $name "$old"
until_true "it runs" runs $name
ticks_on $name

note "pause and resume"
old=$(boot $name)
done_ ctl vm pause $name
equal "state after vm pause" paused "$(state $name)"
silent $name
done_ ctl vm resume $name
equal "state after vm resume" running "$(state $name)"
ticks_on $name
equal "its boot, unbroken by the pause" "$old" "$(boot $name)"

note "a shutdown from inside"
printf 'poweroff -f\n' |
	timeout 100 "$lab_home/lab" -d "$lab_dir" exec "$via" \
		"$LAB_BUILD/clusterctl/clusterctl" vm console $name || true
until_true "it is stopped" is_state $name stopped
always 20 "it stays stopped" is_state $name stopped
equal "what is wanted of it now" stopped "$(vm_of $name 'd["wanted"]')"
has "why it is stopped" 'shut itself down' "$(detail $name)"
happened "vm $name: shut down from inside" || fail "no event tells of the shutdown"

count=$(ticks $name)
done_ ctl vm start $name
until_true "it ticks after all that" ticked $name "$count" 3
