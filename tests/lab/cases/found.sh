# shellcheck shell=bash disable=SC2154
# a guest that is added runs already, on a node that cannot say so
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=found
nowhere_else() { no_qemu n1 $name && no_qemu n2 $name; }
n3_is_mute() { [[ $(node_of n3 'd["facts"]["agent_ok"]') == false ]]; }
waits() { detail $name | tee /dev/stderr | grep "waits until n3 has looked" >/dev/null; }
lab guest $name >"$scratch/$name.xml"
guests+=("$name")
done_ lab exec n3 virsh create /dev/stdin <"$scratch/$name.xml"
until_true "it ticks" ticked $name 0 3
one_boot=$(boot $name)
pid=$(qemu_pids n3 $name)

note "libvirt on n3 is away when it is added"
lab service n3 stop libvirtd
until_true "n3 says that its libvirt is away" n3_is_mute
done_ ctl vm add - --no-wait <"$scratch/$name.xml"
until_true "it waits for n3" waits
refused 1 'waits until n3 has looked .* no working libvirt' ctl vm start $name
always 40 "it is started nowhere" nowhere_else
equal "its state" unknown "$(state $name)"

note "libvirt on n3 is back: the guest is taken over as it is"
lab service n3 start libvirtd
until_true "it runs on n3" runs_on $name n3
equal "its boot" "$one_boot" "$(boot $name)"
equal "its process" "$pid" "$(qemu_pids n3 $name)"
equal "why it is not as it should be" "" "$(detail $name)"
ticks_on $name
done_ ctl vm migrate $name n1
equal "its boot" "$one_boot" "$(boot $name)"

note "moved by hand while it is managed=no, with libvirt's own means"
done_ ctl vm set $name managed=no
lab exec n1 virsh destroy $name >/dev/null
done_ lab exec n2 virsh create /dev/stdin <"$scratch/$name.xml"
until_true "it boots on n2" other_boot $name "$one_boot"
one_boot=$(boot $name)
done_ ctl vm set $name managed=yes
until_true "it runs on n2" runs_on $name n2
ticks_on $name
equal "its boot" "$one_boot" "$(boot $name)"
equal "its process on n1" "" "$(qemu_pids n1 $name)"

note "with the cluster's mark it may be started by hand while it is managed=no, and not afterwards"
done_ ctl vm stop $name --force
done_ ctl vm start $name
runs_on $name n1 || done_ ctl vm migrate $name n1
ticks_on $name
lab exec n1 virsh dumpxml $name >"$scratch/marked.xml"
done_ grep -q clusterd "$scratch/marked.xml"
done_ ctl vm set $name managed=no
lab exec n1 virsh destroy $name >/dev/null
done_ lab exec n2 virsh create /dev/stdin <"$scratch/marked.xml"
until_true "it ticks on n2" ticks_on $name
done_ ctl vm set $name managed=yes
until_true "it runs on n2 again" runs_on $name n2
refused 1 'is managed by clusterd' lab exec n3 virsh create /dev/stdin <"$scratch/marked.xml"
equal "its process on n3" "" "$(qemu_pids n3 $name)"
