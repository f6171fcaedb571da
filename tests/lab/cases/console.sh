# shellcheck shell=bash disable=SC2154
# the serial console follows a guest that moves, and is one person's
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

# Who is thrown out is told so and ends, and does not come back by the next move.
"${ctl_n1[@]}" vm console $name </dev/null >/dev/null 2>"$scratch/first" &
first=$!
until_true "the first console is open" grep -q "^Console of $name on" "$scratch/first"
"${ctl_n1[@]}" vm console $name --force </dev/null >/dev/null 2>"$scratch/second" &
second=$!
status=0
wait $first || status=$?
equal "exit of the console that was taken over" 1 $status
grep -q "was taken over by another console" "$scratch/first" || fail "not said: $(<"$scratch/first")"
done_ ctl vm migrate $name n2
until_true "the other one follows" grep -q "moved from n3 to n2" "$scratch/second"
done_ ctl vm stop $name --force
wait $second || fail "the console of a VM that is off ended with $?: $(<"$scratch/second")"
