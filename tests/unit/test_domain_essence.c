/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/essence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/data.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

#define A                                                                                          \
	"<domain type='kvm'><os><type machine='pc'>hvm</type></os><memory unit='MiB'>512</memory>" \
	"<vcpu>1</vcpu><devices>"
#define Z "</devices></domain>"
#define DISK(file) "<disk type='file'><source file='" file "'/><target dev='vda'/></disk>"

static Wire__Essence *essence_of(const char *xml, size_t size)
{
	Wire__Essence *essence = NULL;
	char why[DOMAIN_WHY_SIZE] = "";
	int r = domain_essence_read(xml, size, NULL, &essence, why, sizeof(why));

	if (r < 0)
		printf("refused: %s\n", why);
	CU_ASSERT_EQUAL_FATAL(r, 0);
	return essence;
}

static Wire__Essence *essence_of_file(const char *name)
{
	_cleanup_(buf_free) struct buf xml = { 0 };

	data_read(name, &xml);
	return essence_of(buf_str(&xml), xml.len);
}

/*
 * The point of it all: a definition and what libvirt 9.0 and QEMU 7.2 made of it. NAME.xml
 * is what an administrator wrote; NAME.live.xml is `virsh dumpxml` of the domain started
 * from domain_for_start() of its canonical form, NAME.live-inactive.xml the same with
 * --inactive.
 */
static void test_real(void)
{
	static const char *const names[] = { "plain", "full", "terse", "firmware",
					     "devices" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		static const char *const live[] = { "live", "live-inactive" };
		_cleanup_(domain_freep) struct domain *domain = NULL;
		_cleanup_(buf_free) struct buf xml = { 0 };
		char path[100], why[DOMAIN_WHY_SIZE], diff[1000];

		snprintf(path, sizeof(path), "domain/%s.xml", names[i]);
		data_read(path, &xml);
		CU_ASSERT_EQUAL_FATAL(domain_read(buf_str(&xml), xml.len, NULL, &domain, why,
						  sizeof(why)), 0);
		for (size_t j = 0; j < ARRAY_SIZE(live); j++) {
			_cleanup_(wire_freep) Wire__Essence *essence = NULL;

			snprintf(path, sizeof(path), "domain/%s.%s.xml", names[i], live[j]);
			essence = essence_of_file(path);
			domain_essence_diff(domain_essence(domain), essence, diff, sizeof(diff));
			CU_ASSERT_STRING_EQUAL(diff, "");
			CU_ASSERT_TRUE(domain_essence_equal(domain_essence(domain), essence));
			if (*diff)
				printf("%s: %s\n", path, diff);
		}
	}
}

static void test_content(void)
{
	_cleanup_(wire_freep) Wire__Essence *full = essence_of_file("domain/full.live.xml");
	_cleanup_(wire_freep) Wire__Essence *plain = essence_of_file("domain/plain.live.xml");
	_cleanup_(wire_freep) Wire__Essence *firmware = essence_of_file("domain/firmware.live.xml");
	const Wire__Disk *vda;

	CU_ASSERT_EQUAL(full->memory_mib, 128);
	CU_ASSERT_EQUAL(full->vcpus, 2);
	CU_ASSERT_STRING_EQUAL(full->virt_type, "qemu");
	CU_ASSERT_STRING_EQUAL(full->machine, "pc-q35-7.2");
	CU_ASSERT_EQUAL_FATAL(full->n_disks, 4);
	vda = full->disks[3];
	CU_ASSERT_STRING_EQUAL(vda->target, "vda");
	CU_ASSERT_STRING_EQUAL(vda->source, "/clusterstorage/data1/full.qcow2");
	CU_ASSERT_STRING_EQUAL(vda->format, "qcow2");
	CU_ASSERT_EQUAL_FATAL(vda->n_chain, 1);
	CU_ASSERT_STRING_EQUAL(vda->chain[0], "/clusterstorage/data1/base.raw");
	CU_ASSERT_TRUE(full->disks[0]->cdrom && full->disks[0]->readonly);
	CU_ASSERT_TRUE(full->disks[1]->shareable);
	CU_ASSERT_STRING_EQUAL(full->disks[1]->cache, "writeback");
	CU_ASSERT_STRING_EQUAL(full->disks[2]->source, "");
	CU_ASSERT_EQUAL(full->n_nics, 3);
	CU_ASSERT_EQUAL(full->n_devices, 8);
	CU_ASSERT_EQUAL(full->n_local_state, 0);
	CU_ASSERT_EQUAL_FATAL(plain->n_devices, 5);
	CU_ASSERT_STRING_EQUAL(plain->devices[0], "console udp virtio 127.0.0.1 7000");
	CU_ASSERT_STRING_EQUAL(plain->devices[1], "initrd /clusterstorage/boot/initrd");
	CU_ASSERT_STRING_EQUAL(plain->devices[2], "kernel /clusterstorage/boot/vmlinux");
	CU_ASSERT_STRING_EQUAL(plain->devices[3], "serial pty");
	CU_ASSERT_STRING_EQUAL(plain->devices[4], "video none");
	CU_ASSERT_EQUAL_FATAL(firmware->n_local_state, 1);
	CU_ASSERT_STRING_EQUAL(firmware->local_state[0],
			       "NVRAM /var/lib/libvirt/qemu/nvram/firmware_VARS.fd");
}

