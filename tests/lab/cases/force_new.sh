# shellcheck shell=bash disable=SC2154
# one node goes on when the others are gone for good, and a backup when all stores are
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: fresh
# limit: 420
may_fence n2 n3
via=n1
daemon() { lab exec "$1" "$LAB_BUILD/clusterd/clusterd" "${@:2}"; }
# It says by its exit that not all is well.
look() { ctl_on "${1:-n1}" status --json || true; }
voters() { look | field '" ".join(map(str, d["quorum"]["voters"]))'; }
vote() { [[ $(voters) == "$1" ]]; }
up() { [[ $(ctl node show "$1" --json | field 'd["state"]') == up ]]; }
uuid() { look | field 'd["cluster"]["uuid"]'; }
forced() { look | field 'd["cluster"]["forced"] is not None'; }
move_away() { lab exec "$1" sh -c 'mkdir -p /var/lib/clusterd/old && mv /var/lib/clusterd/cluster.db* /var/lib/clusterd/old/'; }
join_wiped() {
	lab service "$1" stop clusterd
	move_away "$1"
	lab service "$1" start clusterd
	until_true "$1 is up" up "$1"
}
add_on force-a n1
add_on force-b n2
add force-off --stopped
cluster=$(look | field 'd["cluster"]["name"]')
before=$(uuid)

note "a backup"
done_ ctl backup "$scratch/one.backup"
has "who may read it" '^600 ' "$(stat -c '%a %s' "$scratch/one.backup")"
refused 1 'is there already' ctl backup "$scratch/one.backup"
has "what it says as JSON" true "$(ctl backup --force --json "$scratch/one.backup" | field 'd["index"] > 0 and d["size"] > 4096')"
no_rest() { [[ -z $(lab exec n1 sh -c 'ls -d /var/lib/clusterd/cluster.db.copy /var/lib/clusterd/restore 2>/dev/null') ]]; }
no_rest || fail "something is left of it"

note "two nodes are gone"
boot_a=$(boot force-a)
lab service n2 stop clusterd
lab service n3 stop clusterd
lab kill n2 & lab kill n3 & wait
until_true "n1 has no quorum" closed_on n1
done_ ctl backup "$scratch/two.backup"
refused 1 'another clusterd runs' daemon n1 --force-new-cluster
lab service n1 stop clusterd
has "what would be" 'Nothing was changed' "$(daemon n1 --force-new-cluster || true)"
refused 78 "this is cluster $cluster, and not other" daemon n1 --force-new-cluster --yes other
done_ daemon n1 --force-new-cluster --yes "$cluster"
has "what a second one would be" 'was forced already, on n1' "$(daemon n1 --force-new-cluster || true)"
lab service n1 start clusterd
until_true "n1 goes on" open_on n1
differ "the uuid" "$before" "$(uuid)"
has "the status" 'forced anew on n1' "$(ctl status || true)"
equal "who votes" 1 "$(voters)"
until_true "its own guest is taken over" runs_on force-a n1
ticks_on force-a
equal "the boot of the guest that ran on" "$boot_a" "$(boot force-a)"

note "what ran on the others starts when their devices say off, new ones too"
until_true "force-b runs on n1" runs_on force-b n1
add_on force-new n1
equal "the VM that was off" stopped "$(state force-off)"

note "they come back: one with its old store is refused, wiped it joins"
lab start n2
until_true "n2 is known to be of another cluster" \
	eval '[[ $(ctl node show n2 --json | field "d[\"left_out\"]") == *"belongs to another cluster"* ]]'
has "what n2 says" 'goes on with a new cluster that was forced from this one' "$(look n2 | field 'd["standing"]["why_not"]')"
join_wiped n2
lab start n3
join_wiped n3
until_true "all vote again" vote "1 2 3"
equal "a notice in the status" false "$(forced)"

note "all stores are lost, and guests run on"
done_ ctl vm migrate force-b n2
done_ ctl backup "$scratch/three.backup"
done_ ctl vm migrate force-new n3
boots_before="$(boot force-a) $(boot force-b) $(boot force-new)"
for node in n1 n2 n3; do lab service "$node" stop clusterd; done
for node in n1 n2 n3; do move_away "$node"; done
cp "$scratch/three.backup" "$scratch/cut.backup"
truncate -s 20480 "$scratch/cut.backup"
refused 78 'damaged' daemon n1 --restore "$scratch/cut.backup" --yes "$cluster"
refused 78 'give --as n2' daemon n2 --restore "$scratch/three.backup"
has "what would be" 'Nothing was changed' "$(daemon n1 --restore "$scratch/three.backup" || true)"
done_ daemon n1 --restore "$scratch/three.backup" --yes "$cluster"
refused 78 'This node has a store' daemon n1 --restore "$scratch/three.backup" --yes "$cluster"
lab service n1 start clusterd
until_true "n1 goes on" open_on n1
until_true "force-a is found" runs_on force-a n1
for node in n2 n3; do lab service "$node" start clusterd; done
until_true "force-b is found" runs_on force-b n2
until_true "force-new is found where nobody on record moved it" runs_on force-new n3
until_true "all vote again" vote "1 2 3"
for name in force-a force-b force-new; do ticks_on $name; done
equal "the boots of guests" "$boots_before" "$(boot force-a) $(boot force-b) $(boot force-new)"
