# shellcheck shell=bash disable=SC2154
# an edit of a running VM waits for its next start
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=pending-edit
add_on $name n1
cat >"$scratch/editor" <<-'END'
	#!/bin/sh
	sed -i "s|<memory unit=.*|<memory unit='MiB'>128</memory>|; /<currentMemory/d" "$1"
END
chmod +x "$scratch/editor"
edit() { lab exec n1 env EDITOR="$scratch/editor" TMPDIR="$scratch" "$LAB_BUILD/clusterctl/clusterctl" vm edit "$@"; }
live_kib() { lab exec "$(owner $name)" virsh dominfo $name | awk '/^Max memory:/ { print $3 }'; }

has "what vm edit says" 'runs on as it was until it is stopped and started' "$(edit $name 2>&1)"
equal "pending" true "$(vm_of $name 'd["pending_restart"]')"
has "vm show says so" 'waits for the next start' "$(ctl vm show $name)"
equal "memory of the record" 128 "$(vm_of $name 'd["essence"]["memory_mib"]')"
equal "memory of what runs" $((96 * 1024)) "$(live_kib)"
equal "memory told as in force" 96 "$(vm_of $name 'd["in_force"]["memory_mib"]')"
equal "memory told as pending" 128 "$(vm_of $name 'd["at_next_start"]["memory_mib"]')"
has "vm show tells both" 'memory  *96 MiB; pending: 128 MiB' "$(ctl vm show $name)"
ticks_on $name
done_ ctl vm migrate $name n2
equal "memory after a live move" $((96 * 1024)) "$(live_kib)"
equal "pending after a live move" true "$(vm_of $name 'd["pending_restart"]')"

done_ ctl vm stop $name
count=$(ticks $name)
done_ ctl vm start $name
until_true "it ticks" ticked $name "$count" 3
equal "pending after a start" false "$(vm_of $name 'd["pending_restart"]')"
equal "memory of what runs" $((128 * 1024)) "$(live_kib)"

note "an edit that is refused changes nothing, and the text is kept"
printf '#!/bin/sh\necho "<domain" >"$1"\n' >"$scratch/editor"
before=$(ctl vm dumpxml $name)
refused 1 '.' edit $name
equal "the definition" "$before" "$(ctl vm dumpxml $name)"
