#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU as a node of the lab sees it: every guest has 64 KiB less memory than was
# asked for. Without KVM, QEMU before 9.0 loses writes of a running guest while it
# is migrated, whoever migrates it: after one move in thirty or so, a busy guest
# is silent or panics. When QEMU reads the marks of written pages 64 at a time, it
# forgets to tell the guest's processor to set them again ("physmem: fix migration
# dirty bitmap coherency with TCG memory access"). It reads them one by one, and
# rightly, when a guest's memory is not made of whole groups of 64 pages.
less=65536
option=
for word; do
	shift
	case $option/$word in
	-object/*'"id":"pc.ram","size":'[1-9]*)
		behind=${word#*'"size":'}
		size=${behind%%[!0-9]*}
		word=${word%%'"size":'*}'"size":'$((size - less))${behind#"$size"}
		;;
	-m/[1-9]*[0-9])
		word=size=$((word * 1024 - less / 1024))K
		;;
	-m/size=[1-9]*k)
		size=${word#size=}
		word=size=$((${size%k} - less / 1024))K
		;;
	esac
	option=$word
	set -- "$@" "$word"
done
# It looks for its parts where it believes to be.
for modules in /usr/lib/*/qemu; do
	export QEMU_MODULE_DIR="$modules"
done
exec /run/lab/qemu/qemu-system-x86_64 "$@" \
	-L /usr/share/qemu -L /usr/share/seabios -L /usr/lib/ipxe/qemu
