# shellcheck shell=bash disable=SC2154
# quick migration; a full disk; a restore that fails; no file is left, of a VM that is removed either
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=quick
add_on $name n1
one_boot=$(boot $name)
disks=/clusterstorage/disks
first_event=$(last_event)
states=/clusterstorage/.clusterd/state

for node in n2 n3; do
	from=$(owner $name)
	before=$(ticks $name)
	done_ ctl vm migrate $name "$node" --quick
	equal "owner after the move" "$node" "$(owner $name)"
	until_true "$name ticks on $node" ticked_on $name "$node" "$before"
	equal "its boot after the move to $node" "$one_boot" "$(boot $name)"
	equal "its process on $from" "" "$(qemu_pids "$from" $name)"
done
no_image() { [[ -z $(lab exec n1 find $states -type f -print 2>/dev/null | tee /dev/stderr) ]]; }
until_true "the image is gone" no_image

note "a full disk: it stays"
lab exec n3 mkdir -p $states
lab exec n3 mount -t tmpfs -o size=2m full $states
refused 1 '.' ctl vm migrate $name n1 --quick
until_true "it runs on n3" runs_on $name n3
ticks_on $name
equal "its boot" "$one_boot" "$(boot $name)"
lab exec n3 umount $states
until_true "no part of an image is there" no_image

note "the destination does not find the image: back to where it was"
lab exec n1 mount -t tmpfs empty $states
refused 1 '.' ctl vm migrate $name n1 --quick
until_true "it runs on n3 again" runs_on $name n3
ticks_on $name
equal "its boot" "$one_boot" "$(boot $name)"
lab exec n1 umount $states
until_true "the image is gone" no_image

note "all well again"
done_ ctl vm migrate $name n1 --quick
equal "owner" n1 "$(owner $name)"
ticks_on $name
equal "its boot" "$one_boot" "$(boot $name)"

note "nobody can restore it; it is removed while its image cannot be"
done_ ctl vm set $name owners=n2
lab exec n2 mount -t tmpfs empty $disks
refused 1 '.' ctl vm migrate $name n2 --quick
until_true "it is given up" is_state $name failed
image=$(lab exec n1 find $states -type f -name '*.sav')
[[ -n $image ]] || fail "the image of a VM that is saved was removed"
for node in n1 n2 n3; do lab exec $node mount --bind -o ro $states $states; done
done_ ctl vm remove $name
until_true "it is told of" happened "could not be removed"
for node in n1 n2 n3; do lab exec $node umount $states; done
lab exec n2 umount $disks
until_true "the image is gone" no_image
