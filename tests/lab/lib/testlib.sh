# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the cases of tests/lab/cases are written with. A case runs as the one
# script of a shell with -e; what fails it says why in one line, on descriptor 3.
#
# A case asserts order and safety, never seconds: until_true waits ten times as
# long as anything here should take.

readonly limit_s=120
# The node that clusterctl is run on.
via=n1

lab() { "$lab_home/lab" -d "$lab_dir" "$@"; }
ctl() { lab exec "$via" "$LAB_BUILD/clusterctl/clusterctl" "$@"; }
ctl_on() { lab exec "$1" "$LAB_BUILD/clusterctl/clusterctl" "${@:2}"; }

note() { printf '%s  %s\n' "$(date +%T.%3N)" "$*"; }

# The one way to fail.
fail() {
	printf '%s\n' "$*" >&3
	note "FAILED: $*"
	exit 1
}

# until_true WHAT COMMAND...: its output goes to the case's log, the last one to the reason.
until_true() {
	local what=$1 end=$((SECONDS + limit_s)) last
	shift
	note "waiting for: $what"
	until last=$("$@" 2>&1); do
		((SECONDS < end)) ||
			fail "$limit_s s in vain for: $what${last:+; last seen: ${last:0:300}}"
		sleep 0.1
	done
}

# For as long as a condition could come to be violated: every look must see it.
# It counts looks, not seconds.
always() { # LOOKS WHAT COMMAND...
	local looks=$1 what=$2 i last
	shift 2
	for ((i = 0; i < looks; i++)); do
		last=$("$@" 2>&1) || fail "not any more: $what${last:+; seen: ${last:0:300}}"
		sleep 0.1
	done
}

equal() { # WHAT EXPECTED SEEN
	[[ $2 == "$3" ]] || fail "$1: expected '$2', saw '${3:0:300}'"
}

differ() { # WHAT ONE OTHER
	[[ $2 != "$3" ]] || fail "$1: both are '$2'"
}

has() { # WHAT PATTERN SEEN
	[[ $3 =~ $2 ]] || fail "$1: expected something like '$2', saw '${3:0:400}'"
}

# refused CODE PATTERN COMMAND...: it ends with that code and says something of that pattern.
refused() {
	local code=$1 pattern=$2 said status=0
	shift 2
	said=$("$@" 2>&1 >/dev/null) || status=$?
	note "refused ($status): $said"
	[[ $status == "$code" ]] ||
		fail "'${*:1:6}' ended with $status and not with $code, and said: ${said:0:300}"
	has "what '${*:1:6}' said" "$pattern" "$said"
}

done_() { # COMMAND...: it ends with 0, else the case fails with what it said.
	local said status=0
	said=$("$@" 2>&1) || status=$?
	note "$ ${*:1:8} -> $status ${said//$'\n'/ | }"
	[[ $status == 0 ]] || fail "'${*:1:8}' ended with $status: ${said:0:400}"
}

# field EXPRESSION: of the JSON document on standard input, called d.
field() {
	python3 -c 'import json, sys
d = json.load(sys.stdin)
v = eval(sys.argv[1], {"d": d})
print(v if not isinstance(v, bool) else str(v).lower())' "$1"
}

# ---------------------------------------------------------------- VMs

vm_of() { ctl vm show "$1" --json | field "$2"; }
state() { vm_of "$1" 'd["state"]'; }
owner() { vm_of "$1" 'd["owner_name"]'; }
detail() { vm_of "$1" 'd["detail"]'; }

is_state() {
	local seen
	seen=$(state "$1") && echo "$seen" && [[ $seen == "$2" ]]
}

runs() { is_state "$1" running; }
runs_on() { vm_of "$1" 'd["state"] + " on " + d["owner_name"]' | tee /dev/stderr | grep -x "running on $2" >/dev/null; }
exists() { ctl vm show "$1" >/dev/null; }
# A VM's operation has ended; or none of any is under way.
settled() { [[ $(vm_of "$1" 'd["phase"] in ("run", "off", "failed")') == true ]]; }

guests=()

# add NAME [OPTION OF vm add...]: with XML from $guest_memory and $guest_cmdline_more.
add() {
	local name=$1
	shift
	guests+=("$name")
	# shellcheck disable=SC2154
	lab guest "$name" "${guest_mib:-96}" "${guest_options:-}" >"$scratch/$name.xml"
	done_ ctl vm add - --no-wait "$@" <"$scratch/$name.xml"
}

# Adds it, on that node, and waits until it ticks.
add_on() {
	local name=$1 node=$2
	shift 2
	add "$name" --stopped "$@"
	start_on "$name" "$node"
}

start_on() {
	local name=$1 node=$2 before
	before=$(ticks "$name")
	done_ ctl vm set "$name" prefer="$node"
	done_ ctl vm start "$name"
	until_true "$name ticks" ticked "$name" "$before" 3
	[[ $(owner "$name") == "$node" ]] || done_ ctl vm migrate "$name" "$node"
}

