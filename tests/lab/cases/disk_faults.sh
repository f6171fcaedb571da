# shellcheck shell=bash disable=SC2154
# a disk that is not there, or in use: start, live and quick migration say which disk, where, and what to do
# SPDX-License-Identifier: GPL-2.0-or-later
name=disk-faults
disks=/clusterstorage/disks
disk="disk vda ($disks/$name.raw)"
said="Cannot access storage file '$disks/$name.raw': No such file or directory"
add $name --stopped --set owners=n2,n3 --set prefer=n2

# refused() looks for a pattern.
explained() { # WHAT COMMAND...
	refused 1 "$(sed 's/[][().*]/\\&/g' <<<"$1")" "${@:2}"
}

note "the disk is not there on any of its nodes"
for node in n2 n3; do lab exec $node mount -t tmpfs empty $disks; done
# One line for both, without libvirt's words: those are in vm show.
explained "n2, n3: $disk is not there on this node: mount its storage, or correct its path" ctl vm start $name
has "the detail of vm show" "No such file or directory" "$(ctl vm show $name)"
done_ ctl vm stop $name
for node in n2 n3; do lab exec $node umount $disks; done

note "a domain that is not the cluster's has it"
lab guest $name-other | sed "s,$disks/.*\.raw,$disks/$name.raw," >"$scratch/other.xml"
done_ lab exec n1 virsh create --paused /dev/stdin <"$scratch/other.xml"
explained "n2, n3: $disk is in use by another process: that may be this very VM" \
	ctl vm start $name
done_ lab exec n1 virsh destroy $name-other
done_ ctl vm stop $name
start_on $name n2

note "it is not there where it is to go"
lab exec n3 mount -t tmpfs empty $disks
explained "$disk is not there on the destination: mount its storage, or correct its path ($said)" \
	ctl vm migrate $name n3
explained "n3: $disk is not there on this node: mount its storage, or correct its path ($said)" \
	ctl vm migrate $name n3 --quick
lab exec n3 umount $disks
until_true "it runs on n2" runs_on $name n2
ticks_on $name
