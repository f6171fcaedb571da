# shellcheck shell=bash disable=SC2154
# the serial console follows a guest that moves
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=console
add_on $name n2
via=n1
ctl_n1=("$lab_home/lab" -d "$lab_dir" exec n1 "$LAB_BUILD/clusterctl/clusterctl")
# A second session is refused, and told how to be the one; then the guest moves.
# shellcheck disable=SC2016	# the inner shell expands it
meanwhile='said=$(timeout 30 "$@" vm console "$0" 2>&1 </dev/null)
	[[ $said == *"vm console $0 --force"* ]] || { echo "$said"; exit 9; }
	exec "$@" vm migrate "$0" n3'
python3 "$lab_home/lib/console.py" "${ctl_n1[@]}" vm console $name -- \
	bash -c "$meanwhile" $name "${ctl_n1[@]}" ||
	fail "$(grep '^console:' "$scratch/console" 2>/dev/null || echo 'see the log')"
equal "owner" n3 "$(owner $name)"