# ---------------------------------------------------------------- ticks
# A line of the log: ARRIVED_MS SOURCE_IP NAME BOOT UPTIME_S SEQ STRANGE SOURCE_PORT

tick_log() { echo "$lab_dir/ticks/$1.log"; }
ticks() { wc -l 2>/dev/null <"$(tick_log "$1")" || echo 0; }
# ticked NAME LINES [MORE]: more than so many lines since then.
ticked() { (($(ticks "$1") >= $2 + ${3:-1})); }
ticked_on() { tail -n +$(($3 + 1)) "$(tick_log "$1")" 2>/dev/null | grep "^[0-9]* 10\.78\.0\.${2#n} " >/dev/null; }
boot() { tail -n 1 "$(tick_log "$1")" | cut -d ' ' -f 4; }
boots() { cut -d ' ' -f 4 2>/dev/null <"$(tick_log "$1")" | uniq | wc -l; }
ticks_of_boot() { [[ $(boot "$1") == "$2" ]]; }
other_boot() { [[ $(boot "$1") != "$2" ]]; }

ticks_on() { # NAME: goes on ticking from now on
	until_true "$1 goes on ticking" ticked "$1" "$(ticks "$1")" 5
}

# Silence: no tick arrives while ten looks are taken.
silent() {
	local name=$1 before
	before=$(ticks "$name")
	always 10 "$name is silent" test "$(ticks "$name")" == "$before"
	equal "ticks of $name, which is off" "$before" "$(ticks "$name")"
}

# ---------------------------------------------------------------- nodes

nodes() { seq -f n%g "$(sed -n 's/^nodes=//p' "$lab_dir/settings")"; }
others() { nodes | grep -vx "$1"; }
node_of() { ctl node show "$1" --json | field "$2"; }
node_is() { node_of "$1" 'd["state"]' | tee /dev/stderr | grep -x "$2" >/dev/null; }
lost_or_off() { node_of "$1" 'd["state"]' | tee /dev/stderr | grep -xE 'lost|off' >/dev/null; }

# How the daemon there sees the cluster: open or not.
open_on() { [[ $(ctl_on "$1" status --json | field 'd["standing"]["open"]') == true ]]; }
closed_on() { [[ $(ctl_on "$1" status --json | field 'd["standing"]["open"]') == false ]]; }

answers() {
	local status=0
	ctl_on "$1" status >/dev/null 2>&1 || status=$?
	((status <= 2))
}

# In the pid namespace of a node: the QEMU processes of a guest, or of all.
qemu_pids() { lab exec "$1" pgrep -f "^[^ ]*qemu-system[^ ]* -name guest=${2:+$2,}" || true; }
has_qemu() { [[ -n $(qemu_pids "$@") ]]; }
no_qemu() { [[ -z $(qemu_pids "$@") ]]; }

is_on() { [[ $(lab status | awk -v n="$1" '$1 == n { print $2 }') == on* ]]; }

clusterd_pid() { lab exec "$1" cat /run/lab/clusterd.pid; }
agent_pids() { lab exec "$1" pgrep -P "$(clusterd_pid "$1")" || true; }
kill_agents() {
	local pid
	for pid in $(agent_pids "$1"); do
		lab exec "$1" bash -c "kill -KILL $pid" || true
	done
}

