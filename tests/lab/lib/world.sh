#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs below pid 1 of the world, in network, mount and pid namespaces of its
# own: the switch, a BMC per node, the observer of ticks.
set -euo pipefail

lab_home=${BASH_SOURCE[0]%/lib/*}
. "$lab_home/lib/common.sh"
lab_open "$1"
export LAB_WORLD=1

# While /proc still is the machine's, our parent's number there is the world's.
read -r _ _ _ host_pid _ </proc/self/stat
printf '%d\n' "$host_pid" >"$dir/world.pid"

# The machine's /proc stays within reach, so that nodes can learn theirs.
mount -t tmpfs -o mode=755 lab /run
mkdir /run/host-proc
mount --bind /proc /run/host-proc
mount -t proc proc /proc

# With an address of its own: a bridge otherwise borrows one from its ports, and
# when nodes come and go its neighbours would talk to the old one for seconds.
make_bridge() {
	ip link add "$1" address 02:00:00:00:00:fe type bridge mcast_snooping 0
	ip address add "$2/24" dev "$1"
	ip link set "$1" up
}

# A service of the world that ends is started again; its words go to a log.
keep() {
	local log=$1
	shift
	while :; do
		"$@" </dev/null >>"$log" 2>&1 || true
		echo "$1 ended; starting it again" >>"$log"
		sleep 1
	done
}

make_bmc() {
	local node=$1 place=$dir/bmc/$1
	mkdir -p "$place"
	cat >"$place/lan.conf" <<-END
		name "$node"
		set_working_mc 0x20
		startlan 1
		  addr $switch_address $(bmc_port "$node")
		  priv_limit admin
		  allowed_auths_callback none md2 md5 straight
		  allowed_auths_user none md2 md5 straight
		  allowed_auths_operator none md2 md5 straight
		  allowed_auths_admin none md2 md5 straight
		  guid a123456789abcdefa123456789abcd$(printf '%02x' "${node#n}")
		endlan
		chassis_control "$lab_home/lib/bmc.sh $dir $node 0x20"
		user 1 true "" "test" user 10 none md2 md5 straight
		user 2 true "ipmiusr" "test" admin 10 none md2 md5 straight
	END
	cat >"$place/bmc.emu" <<-END
		mc_setbmc 0x20
		mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
		mc_enable 0x20
	END
	keep "$place/log" ipmi_sim -c "$place/lan.conf" -f "$place/bmc.emu" -s "$place" -n &
}

ip link set lo up
make_bridge br0 "$switch_address"
make_bridge ticks "$ticks_address"
for node in $(node_names); do
	make_bmc "$node"
done
keep "$dir/ticks/observer.log" \
	/usr/bin/python3 "$lab_home/lib/observe.py" "$ticks_address" "$ticks_port" "$dir/ticks" &
touch "$dir/world.ready"
wait
