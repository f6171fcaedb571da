# shellcheck shell=bash disable=SC2154
# libvirtd is restarted; and what libvirt's hook lets through
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=libvirtd
add_on $name n1
one_boot=$(boot $name)

for how in restart kill; do
	lab service n1 $how libvirtd
	until_true "libvirtd answers" lab exec n1 virsh list
	until_true "the agents are well" agents_ok
	until_true "it runs on n1" runs_on $name n1
	ticks_on $name
done
equal "its boot" "$one_boot" "$(boot $name)"
done_ ctl vm migrate $name n2
done_ ctl vm migrate $name n1

note "a second copy, by virsh, is refused"
let_go() { ! lab exec "$1" virsh domstate $name >/dev/null 2>&1; }
until_true "libvirt on n2 has let go of it" let_go n2
ctl vm dumpxml $name >"$scratch/copy.xml"
refused 1 '[Cc]luster' lab exec n2 virsh create /dev/stdin <"$scratch/copy.xml"
equal "its process on n2" "" "$(qemu_pids n2 $name)"
lab exec n2 virsh define /dev/stdin <"$scratch/copy.xml" >/dev/null
refused 1 '[Cc]luster' lab exec n2 virsh start $name
equal "its process on n2" "" "$(qemu_pids n2 $name)"
lab exec n2 virsh undefine $name >/dev/null

note "a domain that is not the cluster's is none of its business"
lab guest libvirtd-own >"$scratch/own.xml"
guests+=(libvirtd-own)
done_ lab exec n2 virsh create /dev/stdin <"$scratch/own.xml"
until_true "it ticks" ticked libvirtd-own 0
done_ lab exec n2 virsh destroy libvirtd-own

note "and with clusterd stopped: what was started by the cluster is marked as such"
cp "$scratch/copy.xml" "$scratch/dump.xml"
lab exec n1 virsh dumpxml --inactive $name >"$scratch/copy.xml"
lab service n2 stop clusterd
done_ lab exec n2 virsh create /dev/stdin <"$scratch/own.xml"
refused 1 '[Cc]luster' lab exec n2 virsh create /dev/stdin <"$scratch/copy.xml"
refused 1 'clusterd on this node does not answer' lab exec n2 virsh create /dev/stdin <"$scratch/dump.xml"
equal "its process on n2" "" "$(qemu_pids n2 $name)"
done_ lab exec n2 virsh destroy libvirtd-own
lab service n2 start clusterd
until_true "all are up" all_up
ticks_on $name
equal "its boot" "$one_boot" "$(boot $name)"