# arm_kill VM PHASE "clusterd NODE"|"agents NODE": when the VM comes to that phase.
arm_kill() {
	local node=${3#* } pids
	if [[ $3 == clusterd* ]]; then pids=$(clusterd_pid "$node"); else pids=$(agent_pids "$node"); fi
	# What the last trap said must not be taken for this one's word.
	rm -f "$scratch/kill_at"
	# shellcheck disable=SC2086
	python3 "$lab_home/lib/kill_at.py" "$(cat "$lab_dir/nodes/$node/pid")" "$1" "$2" $pids \
		>"$scratch/kill_at" 2>&1 &
	killer=$!
	until_true "the trap is set" grep -q armed "$scratch/kill_at"
}

# Whether the phase was met.
was_killed() {
	local status=0
	wait "$killer" || status=$?
	cat "$scratch/kill_at"
	return $status
}

# Kills the daemon, and comes back when another one has come up and answers.
kill_daemon() {
	local before
	before=$(clusterd_pid "$1")
	lab service "$1" kill clusterd
	until_true "another clusterd on $1" another_daemon "$1" "$before"
}

another_daemon() {
	local now
	now=$(clusterd_pid "$1" 2>/dev/null) && [[ $now != "$2" ]] && answers "$1"
}

all_up() {
	[[ $(ctl node list --json | field 'all(n["state"] == "up" and n["ready"] and n["facts"]["agent_ok"] for n in d)') == true ]]
}

agents_ok() { [[ $(ctl node list --json | field 'all(n["facts"]["agent_ok"] for n in d)') == true ]]; }
no_vm() { [[ $(ctl vm list --json | field 'len(d)') == 0 ]]; }
nothing_under_way() {
	[[ $(ctl operation list --json | field 'sum(o["outcome"] == "running" for o in d)') == 0 ]]
}

# ---------------------------------------------------------------- events

last_event() { ctl events --limit 1 --json | field 'max([e["id"] for e in d] + [0])'; }
# "subject: text" of each event since the case began, oldest first.
events() {
	ctl events --limit 1000 --json | field "'\n'.join(e['subject'] + ': ' + e['text'] for e in d if e['id'] > $first_event)"
}
happened() { events | grep -- "$1" >/dev/null; }
count_events() { events | grep -c -- "$1" || true; }

# before ONE OTHER: both happened, the first of ONE ahead of the first of OTHER.
before() {
	local all one other
	all=$(events)
	one=$(grep -n -m 1 -- "$1" <<<"$all" | cut -d : -f 1 || true)
	other=$(grep -n -m 1 -- "$2" <<<"$all" | cut -d : -f 1 || true)
	[[ -n $one && -n $other ]] && ((one < other)) ||
		fail "'$1' (event ${one:-none}) did not come before '$2' (event ${other:-none})"
}

# ---------------------------------------------------------------- settings

changed_settings=()
# set_for_now NAME VALUE: until the case ends.
set_for_now() {
	changed_settings+=("$1=$(ctl settings get "$1")")
	done_ ctl settings set "$1" "$2"
}

# ---------------------------------------------------------------- begin and end

# Nodes whose power-off is right in this case.
may_be_fenced=()
may_fence() { may_be_fenced+=("$@"); }

# What a node's services have said since the case began.
new_lines() { # FILE
	local file=$1 from
	from=$(cat "$scratch/${file//\//_}.length" 2>/dev/null || echo 0)
	tail -c +$((from + 1)) "$file" 2>/dev/null || true
}

logs_of_nodes() { ls "$lab_dir"/nodes/*/console.log "$lab_dir"/nodes/*/var/log/clusterd.log 2>/dev/null; }

healthy() {
	until_true "the cluster is healthy" all_up
	until_true "nothing is under way" nothing_under_way
	equal "VMs" true "$(no_vm && echo true || echo false)"
}

case_begin() {
	local file
	for file in $(logs_of_nodes); do
		wc -c <"$file" >"$scratch/${file//\//_}.length"
	done
	healthy
	first_event=$(last_event)
}

# Killed (137) by a case or stopped (143, 0) is well; anything else a crash.
no_crash() {
	local file bad crash
	crash='^clusterd, pid [0-9]+, ended with status (13[0-689]|13[0-9][0-9]|[1-9]|1[0-24-9]|[2-9][0-9])$'
	crash+='|[Aa]ssertion|signal[ =](6|11|4|7|8)\b|SIG(ABRT|SEGV|BUS|ILL|FPE)'
	crash+='|Sanitizer|runtime error:|set aside|store damaged'
	for file in $(logs_of_nodes); do
		bad=$(new_lines "$file" | grep -E "$crash") || continue
		fail "${file#"$lab_dir"/nodes/}: ${bad%%$'\n'*}"
	done
}

no_wrong_fence() {
	local fenced node
	for fenced in $(events | sed -n 's/^node \([^:]*\): being fenced through .*/\1/p' | sort -u); do
		for node in "${may_be_fenced[@]}"; do
			[[ $node != "$fenced" ]] || continue 2
		done
		fail "$fenced was fenced: $(events | grep "^node $fenced: " | tail -n 3 | paste -sd '|')"
	done
}

never_two_writers() {
	local name said
	for name in "${guests[@]}"; do
		[[ -s $(tick_log "$name") ]] || continue
		said=$(lab writers "$name" 2>&1) || fail "$name ran twice: $said"
	done
}

# The same records on every node.
view_of() { # NODE
	ctl_on "$1" vm list --json
	ctl_on "$1" settings get --json
	ctl_on "$1" fence list --json
	ctl_on "$1" volume list --json
}
agree() {
	local node first
	first=$(view_of "$via")
	for node in $(others "$via"); do
		[[ $(view_of "$node") == "$first" ]] || { echo "$node and $via differ" && return 1; }
	done
}

remove_vms() {
	local name
	for name in $(ctl vm list --json | field '" ".join(v["name"] for v in d)'); do
		ctl vm set "$name" managed=yes >/dev/null 2>&1 || true
		ctl vm stop "$name" --force --no-wait >/dev/null 2>&1 || true
		until_true "$name is off" is_off "$name"
		done_ ctl vm remove "$name"
	done
}
is_off() { vm_of "$1" 'd["state"] + " " + str(len(d["maybe"]))' | tee /dev/stderr | grep -E '^(stopped|failed) 0$' >/dev/null; }

case_end() {
	local entry node
	note "the end: safety"
	never_two_writers
	no_wrong_fence
	no_crash
	for entry in "${changed_settings[@]}"; do
		done_ ctl settings set "${entry%%=*}" "${entry#*=}"
	done
	remove_vms
	until_true "all nodes have the same records" agree
	for node in $(nodes); do
		equal "QEMU processes on $node after all VMs were removed" "" "$(qemu_pids "$node")"
	done
	no_crash
}
