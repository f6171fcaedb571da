# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A node's disk before its first boot: its /etc and /var. The rest of /etc is
# the machine's, by symbolic links.

capabilities=var/cache/libvirt/qemu/capabilities

write_disk() {
	local node=$1 disk=$dir/nodes/$1 entry
	mkdir -p "$disk"/etc/{lab,corosync,libvirt/hooks} \
		"$disk"/var/{log,tmp,spool,lib/corosync,lib/libvirt} "$disk/$capabilities"
	chmod 1777 "$disk/var/tmp"
	ln -s /run "$disk/var/run"
	ln -s /run/lock "$disk/var/lock"
	for entry in /etc/*; do
		[[ -e $disk$entry ]] || ln -s "/.machine-etc/${entry##*/}" "$disk$entry"
	done
	rm -f "$disk"/etc/{hostname,hosts,machine-id,clusterd}
	printf '%s\n' "$node" >"$disk/etc/hostname"
	tr -d - </proc/sys/kernel/random/uuid >"$disk/etc/machine-id"
	write_hosts >"$disk/etc/hosts"
	write_corosync_conf >"$disk/etc/corosync/corosync.conf"
	install -m 0400 "$dir/authkey" "$disk/etc/corosync/authkey"
	write_libvirtd_conf >"$disk/etc/libvirt/libvirtd.conf"
	write_qemu_conf "$node" >"$disk/etc/libvirt/qemu.conf"
	touch "$disk/etc/lab/"{corosync,libvirtd}.enabled
}

write_hosts() {
	local node
	echo "127.0.0.1 localhost"
	for node in $(node_names); do
		echo "$(node_address "$node") $node"
	done
}

write_corosync_conf() {
	local node
	cat <<-END
		totem {
		    version: 2
		    cluster_name: $name
		    transport: knet
		    crypto_cipher: aes256
		    crypto_hash: sha256
		    token: $token_ms
		    token_coefficient: $coefficient_ms
		}
		quorum {
		    provider: corosync_votequorum
		}
		logging {
		    to_stderr: no
		    to_syslog: no
		    to_logfile: yes
		    logfile: /var/log/corosync.log
		    timestamp: hires
		}
		nodelist {
	END
	for node in $(node_names); do
		cat <<-END
			    node {
			        nodeid: ${node#n}
			        name: $node
			        ring0_addr: $(node_address "$node")
			    }
		END
	done
	echo "}"
}

# Nodes with equal host UUIDs would take each other for the same machine.
write_libvirtd_conf() {
	cat <<-END
		listen_tls = 0
		listen_tcp = 1
		auth_tcp = "none"
		auth_unix_rw = "none"
		host_uuid = "$(</proc/sys/kernel/random/uuid)"
		keepalive_interval = 1
		keepalive_count = 3
	END
}

# One cgroup tree and one /dev serve all nodes, so libvirt must leave both alone.
write_qemu_conf() {
	cat <<-END
		user = "root"
		group = "root"
		security_driver = "none"
		cgroup_controllers = []
		namespaces = []
		remember_owner = 0
		dynamic_ownership = 0
		stdio_handler = "file"
		migration_address = "$(node_address "$1")"
		migration_host = "$(node_address "$1")"
		keepalive_interval = 1
		keepalive_count = 3
	END
}

# What libvirt finds out about QEMU at its first use, which takes it a second:
# n1 asks unless the cache knows, the other nodes get a copy. libvirt itself
# sees when a copy is out of date.
copy_capabilities() {
	local node
	for node in $(node_names); do
		cp -a "$1/." "$dir/nodes/$node/$capabilities/"
	done
}

need_capabilities() {
	local found=$dir/nodes/n1/$capabilities
	in_node n1 virsh domcapabilities >/dev/null 2>&1 || true
	if ! diff -rq "$found" "$cache/capabilities" >/dev/null 2>&1; then
		copy_capabilities "$found" 2>/dev/null || true
		rm -rf "$cache/capabilities"
		cp -a "$found" "$cache/capabilities"
	fi
}
