# shellcheck shell=bash disable=SC2154
# one node after the other gets the next version, and one goes back too late
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: fresh
name=rolling
# Its exit says whether all is well, and that is asked elsewhere.
status() { ctl status "$@" || true; }
level() { status --json | field 'd["cluster"]["feature_level"]'; }
possible() { status --json | field 'd["cluster"]["feature_possible"]'; }
is_possible() { [[ $(possible) == "$1" ]]; }
left_out() { [[ -n $(node_of "$1" 'd["left_out"]') ]]; }

# install NODE this|next: as a package does it.
install_on() {
	lab service "$1" stop clusterd
	if [[ $2 == next ]]; then
		lab exec "$1" touch /etc/lab/clusterd.next
	else
		lab exec "$1" rm -f /etc/lab/clusterd.next
	fi
	lab service "$1" start clusterd
}

# What clusterctl does not know yet: a note of a VM, straight to the daemon. Prints what it says.
set_note() {
	lab exec "$via" python3 -c '
import json, socket, sys
daemon = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
daemon.connect("/run/clusterd/operator.sock")
change = {"name": sys.argv[1], "changes": [{"key": "note", "value": sys.argv[2]}]}
daemon.send(json.dumps({"id": 1, "do": "command", "command": {"vm_set": change}}).encode())
print(daemon.recv(65536).decode())' "$@"
}

add_on $name n2
one_boot=$(boot $name)
for node in n1 n2 n3; do
	note "$node gets the next version"
	equal "the level that all know" 1 "$(possible)"
	install_on "$node" next
	until_true "all are up" all_up
	[[ $node == n3 ]] ||
		has "what an upgrade says" 'n3 knows levels up to 1' "$(ctl cluster upgrade --yes 2>&1)"
	equal "the level" 1 "$(level)"
	has "what is said of a note" '"ok": *false' "$(set_note $name hello)"
	before=$(ticks $name)
	done_ ctl vm migrate $name "$node" --live
	until_true "it ticks on $node" ticked_on $name "$node" "$before"
done
until_true "all know the next level" is_possible 2
has "what the status says" 'all nodes could use 2: run clusterctl cluster upgrade' "$(status)"

note "one goes back, and comes again"
install_on n1 this
until_true "all are up" all_up
until_true "not all know it" is_possible 1
install_on n1 next
until_true "all are up" all_up
until_true "all know the next level" is_possible 2

note "the level is raised"
refused 1 'no way back' ctl cluster upgrade
equal "the level" 1 "$(level)"
done_ ctl cluster upgrade --yes
equal "the level" 2 "$(level)"
has "what is said of a note" '"ok": *true' "$(set_note $name hello)"
until_true "an event says so" happened 'note: hello'

note "an older version comes back"
via=n1
install_on n3 this
until_true "it is left out" left_out n3
has "why" 'knows feature levels up to 1, but the cluster is at 2' "$(node_of n3 'd["why"]')"
has "what it says itself" 'left out: the clusterd here' "$(ctl_on n3 status || true)"
ticks_on $name
equal "its boot" "$one_boot" "$(boot $name)"
install_on n3 next
until_true "all are up" all_up
equal "where it runs" n3 "$(owner $name)"
equal "its boot" "$one_boot" "$(boot $name)"
