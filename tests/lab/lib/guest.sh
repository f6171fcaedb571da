# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The ticking guest: Debian's kernel, busybox, and tick.c. The kernel is kept in
# the cache; each lab makes its initramfs in its own shared directory.

guest_modules=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev
	virtio_pci virtio_console virtio_blk evdev button)
guest_applets=(sh mount insmod acpid hostname sed setsid cttyhack poweroff reboot
	sync sleep cat ls dmesg ps kill dd free uptime)

# Nothing to print, nothing to test, nothing to calibrate: a quarter of the boot.
guest_cmdline="console=ttyS0 quiet loglevel=1 mitigations=off cryptomgr.notests"
guest_cmdline+=" no_timer_check tsc=reliable"

# The kernel as it is inside its own wrapping (the boot protocol's header says
# where): under TCG, unwrapping it in the guest takes longer than its whole boot.
unwrap_kernel() {
	local image=$1 sectors offset length
	sectors=$(od -An -tu1 -j497 -N1 "$image")
	offset=$(od -An -tu4 -j584 -N4 "$image")
	length=$(od -An -tu4 -j588 -N4 "$image")
	tail -c +$(((sectors + 1) * 512 + offset + 1)) "$image" | head -c "$((length))" |
		xz -dc --single-stream
}

# Fetches Debian's kernel and modules, without installing them.
fetch_kernel() (
	local package module patterns=()
	mkdir -p "$1"
	cd "$1" || exit
	package=$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" { print $2; exit }')
	apt-get download -qq -o APT::Sandbox::User=root "$package"
	for module in "${guest_modules[@]}"; do
		patterns+=("*/$module.ko")
	done
	dpkg-deb --fsys-tarfile "$package"_*.deb |
		tar -x --wildcards './boot/vmlinuz-*' "${patterns[@]}"
	unwrap_kernel boot/vmlinuz-* >vmlinux
	for module in "${guest_modules[@]}"; do
		find lib -name "$module.ko" -exec strip --strip-debug -o "$module.ko" {} \;
	done
	rm -r lib boot ./*.deb
)

need_kernel() (
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	[[ ! -e $cache/kernel ]] || return 0
	rm -rf "$cache/kernel.new"
	fetch_kernel "$cache/kernel.new" 9>&- >"$cache/log" 2>&1 || return 1
	mv "$cache/kernel.new" "$cache/kernel"
)

build_initrd() {
	local root=$1 name
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,modules,etc/acpi/PWRF}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for name in "${guest_applets[@]}"; do
		ln -s busybox "$root/bin/$name"
	done
	for name in "${guest_modules[@]}"; do
		cp "$cache/kernel/$name.ko" "$root/modules/"
		echo "$name" >>"$root/modules/order"
	done
	install -m 0755 "$lab_home/guest/init" "$root/init"
	gcc -O2 -static -s -o "$root/tick" "$lab_home/guest/tick.c"
	printf '#!/bin/sh\nsync\npoweroff -f\n' >"$root/etc/acpi/PWRF/00000080"
	chmod 0755 "$root/etc/acpi/PWRF/00000080"
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip
	rm -r "$root"
}

# Puts kernel and initramfs where all nodes see them, once in a lab's life.
need_boot_files() (
	local boot=$dir/shared/boot
	exec 9>"$dir/guest.lock"
	flock 9
	[[ ! -e $boot/initrd ]] || return 0
	need_kernel || because "the guest's kernel could not be fetched" "$cache/log"
	mkdir -p "$boot"
	cp "$cache/kernel/vmlinux" "$boot/vmlinux"
	build_initrd "$dir/initrd.d" >"$boot/initrd.new"
	mv "$boot/initrd.new" "$boot/initrd"
)

need_disk() {
	local disks=$dir/shared/disks
	mkdir -p "$disks"
	[[ -e $disks/$1.raw ]] || truncate -s 16M "$disks/$1.raw"
}

# O_DIRECT is what a guest on shared storage uses, where the file system can.
disk_cache() {
	if dd if=/dev/zero of="$dir/shared/disks/.direct" bs=4096 count=1 oflag=direct status=none \
		2>/dev/null; then
		echo none
	else
		echo writeback
	fi
	rm -f "$dir/shared/disks/.direct"
}

# The same name gives the same UUID, on every node and in every lab.
guest_uuid() {
	local digits
	digits=$(printf 'ticking guest %s' "$1" | sha1sum)
	printf '%s-%s-5%s-8%s-%s' "${digits:0:8}" "${digits:8:4}" "${digits:13:3}" \
		"${digits:17:3}" "${digits:20:12}"
}

# guest_xml NAME MEMORY_MIB SHAREABLE COMMAND_LINE
guest_xml() {
	cat <<-END
		<domain type='qemu'>
		  <name>$1</name>
		  <uuid>$(guest_uuid "$1")</uuid>
		  <memory unit='MiB'>$2</memory>
		  <vcpu>1</vcpu>
		  <os>
		    <type arch='x86_64' machine='pc'>hvm</type>
		    <kernel>/clusterstorage/boot/vmlinux</kernel>
		    <initrd>/clusterstorage/boot/initrd</initrd>
		    <cmdline>$guest_cmdline tick.name=$1${4:+ $4}</cmdline>
		  </os>
		  <features><acpi/></features>
		  <on_poweroff>destroy</on_poweroff>
		  <on_reboot>restart</on_reboot>
		  <on_crash>destroy</on_crash>
		  <devices>
		    <disk type='file' device='disk'>
		      <driver name='qemu' type='raw' cache='$(disk_cache)'/>
		      <source file='/clusterstorage/disks/$1.raw'/>
		      <target dev='vda' bus='virtio'/>${3:+
		      <shareable/>}
		    </disk>
		    <controller type='usb' model='none'/>
		    <serial type='pty'/>
		    <console type='pty'><target type='serial'/></console>
		    <console type='udp'>
		      <source mode='connect' host='$ticks_address' service='$ticks_port'/>
		      <target type='virtio'/>
		    </console>
		    <video><model type='none'/></video>
		    <memballoon model='none'/>
		  </devices>
		</domain>
	END
}
