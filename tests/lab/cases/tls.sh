# shellcheck shell=bash disable=SC2154
# live migration with TLS: of the memory, and of the connection; what is missing or wrong is named
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: fresh
name=tls
pki=$scratch/pki
pki_of() { echo "$lab_dir/nodes/$1/etc/pki"; }

command -v openssl >/dev/null || fail "no openssl here"
mkdir "$pki"
openssl_quietly() { openssl "$@" 2>&1 || fail "openssl $1 failed"; }

make_ca() { # NAME
	openssl_quietly req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=lab $1" \
		-keyout "$pki/$1.key" -out "$pki/$1.pem" -addext keyUsage=critical,keyCertSign
}

make_certificate() { # NODE
	openssl_quietly req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "$pki/$1.key" -out "$pki/$1.csr"
	cat >"$pki/$1.ext" <<-END
		subjectAltName = IP:10.77.0.${1#n}
		keyUsage = critical, digitalSignature, keyEncipherment
		extendedKeyUsage = serverAuth, clientAuth
	END
	openssl_quietly x509 -req -in "$pki/$1.csr" -CA "$pki/ca.pem" -CAkey "$pki/ca.key" -CAcreateserial \
		-days 2 -extfile "$pki/$1.ext" -out "$pki/$1.pem"
}

# give_qemu NODE [WHOSE]: for the memory.
give_qemu() {
	local to what
	to=$(pki_of "$1")/qemu
	mkdir -p "$to"
	cp "$pki/ca.pem" "$to/ca-cert.pem"
	for what in server client; do
		cp "$pki/${2:-$1}.pem" "$to/$what-cert.pem"
		cp "$pki/${2:-$1}.key" "$to/$what-key.pem"
	done
}
take_qemu() { rm -r "$(pki_of "$1")/qemu"; }

# For the connection from libvirtd to libvirtd.
give_libvirt() { # NODE
	local to what
	to=$(pki_of "$1")
	mkdir -p "$to/CA" "$to/libvirt/private"
	cp "$pki/ca.pem" "$to/CA/cacert.pem"
	for what in server client; do
		cp "$pki/$1.pem" "$to/libvirt/${what}cert.pem"
		cp "$pki/$1.key" "$to/libvirt/private/${what}key.pem"
	done
	sed -i 's/^listen_tls = 0/listen_tls = 1/' "$lab_dir/nodes/$1/etc/libvirt/libvirtd.conf"
	lab service "$1" restart libvirtd
}

stays() { # NODE OTHER
	until_true "it is settled" settled $name
	equal "where it is" "running $1" "$(state $name) $(owner $name)"
	until_true "nothing of it is left on $2" no_qemu "$2" $name
	ticks_on $name
}

encrypted_on() {
	lab exec "$1" virsh qemu-monitor-command $name '{"execute":"query-migrate-parameters"}' |
		field '[d["return"]["tls-creds"]]' | grep migrate_tls
}

make_ca ca
make_ca other
for node in n1 n2 n3; do
	make_certificate $node
done
add_on $name n1
one_boot=$(boot $name)
set_for_now migration.tls yes

note "no certificate anywhere, then on one side only"
refused 1 'migration.tls wants certificates.*ca-cert.pem: No such file' ctl vm migrate $name n2 --live
stays n1 n2
give_qemu n1
refused 1 'migration.tls wants certificates.*ca-cert.pem: No such file' ctl vm migrate $name n2 --live
stays n1 n2
take_qemu n1
give_qemu n2
refused 1 'migration.tls wants certificates.*ca-cert.pem: No such file' ctl vm migrate $name n2 --live
stays n1 n2

note "on both"
give_qemu n1
set_for_now migration.bandwidth_mib_s 8
done_ ctl vm migrate $name n2 --live --no-wait
until_true "its memory goes encrypted" encrypted_on n1
until_true "it runs on n2" runs_on $name n2
done_ ctl settings set migration.bandwidth_mib_s 0
equal "its boot" "$one_boot" "$(boot $name)"
ticks_on $name

note "the certificate of another node, and one of another CA"
give_qemu n3 n1
refused 1 'migration.tls wants certificates' ctl vm migrate $name n3 --live
stays n2 n3
give_qemu n3
cp "$pki/other.pem" "$(pki_of n3)/qemu/ca-cert.pem"
refused 1 'migration.tls wants certificates.*server-cert.pem failed validation' ctl vm migrate $name n3 --live
stays n2 n3
give_qemu n3
done_ ctl vm migrate $name n3 --live
ticks_on $name

note "the connection too, as is the default"
set_for_now migration.connect_uri 'qemu+tls://%s/system'
refused 1 '/etc/pki/CA/cacert.pem' ctl vm migrate $name n1 --live
stays n3 n1
for node in n1 n2 n3; do
	give_libvirt $node
done
until_true "all are up" all_up
until_true "the agents are well" agents_ok
for node in n1 n2; do
	done_ ctl vm migrate $name $node --live
	equal "owner" $node "$(owner $name)"
done
equal "its boot" "$one_boot" "$(boot $name)"
