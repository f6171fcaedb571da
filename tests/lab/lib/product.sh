# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# All that the lab knows of the product. The rest of the lab would serve any
# program that sits on Corosync and libvirt.

product_is_built() {
	[[ $bare == no && -x $LAB_BUILD/clusterd/clusterd ]]
}

# A node's service clusterd: this version, or the next one where it is installed.
product_supervise() {
	# shellcheck disable=SC2016
	supervise clusterd 0.2 corosync_answers sh -c \
		'[ -e /etc/lab/clusterd.next ] && exec "$1"; exec "$0"' \
		"$LAB_BUILD/clusterd/clusterd" "$LAB_BUILD/tests/next/clusterd-next"
}

clusterctl() {
	local node=$1
	shift
	in_node "$node" "$LAB_BUILD/clusterctl/clusterctl" "$@"
}

# A node's configuration, before its first boot.
product_configure() {
	local disk=$1
	mkdir -p "$disk/etc/clusterd" "$disk/var/lib/clusterd"
	cat >"$disk/etc/clusterd/clusterd.conf" <<-END
		[clusterd]
		state_dir = /var/lib/clusterd
		run_dir = /run/clusterd
		agent_dir = $LAB_BUILD/agents
		libvirt_uri = qemu:///system
		memory_mib = $memory_mib
	END
	install -m 0400 "$dir/secret.key" "$disk/etc/clusterd/secret.key"
	if [[ -e $LAB_BUILD/agents/clusterd-qemu-hook ]]; then
		mkdir -p "$disk/etc/libvirt/hooks/qemu.d"
		ln -sf "$LAB_BUILD/agents/clusterd-qemu-hook" "$disk/etc/libvirt/hooks/qemu.d/clusterd"
	fi
}

product_answers() {
	local status=0
	clusterctl "$1" status >"$dir/clusterctl.log" 2>&1 || status=$?
	((status <= 2))
}

# The cluster's birth: its first state on n1, then the daemon everywhere.
product_genesis() {
	local node arguments=()
	for node in $(node_names); do
		arguments+=(--node "${node#n}=$node,$(node_address "$node")")
	done
	in_node n1 "$LAB_BUILD/clusterd/clusterd" --init --name "$name" "${arguments[@]}" \
		>"$dir/genesis.log" 2>&1 || because "genesis failed" "$dir/genesis.log"
	for node in $(node_names); do
		in_node "$node" touch /etc/lab/clusterd.enabled
		in_node "$node" bash "$lab_home/lib/service.sh" start clusterd
	done
	wait_until "$limit_s" product_answers n1 ||
		because "clusterd on n1 did not answer within $limit_s s" \
			"$dir/clusterctl.log" "$dir/nodes/n1/var/log/clusterd.log"
}

# The simulators obey at once and answer or are dead, so the agent need not wait
# 2 s after each command, nor 20 s for a BMC that does not answer.
product_register() {
	local node
	for node in $(node_names); do
		clusterctl n1 fence add "bmc-$node" fence_ipmilan --node "$node" --secret-stdin \
			ip="$switch_address" ipport="$(bmc_port "$node")" username=ipmiusr \
			lanplus=1 cipher=3 power_wait=0 power_timeout=8 <<<"password=test" >>"$dir/register.log" 2>&1 ||
			because "the fence device of $node was refused, or failed its test" "$dir/register.log"
	done
	# The lab's libvirt listens without certificates.
	clusterctl n1 settings set migration.connect_uri "qemu+tcp://%s/system" >>"$dir/register.log" 2>&1 &&
		clusterctl n1 settings set migration.tls no >>"$dir/register.log" 2>&1 ||
		because "the settings were refused" "$dir/register.log"
	clusterctl n1 volume add shared dir:/clusterstorage --declared-shared \
		>>"$dir/register.log" 2>&1 ||
		because "the volume was refused" "$dir/register.log"
	wait_until "$limit_s" product_is_ready ||
		because "not all nodes could take guests within $limit_s s" \
			"$dir/clusterctl.log" "$dir/nodes/n1/var/log/clusterd.log"
}

# Every node is up, its agent speaks to libvirt and has seen the volume.
product_is_ready() {
	clusterctl n1 node list --json 2>&1 | tee "$dir/clusterctl.log" | python3 -c '
import json, sys
sys.exit(not all(n["state"] == "up" and n["facts"] and n["facts"]["agent_ok"] and
                 "shared" in n["facts"]["volumes"] for n in json.load(sys.stdin)))' 2>/dev/null
}