/* A snapshot, a disk and an interface hot-plugged, a medium ejected, all with virsh. */
static void test_changed(void)
{
	_cleanup_(wire_freep) Wire__Essence *before = essence_of_file("domain/full.live.xml");
	_cleanup_(wire_freep) Wire__Essence *after = essence_of_file("domain/full.changed.xml");
	char diff[1000];

	domain_essence_diff(before, after, diff, sizeof(diff));
	CU_ASSERT_STRING_EQUAL(diff,
		"disk sda: /clusterstorage/data1/install.iso -> none; "
		"disk sdd added (/clusterstorage/data1/hot.raw); "
		"disk vda: /clusterstorage/data1/full.qcow2 -> /clusterstorage/data1/snap.qcow2 "
		"(backing /clusterstorage/data1/full.qcow2, /clusterstorage/data1/base.raw); "
		"nic 52:54:00:99:99:99 added (bridge br-lab)");
	CU_ASSERT_FALSE(domain_essence_equal(before, after));
}

static void test_diff(void)
{
	static const struct {
		const char *a, *b, *diff;
	} cases[] = {
		{ A DISK("/a.raw") Z, A DISK("/a.raw") Z, "" },
		{ A DISK("/a.raw") Z,
		  "<domain type='kvm'><os><type machine='pc-i440fx-7.2'>hvm</type></os>"
		  "<memory unit='GiB'>1</memory><vcpu>1</vcpu><devices>"
		  "<disk type='file'><driver type='qcow2'/><source file='/snap.qcow2'/>"
		  "<backingStore type='file'><source file='/a.raw'/></backingStore>"
		  "<target dev='vda'/></disk>" Z,
		  "disk vda: /a.raw -> /snap.qcow2 (backing /a.raw); "
		  "disk vda: format raw -> qcow2; "
		  "memory 512 -> 1024 MiB" },
		{ A DISK("/a.raw") Z, A Z, "disk vda gone (/a.raw)" },
		{ A Z, A DISK("/a.raw") Z, "disk vda added (/a.raw)" },
		{ A DISK("/a") Z,
		  A "<disk type='file' device='cdrom'><driver cache='none'/><source file='/a'/>"
		    "<target dev='vda'/><shareable/></disk>" Z,
		  "disk vda: cache default -> none; disk vda: readonly no -> yes; "
		  "disk vda: cdrom no -> yes; disk vda: shareable no -> yes" },
		{ A
		  "<interface type='bridge'><mac address='52:54:00:0A:00:01'/><source bridge='a'/>"
		  "</interface>" Z,
		  A
		  "<interface type='network'><mac address='52:54:00:0a:00:01'/>"
		  "<source network='b'/>"
		  "<model type='virtio'/></interface>" Z,
		  "nic 52:54:00:0a:00:01: kind bridge -> network; "
		  "nic 52:54:00:0a:00:01: source a -> b; "
		  "nic 52:54:00:0a:00:01: model rtl8139 -> virtio" },
		{ A "<interface type='user'><mac address='1'/></interface>" Z, A Z,
		  "nic 1 gone (user)" },
		{ A "<rng model='virtio'/><tpm><backend type='emulator'/></tpm>" Z,
		  A "<rng model='virtio'/><sound model='ac97'/>" Z,
		  "device added: sound ac97; device gone: tpm emulator" },
		{ A Z,
		  "<domain type='qemu'><os><type machine='q35'>hvm</type></os>"
		  "<memory unit='MiB'>512</memory><vcpu>4</vcpu></domain>",
		  "vcpus 1 -> 4; type kvm -> qemu; machine pc -> q35" },
		/* none of this is a difference */
		{ A "<serial type='pty'/>" Z, A "<console type='pty'/>" Z, "" },
		{ A "<serial type='pty'/><console type='pty'/>" Z,
		  A "<serial type='pty'><source path='/dev/pts/1'/></serial>" Z, "" },
		{ A Z,
		  A "<input type='mouse' bus='ps2'/><input type='keyboard' bus='ps2'/>"
		    "<controller type='usb'/><audio id='1'/><memballoon model='virtio'/>"
		    "<watchdog model='itco' action='reset'/><video><model type='vga'/></video>"
		    "<emulator>/q</emulator>" Z,
		  "" },
		{ A "<graphics type='spice'/>" Z,
		  A "<graphics type='spice' port='5900' autoport='yes' tlsPort='5901'/>" Z, "" },
		{ A "<graphics type='vnc' port='5901'/>" Z,
		  A "<graphics type='vnc' port='5902' autoport='no'/>" Z,
		  "device gone: graphics vnc port 5901; device added: graphics vnc port 5902" },
		{ A "<channel type='spicevmc'/>" Z,
		  A "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0' "
		    "state='connected'/></channel>" Z,
		  "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(wire_freep) Wire__Essence *a = essence_of(cases[i].a, strlen(cases[i].a));
		_cleanup_(wire_freep) Wire__Essence *b = essence_of(cases[i].b, strlen(cases[i].b));
		char diff[1000] = "x";

		domain_essence_diff(a, b, diff, sizeof(diff));
		CU_ASSERT_STRING_EQUAL(diff, cases[i].diff);
		if (strcmp(diff, cases[i].diff) != 0)
			printf("case %zu: %s\n", i, diff);
		/* Words and digest never disagree. */
		CU_ASSERT_EQUAL(domain_essence_equal(a, b), *diff == 0);
	}
}

static void test_cut(void)
{
	static const char a[] = A DISK("/\xe2\x82\xac") Z, b[] = A Z;
	_cleanup_(wire_freep) Wire__Essence *with = essence_of(a, sizeof(a) - 1);
	_cleanup_(wire_freep) Wire__Essence *without = essence_of(b, sizeof(b) - 1);
	char diff[64], tiny[2];

	domain_essence_diff(with, without, diff, 24);
	CU_ASSERT_STRING_EQUAL(diff, "disk vda gone (/\xe2\x82\xac)");
	domain_essence_diff(with, without, diff, 20);
	CU_ASSERT_STRING_EQUAL(diff, "disk vda gone ( ...");
	domain_essence_diff(with, without, tiny, sizeof(tiny));
	CU_ASSERT_STRING_EQUAL(tiny, " ");
}

static void test_refused(void)
{
	_cleanup_(buf_free) struct buf xml = { 0 };
	Wire__Essence *essence = NULL;
	char why[DOMAIN_WHY_SIZE];

	CU_ASSERT_EQUAL(domain_essence_read("<x/>", 4, NULL, &essence, why, sizeof(why)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "not <domain>"));
	buf_append_str(&xml, "<domain><devices>");
	for (int i = 0; i < 257; i++)
		buf_append_str(&xml, "<sound model='ac97'/>");
	buf_append_str(&xml, "</devices></domain>");
	CU_ASSERT_EQUAL(
		domain_essence_read(buf_str(&xml), xml.len, NULL, &essence, why, sizeof(why)),
		-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "(devices)"));
	CU_ASSERT_PTR_NULL(essence);
}

