# shellcheck shell=bash disable=SC2154
# the serial console follows a guest that moves
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=console
add_on $name n2
via=n1
python3 "$lab_home/lib/console.py" "$lab_home/lab" -d "$lab_dir" exec n1 \
	"$LAB_BUILD/clusterctl/clusterctl" vm console $name -- \
	"$lab_home/lab" -d "$lab_dir" exec n1 "$LAB_BUILD/clusterctl/clusterctl" vm migrate $name n3 ||
	fail "$(grep '^console:' "$scratch/console" 2>/dev/null || echo 'see the log')"
equal "owner" n3 "$(owner $name)"
