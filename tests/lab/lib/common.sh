# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What every part of the lab shares: its words, its places, its processes.
#
# A lab is one process tree. Its root, the "world", is pid 1 of a pid namespace
# that holds the switch, the BMCs, the observer and, in pid namespaces below
# it, the nodes. So nothing of a lab has a name on the machine, two labs cannot
# meet, and killing one process ends all of one.

readonly switch_address=10.77.0.254 # BMCs answer here
readonly ticks_address=10.78.0.254  # ticks arrive here, by wires of their own
readonly ticks_port=7000
readonly max_nodes=8
readonly limit_s=60 # about ten times what anything here usually takes

# fail WHAT WHY DO: the one way to give up.
fail() {
	printf 'lab: %s: %s\n     %s\n' "$1" "$2" "$3" >&2
	exit "${fail_status:-1}"
}

# because WHAT LOG...: gives up and shows how the logs end.
because() {
	local what=$1 log
	shift
	for log; do
		printf -- '--- the end of %s\n' "$log"
		tail -n 15 "$log" 2>&1
	done >&2
	fail "$what" "the lines above should say why" "The logs: $*"
}

misuse() {
	printf 'lab: %s\n     See: lab --help\n' "$1" >&2
	exit 2
}

say() {
	printf 'lab: %s\n' "$*"
}

# wait_until SECONDS COMMAND...: polls; 1 when the condition never came.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# For what outlives the caller: a node that held on to the sockets of the BMC
# that switched it on would make that BMC deaf, and a caller's pipe would never
# end.
close_inherited() {
	local fd
	for fd in "/proc/$BASHPID/fd"/*; do
		fd=${fd##*/}
		((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
	done
}

# Sets the places of a lab and, if one has been set up there, its settings.
lab_open() {
	dir=$1
	[[ $dir == /* ]] || dir=$PWD/$dir
	[[ $dir =~ ^[A-Za-z0-9._/+-]+$ ]] ||
		misuse "the directory '$dir' must consist of letters, digits and . _ / + - only"
	[[ ! -e $dir || -O $dir ]] ||
		fail "$dir is not ours" "it belongs to another user" "Choose another with -d"
	settings=$dir/settings
	if [[ -e $settings ]]; then
		# shellcheck disable=SC1090
		. "$settings"
	fi
}

# Whether the process runs SCRIPT for this lab. A recycled pid does not, and
# neither does a zombie, whose command line is empty.
process_runs() {
	local pid=$1 script=$2 argv
	shift 2
	[[ -n $pid ]] || return 1
	mapfile -d '' -t argv 2>/dev/null <"/proc/$pid/cmdline" || return 1
	[[ "${argv[*]:1:1} ${argv[*]:2:1}" == "-- bash" &&
		${argv[3]##*/} == "$script" && "${argv[*]:4}" == "$*" ]]
}

recorded() {
	local value=
	if [[ -e $1 ]]; then
		read -r value <"$1" || true
	fi
	printf '%s' "$value"
}

world_pid() {
	local pid
	pid=$(recorded "$dir/world.pid")
	if process_runs "$pid" world.sh "$dir"; then
		printf '%s' "$pid"
	else
		return 1
	fi
}

# Seen from inside the world, a node's pid 1 has another number than outside.
node_pid() {
	local pid
	pid=$(recorded "$dir/nodes/$1/pid${LAB_WORLD:+-in-world}")
	if process_runs "$pid" node.sh "$dir" "$1"; then
		printf '%s' "$pid"
	else
		return 1
	fi
}

node_is_on() {
	node_pid "$1" >/dev/null
}

node_is_off() {
	! node_is_on "$1"
}

need_up() {
	if [[ -z ${LAB_WORLD:-} ]] && ! world_pid >/dev/null; then
		fail "no lab is up in $dir" "its process is not there" \
			"Start one with: lab -d $dir up"
	fi
}

need_node() {
	[[ ${1:-} =~ ^n([1-9][0-9]*)$ ]] || misuse "'${1:-}' is not a node; nodes are called n1, n2, ..."
	((BASH_REMATCH[1] <= nodes)) || misuse "there is no node $1; this lab has n1 to n$nodes"
}

need_on() {
	node_is_on "$1" ||
		fail "node $1 is off" "its pid 1 is not there" "Boot it with: lab -d $dir start $1"
}

need_name() {
	[[ ${1:-} =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,50}$ ]] ||
		misuse "'${1:-}' is not a guest's name (letters, digits and . _ -)"
}

node_names() {
	local id
	for ((id = 1; id <= nodes; id++)); do
		printf 'n%d\n' "$id"
	done
}

node_address() {
	printf '10.77.0.%d' "${1#n}"
}

bmc_port() {
	printf '%d' $((9000 + ${1#n}))
}

# Runs a command in a node, as on its console.
in_node() {
	local node=$1 pid
	shift
	pid=$(node_pid "$node") || need_on "$node"
	nsenter -t "$pid" -m -u -i -n -p -- "$@"
}

# Runs a command in the switch's namespaces, where the BMCs are.
in_world() {
	if [[ -n ${LAB_WORLD:-} ]]; then
		"$@"
	else
		nsenter -t "$(world_pid)" -m -n -p -- env LAB_WORLD=1 "$@"
	fi
}
