# shellcheck shell=bash disable=SC2154
# a VM starts anew where a move of it failed just before: by order, and because its node died
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
may_fence n3
name=after-failure
add_on $name n3 --set owners=n2,n3
disks=/clusterstorage/disks
first_event=$(last_event)

# libvirt asks the hook about a move or a restore before it finds that the disk is not there.
fails_on_n2() { # HOW...
	lab exec n2 mount -t tmpfs empty $disks
	refused 1 "No such file" ctl vm migrate $name n2 "$@"
	lab exec n2 umount $disks
	until_true "it runs on n3" runs_on $name n3
}
failed_starts() { equal "starts that failed on n2" "$1" "$(count_events "not started on n2")"; }

note "a live migration fails; it is stopped, and started on the node that was to have it"
fails_on_n2
done_ ctl vm stop $name --force
done_ ctl vm set $name prefer=n2
done_ ctl vm start $name
equal "where it is" n2 "$(owner $name)"
failed_starts 0

note "a quick migration fails; it is stopped and started, and its node dies"
done_ ctl vm migrate $name n3
fails_on_n2 --quick
done_ ctl vm set $name prefer=n3
done_ ctl vm stop $name --force
done_ ctl vm start $name
equal "where it is" n3 "$(owner $name)"
count=$(ticks $name)
lab kill n3
until_true "it runs on n2" runs_on $name n2
until_true "it ticks on n2" ticked_on $name n2 "$count"
failed_starts 1 # the restore, which found no disk

lab start n3
until_true "all are up" all_up
