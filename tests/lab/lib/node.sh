#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A node's boot and its supervisor. tini above it is the node's pid 1; killing
# that is pulling the plug.
set -euo pipefail

lab_home=${BASH_SOURCE[0]%/lib/*}
. "$lab_home/lib/common.sh"
. "$lab_home/lib/supervise.sh"
. "$lab_home/lib/product.sh"
lab_open "$1"
node=$2
place=$dir/nodes/$node
id=${node#n}

# Our parent's number, as the machine and as the world see it.
record_pid() {
	local pid
	read -r _ _ _ pid _ <"$1/self/stat"
	printf '%d\n' "$pid" >"$2.new"
	mv "$2.new" "$2"
}

# One wire to the switch, and one on which nothing but ticks can travel: a node
# that has been cut off must still be heard if its guests run on.
plug_wire() {
	local device=$1 bridge=$2 prefix=$3 port=$4
	in_switch ip link delete "$port" 2>/dev/null || true
	ip link add "$device" address "02:${prefix//./:}:00:00:0$id" type veth \
		peer name "$port" netns /proc/1/ns/net
	in_switch ip link set "$port" master "$bridge"
	ip address add "$prefix.0.$id/24" dev "$device"
	ip link set "$device" up
}

in_switch() {
	nsenter --net=/proc/1/ns/net "$@"
}

plug_in() {
	local all=/proc/sys/net/ipv6/conf/all/disable_ipv6
	if [[ -e $all ]]; then
		echo 1 >$all
	fi
	ip link set lo up
	plug_wire eth0 br0 10.77 "$node"
	if [[ ! -e $place/cut ]]; then
		in_switch ip link set "$node" up
	fi
	plug_wire eth1 ticks 10.78 "tick$id"
	in_switch ip link set "tick$id" up type bridge_slave isolated on
}

# show PATH: makes a path of the machine visible in the root being built here.
show() {
	if [[ ! -e .$1 ]]; then
		mkdir -p ".$1"
		mount --rbind "$1" ".$1"
	fi
}

# See lib/qemu.sh. The program itself stays within reach of the wrapper only.
wrap_qemu() {
	local qemu=usr/bin/qemu-system-x86_64
	mkdir -p run/lab/qemu
	touch run/lab/qemu/qemu-system-x86_64
	mount --bind "$qemu" run/lab/qemu/qemu-system-x86_64
	mount --bind "$lab_home/lib/qemu.sh" "$qemu"
}

# The node's root: the machine's own, except for what a node must have alone.
# /etc and /var are its disk; /run, /dev/shm and /proc are new at each boot.
build_root() {
	local entry
	mount -t tmpfs -o mode=755 root /run
	cd /run
	mkdir proc sys dev run var etc .machine-etc .old-root clusterstorage
	for entry in /*; do
		entry=${entry#/}
		case $entry in
		proc | sys | dev | run | var | etc | clusterstorage | lost+found) continue ;;
		esac
		if [[ -L /$entry ]]; then
			cp -P "/$entry" "$entry"
		elif [[ -d /$entry ]]; then
			mkdir "$entry"
			mount --rbind "/$entry" "$entry"
		fi
	done
	mount -o remount,bind,ro usr
	mount --bind /etc .machine-etc
	mount -o remount,bind,ro .machine-etc
	mount --bind "$place/etc" etc
	mount --bind "$place/var" var
	mount --bind "$dir/shared" clusterstorage
	mount -t tmpfs -o mode=755 run run
	wrap_qemu
	mount --bind /dev dev
	mount -t devpts -o newinstance,mode=620,ptmxmode=666 pts dev/pts
	mount -t tmpfs -o mode=1777 shm dev/shm
	show "$LAB_BUILD"
	show "$lab_home"
	pivot_root . .old-root
	cd /
	mount -t proc proc /proc
	mount -t sysfs -o ro sys /sys
	umount --lazy /.old-root
	rmdir /.old-root
}

# Namespaces share the kernel's boot id; a node needs one for each of its boots.
renew_boot_id() {
	cp /proc/sys/kernel/random/uuid /run/lab/boot-id
	chmod 0444 /run/lab/boot-id
	mount --bind /run/lab/boot-id /proc/sys/kernel/random/boot_id
}

record_pid /run/host-proc "$place/pid"
record_pid /proc "$place/pid-in-world"
unset LAB_WORLD
plug_in
build_root
mkdir -p /run/lab /run/lock
hostname "$node"
renew_boot_id
echo "boot $(</run/lab/boot-id)"

supervise corosync 1 true corosync -f &
supervise libvirtd 1 true libvirtd --listen &
if product_is_built; then
	product_supervise &
fi
touch /etc/lab/booted
wait
