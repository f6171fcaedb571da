# shellcheck shell=bash disable=SC2154
# what virsh changes behind the cluster's back
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=outside
disks=$lab_dir/shared/disks
lab guest $name >"$scratch/$name.xml"
guests+=("$name")
qemu-img create -q -f qcow2 "$disks/$name.qcow2" 16M
truncate -s 4M "$disks/$name-extra.raw"
sed -i "s|type='raw'|type='qcow2'|; s|/disks/$name.raw|/disks/$name.qcow2|" "$scratch/$name.xml"
done_ ctl vm add - --no-wait --stopped <"$scratch/$name.xml"
start_on $name n1

note "a disk is attached"
lab exec n1 virsh attach-disk $name /clusterstorage/disks/$name-extra.raw vdb --live --cache none >/dev/null
knows() { ctl vm dumpxml $name | grep "$1" >/dev/null || [[ -n $(vm_of $name 'd["changed_outside"]') ]]; }
until_true "the cluster knows of the disk" knows "$name-extra.raw"

note "a snapshot puts a file before the disk"
lab exec n1 virsh snapshot-create-as $name snap1 --disk-only --no-metadata --diskspec vda --diskspec vdb,snapshot=no >/dev/null
until_true "the cluster knows of the overlay" knows "$name.snap1"
ticks_on $name
done_ ctl vm migrate $name n2
ticks_on $name

note "off and on with the overlay"
done_ ctl vm stop $name
count=$(ticks $name)
done_ ctl vm start $name
until_true "it ticks" ticked $name "$count" 3
has "its disk now" "$name.snap1" "$(lab exec "$(owner $name)" virsh domblklist $name)"

note "the chain is changed while it is off: refused until accepted"
done_ ctl vm stop $name
lab exec n1 qemu-img convert -O qcow2 /clusterstorage/disks/$name.snap1 /clusterstorage/disks/$name.flat
mv "$disks/$name.flat" "$disks/$name.snap1"
refused 1 "clusterctl vm accept --changed $name" ctl vm start $name
equal "its state" failed "$(state $name)"
silent $name
done_ ctl vm accept --changed $name
count=$(ticks $name)
done_ ctl vm start $name
until_true "it ticks" ticked $name "$count" 3

note "managed=no: hands off"
done_ ctl vm set $name managed=no
refused 1 'managed=no' ctl vm stop $name
lab exec "$(owner $name)" virsh destroy $name >/dev/null
count=$(ticks $name)
always 40 "it is left alone" test "$(ticks $name)" == "$count"
for node in n1 n2 n3; do equal "its process on $node" "" "$(qemu_pids $node $name)"; done
done_ ctl vm set $name managed=yes
until_true "it runs again" runs $name
until_true "it ticks" ticked $name "$count" 3