/* A line that is too long is still one of its own. */
static void test_long_line(void)
{
	for (char last = 'a'; last <= 'b'; last++) {
		_cleanup_(buf_free) struct buf xml = { 0 };
		_cleanup_(wire_freep) Wire__Essence *essence = NULL;
		static uint64_t digest;

		buf_append_str(&xml, "<domain><os><kernel>/");
		for (int i = 0; i < 600; i++)
			buf_append_byte(&xml, 'x');
		buf_printf(&xml, "%c</kernel></os></domain>", last);
		essence = essence_of(buf_str(&xml), xml.len);
		CU_ASSERT_EQUAL_FATAL(essence->n_devices, 1);
		CU_ASSERT(strlen(essence->devices[0]) <= 512);
		CU_ASSERT_NOT_EQUAL(essence->digest, digest);
		digest = essence->digest;
	}
}

static void test_memory(void)
{
	static const struct {
		const char *xml;
		uint64_t mib;
	} cases[] = {
		{ "<memory>1</memory>", 1 },
		{ "<memory>1024</memory>", 1 },
		{ "<memory>1025</memory>", 2 },
		{ "<memory unit='b'>1048576</memory>", 1 },
		{ "<memory unit='bytes'>1048577</memory>", 2 },
		{ "<memory unit='KB'>1000</memory>", 1 },
		{ "<memory unit='k'>2048</memory>", 2 },
		{ "<memory unit='M'>3</memory>", 3 },
		{ "<memory unit='MB'>1000</memory>", 954 },
		{ "<memory unit='GiB'>2</memory>", 2048 },
		{ "<memory unit='G'> 2 </memory>", 2048 },
		{ "<memory unit='TiB'>1</memory>", 1048576 },
		{ "<memory unit='TB'>1</memory>", 953675 },
		{ "<memory unit='x'>1</memory>", 0 },
		{ "<memory unit='KiBB'>1</memory>", 0 },
		{ "<memory>1.5</memory>", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_free) struct buf xml = { 0 };
		_cleanup_(wire_freep) Wire__Essence *essence = NULL;

		buf_printf(&xml, "<domain>%s</domain>", cases[i].xml);
		essence = essence_of(buf_str(&xml), xml.len);
		CU_ASSERT_EQUAL(essence->memory_mib, cases[i].mib);
	}
}

