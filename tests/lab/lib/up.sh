# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The beginning and the end of a lab.

need_tools() {
	local tool missing=()
	((EUID == 0)) || fail "a lab needs root" "it makes namespaces and mounts" "Try: sudo lab ..."
	for tool in unshare nsenter setsid flock pivot_root ip tini corosync libvirtd virsh \
		qemu-system-x86_64 ipmi_sim ipmitool fence_ipmilan nft busybox cpio gcc; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	((${#missing[@]} == 0)) ||
		fail "some programs are missing" "${missing[*]}" "tools/setup installs them"
}

# Sets `settings` down for every later command, and for the nodes themselves.
write_settings() {
	name=lab-$(printf '%s' "$dir" | sha1sum | head -c 8)
	LAB_BUILD=${LAB_BUILD:-$(cd "$lab_home/../.." && pwd)}
	local setting
	for setting in name nodes bare token_ms coefficient_ms memory_mib LAB_BUILD; do
		printf '%s=%q\n' "$setting" "${!setting}"
	done >"$settings"
}

# For people: a lab's own programs, with nothing to be said before the command.
write_programs() {
	local name
	for name in lab clusterctl; do
		printf '#!/bin/sh\nexec %q -d %q%s "$@"\n' "$lab_home/lab" "$dir" \
			"$([[ $name == lab ]] || echo ' ctl')" >"$dir/$name"
		chmod 0755 "$dir/$name"
	done
}

# An empty directory, or one that an earlier lab left behind.
clear_directory() {
	if [[ -e $settings ]]; then
		rm -rf --one-file-system "$dir"
	elif [[ -d $dir && -n $(ls -A "$dir") ]]; then
		fail "$dir is not a lab's directory" "other things are in it" "Choose another with -d"
	fi
	mkdir -p "$dir"
	chmod 0700 "$dir"
	mkdir -p "$dir"/{nodes,bmc,ticks,shared}
}

start_world() {
	(
		close_inherited
		exec setsid unshare --net --mount --pid --fork --kill-child \
			tini -- bash "$lab_home/lib/world.sh" "$dir"
	) </dev/null >"$dir/world.log" 2>&1 &
	disown
	wait_until "$limit_s" test -e "$dir/world.ready" ||
		because "the switch did not come up within $limit_s s" "$dir/world.log"
}

is_member() {
	in_node "$1" corosync-quorumtool -s 2>/dev/null | grep -q "^Total votes: *$nodes$"
}

has_libvirt() {
	in_node "$1" virsh list >/dev/null 2>&1
}

wait_for_nodes() {
	local node
	for node in $(node_names); do
		wait_until "$limit_s" is_member "$node" ||
			because "$node did not see $nodes members within $limit_s s" \
				"$dir/nodes/$node/console.log" "$dir/nodes/$node/var/log/corosync.log"
		wait_until "$limit_s" has_libvirt "$node" ||
			because "libvirtd on $node did not answer within $limit_s s" \
				"$dir/nodes/$node/console.log" "$dir/nodes/$node/var/log/libvirtd.log"
	done
}

command_up() {
	nodes=3 bare=no token_ms=1000 coefficient_ms=125 memory_mib=4096
	while (($#)); do
		case $1 in
		--bare) bare=yes ;;
		-n | --token | --coefficient | --memory)
			[[ ${2:-} =~ ^[1-9][0-9]{0,7}$ ]] || misuse "$1 wants a positive number"
			case $1 in
			-n) nodes=$2 ;;
			--token) token_ms=$2 ;;
			--coefficient) coefficient_ms=$2 ;;
			--memory) memory_mib=$2 ;;
			esac
			shift
			;;
		*) misuse "up does not know '$1'" ;;
		esac
		shift
	done
	((nodes <= max_nodes)) || misuse "a lab has at most $max_nodes nodes"
	need_tools
	if world_pid >/dev/null; then
		fail "a lab is already up in $dir" "its process is $(world_pid)" \
			"End it with: lab -d $dir down"
	fi
	clear_directory
	write_settings
	write_programs
	trap stop_world EXIT
	bring_up
	trap - EXIT
	if product_is_built; then
		say "$name is up: $nodes nodes in $SECONDS s; talk to it with $dir/clusterctl and $dir/lab"
	elif [[ $bare == yes ]]; then
		say "$name is up: $nodes bare nodes in $SECONDS s; talk to it with $dir/lab"
	else
		say "$name is up: $nodes nodes in $SECONDS s, with Corosync and libvirt only: no clusterd is" \
			"built in $LAB_BUILD; LAB_BUILD names the build. Talk to it with $dir/lab"
	fi
}

bring_up() {
	local node
	head -c 256 /dev/urandom >"$dir/authkey"
	head -c 32 /dev/urandom >"$dir/secret.key"
	for node in $(node_names); do
		write_disk "$node"
		product_configure "$dir/nodes/$node"
	done
	mkdir -p "$cache/capabilities"
	copy_capabilities "$cache/capabilities"
	start_world
	for node in $(node_names); do
		in_world "$lab_home/lab" -d "$dir" start "$node" &
	done
	wait_for_jobs
	wait_for_nodes
	need_capabilities
	if product_is_built; then
		product_genesis
		product_register
	fi
}

wait_for_jobs() {
	local job
	for job in $(jobs -p); do
		wait "$job" || exit
	done
}

# Works without the record of its pid too, should `up` have died before it.
stop_world() {
	local pid
	for pid in $(world_pid || pgrep -f "^tini -- bash .*/lib/world[.]sh $dir\$"); do
		kill -KILL "$pid" 2>/dev/null || true
		wait_until "$limit_s" process_ended "$pid" ||
			fail "the lab in $dir did not end" "its pid $pid survived SIGKILL for $limit_s s" \
				"Look for processes in state D: ps axo pid,stat,cmd"
	done
	rm -f "$dir/world.pid" "$dir/world.ready"
}

process_ended() {
	! process_runs "$1" world.sh "$dir"
}

command_down() {
	[[ $# -eq 0 || $* == --purge ]] || misuse "down does not know '$*'"
	stop_world
	if [[ ${1:-} == --purge && -e $settings ]]; then
		rm -rf --one-file-system "$dir"
	fi
}
