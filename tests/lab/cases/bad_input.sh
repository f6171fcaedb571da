# shellcheck shell=bash disable=SC2154
# input that is refused: a sentence, an exit code, and nothing changed
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
name=bad-input
add $name --stopped
xml=$scratch/$name.xml
records() { ctl vm list --json && ctl settings get --json && ctl node list --json | field 'd[0]["name"]'; }
before=$(records)
add_file() { ctl vm add - --no-wait "$@" <"$scratch/bad.xml"; }
variant() { sed "s/<name>.*</<name>bad-other</; /<uuid>/d; $1" "$xml" >"$scratch/bad.xml"; }

refused 3 'bad-none' ctl vm show bad-none
refused 3 'bad-none' ctl vm start bad-none
refused 3 'bad-none' ctl vm remove bad-none
cp "$xml" "$scratch/bad.xml"
refused 1 "already" add_file
printf '<domain type="qemu"><name>x</name' >"$scratch/bad.xml"
refused 1 '.' add_file
: >"$scratch/bad.xml"
refused 1 '.' add_file
variant "1i <!DOCTYPE domain [<!ENTITY a \"b\">]>"
refused 1 'DOCTYPE|DTD|document type' add_file
{ echo '<description>' && head -c 70000 /dev/zero | tr '\0' x && echo '</description>'; } >"$scratch/pad"
variant "/<vcpu>/r $scratch/pad"
refused 1 '.' add_file
nvram='<loader readonly="yes" type="pflash">/usr/share/OVMF/OVMF_CODE.fd</loader>'
nvram+='<nvram>/var/lib/libvirt/qemu/nvram/x.fd</nvram>'
variant "s|</os>|$nvram</os>|"
refused 1 'ha=no|nvram|NVRAM' add_file
variant 's|<name>.*|<name>not a name;</name>|'
refused 1 '.' add_file
variant 's|<vcpu>.*|<vcpu>70000</vcpu>|'
refused 1 'at most [0-9]* on any node' add_file
variant ''
refused 1 'high, medium or low' add_file --set priority=highest
refused 2 'colour' add_file --set colour=red
refused 1 'stop_timeout is a time like 90s or 5m' add_file --set stop_timeout=90x
refused 1 'stop timeout of bad-other may be at most' add_file --set stop_timeout=9999999s
refused 1 'owners names n1 twice' add_file --set owners=n1,n2,n1
refused 3 'n9' add_file --set owners=n9
refused 1 'priority' ctl vm set $name priority=highest
refused 2 'colour' ctl vm set $name colour=red
refused 3 'n9' ctl vm set $name owners=n1,n9
refused 1 'stop_timeout' ctl vm set $name stop_timeout=soon
refused 1 'stop_timeout' ctl vm set $name stop_timeout=9999999s
refused 1 'prefer names n1 twice' ctl vm set $name prefer=n1,n1
refused 3 'no.such' ctl settings set no.such 1
refused 3 "did you mean 'fence.budget'" ctl settings set fence.buget 1
refused 1 'fence.budget' ctl settings set fence.budget many
refused 1 '.' ctl settings set migration.connect_uri qemu+tcp://here/system
refused 3 'n9' ctl node set n9 placement=no
refused 1 'placement' ctl node set n1 placement=perhaps
refused 2 'password' ctl fence add bad fence_ipmilan --node n1 ip=1.2.3.4 password=x
refused 2 "no parameter 'ipp'; did you mean 'ip'" ctl fence add bad fence_ipmilan --node n1 ipp=1.2.3.4
refused 1 'fence agent' ctl fence add bad bash --node n1 ip=1.2.3.4
refused 1 'not from its power' ctl fence add bad fence_scsi --node n1
refused 2 '.' ctl vm sing $name
refused 2 '.' ctl vm set $name
for command in guest kill exec up; do
	has "lab $command --help" '^usage: lab' "$(lab $command --help)"
done
equal "the records after all that" "$before" "$(records)"

note "no capacity: one more guest, too large for any node"
sed 's|<name>.*<|<name>bad-huge<|; /<uuid>/d; s|<memory .*|<memory unit="MiB">900000</memory>|; s|disks/bad-input|disks/bad-huge|' \
	"$xml" >"$scratch/bad.xml"
done_ add_file --stopped
before=$(records)
refused 1 'MiB' ctl vm start bad-huge
equal "the records after a start that no node can bear" "$before" "$(records)"