static void test_chain_digest(void)
{
	static const char one[] = A DISK("/a.raw")
		"<disk type='file' device='cdrom'><source file='/1.iso'/><target dev='sda'/></disk>"
		"<disk type='file'><source file='/b'/><target dev='vdb'/></disk>" Z;
	static const char same[] =
		A "<disk type='file'><source file='/b'/><target dev='vdb'/></disk>"
		  "<disk type='file' device='cdrom'><target dev='sda'/></disk>" DISK("/a.raw") Z;
	static const char chained[] =
		A "<disk type='file'><source file='/a.raw'/><target dev='vda'/>"
		  "<backingStore type='file'><source file='/base'/></backingStore></disk>"
		  "<disk type='file'><source file='/b'/><target dev='vdb'/></disk>" Z;
	static const char swapped[] = A DISK("/b")
		"<disk type='file'><source file='/a.raw'/><target dev='vdb'/></disk>" Z;
	static const char *const xmls[] = { one, same, chained, swapped };
	char digests[4][DOMAIN_CHAIN_DIGEST_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(xmls); i++) {
		_cleanup_(wire_freep) Wire__Essence *essence = essence_of(xmls[i], strlen(xmls[i]));

		domain_chain_digest(essence->disks, essence->n_disks, digests[i]);
		CU_ASSERT_EQUAL(strlen(digests[i]), 16);
	}
	CU_ASSERT_STRING_EQUAL(digests[0], digests[1]);
	CU_ASSERT_STRING_NOT_EQUAL(digests[0], digests[2]);
	CU_ASSERT_STRING_NOT_EQUAL(digests[0], digests[3]);
	CU_ASSERT_STRING_NOT_EQUAL(digests[2], digests[3]);
	domain_chain_digest(NULL, 0, digests[0]);
	CU_ASSERT_STRING_EQUAL(digests[0], "");
}

UNIT_MAIN("domain/essence", { "real", test_real }, { "content", test_content },
	  { "changed", test_changed }, { "diff", test_diff }, { "cut", test_cut },
	  { "refused", test_refused }, { "long_line", test_long_line }, { "memory", test_memory },
	  { "chain_digest", test_chain_digest })
