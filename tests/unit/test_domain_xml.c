/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/xml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/data.h"
#include "tests/unit/unit.h"
#include "wire/check.h"

#define UUID "24a2fa07-4b94-5348-8da7-519dd38d7895"
#define HEAD "<domain type='kvm'><name>web1</name><uuid>" UUID "</uuid>"
#define MEM "<memory unit='MiB'>512</memory><vcpu>2</vcpu>"
#define OS "<os><type>hvm</type></os>"
#define DEVICES(devices) HEAD MEM OS "<devices>" devices "</devices></domain>"
#define DISK(target) "<disk type='file'><source file='/v/a.raw'/><target dev='" target "'/></disk>"

static const char *const volumes[] = { "/clusterstorage/data1" };
static const struct domain_rules rules = {
	.memory_max_mib = 4096,
	.vcpus_max = 8,
	.volumes = volumes,
	.volumes_n = 1,
	.refuse_local_state = true,
};

static struct domain *read_ok(const char *xml, size_t size, const struct domain_rules *by)
{
	struct domain *domain = NULL;
	char why[DOMAIN_WHY_SIZE] = "";
	int r = domain_read(xml, size, by, &domain, why, sizeof(why));

	if (r < 0)
		printf("refused: %s\n", why);
	CU_ASSERT_EQUAL_FATAL(r, 0);
	return domain;
}

static void test_refused(void)
{
	static const struct {
		const char *xml, *why;
	} cases[] = {
		{ "", "the definition is empty" },
		{ "hello", "not well-formed XML: line 1: Start tag expected" },
		{ "<domain>\n<name>\n</domain>",
		  "not well-formed XML: line 3: Opening and ending tag" },
		{ HEAD, "not well-formed XML: line 1: " },
		{ "<domain type='kvm'><name>x&y;</name></domain>",
		  "not well-formed XML: line 1: Entity" },
		{ "<domain type='kvm'><qemu:commandline/></domain>", "Namespace prefix qemu" },
		{ "<network/>", "outermost element is <network>, not <domain>" },
		{ "<x:domain xmlns:x='urn:x'/>", "not <domain>" },
		{ "<!DOCTYPE domain><domain/>", "document type (<!DOCTYPE>)" },
		{ "<!DOCTYPE d [<!ENTITY a 'b'>]><domain/>", "document type (<!DOCTYPE>)" },
		{ HEAD MEM OS "<devices/><devices/></domain>", "has two <devices>" },
		{ HEAD MEM OS "<name>b</name></domain>", "has two <name>" },
		{ "<domain/>", "the domain's type is \"\": only kvm and qemu" },
		{ "<domain type='xen'/>", "the domain's type is \"xen\"" },
		{ "<domain type='kvm'><os><type>exe</type></os></domain>",
		  "<os><type> is \"exe\"" },
		{ "<domain type='kvm'>" OS "</domain>", "has no <name>" },
		{ "<domain type='kvm'>" OS "<name> </name></domain>", "has no <name>" },
		{ "<domain type='kvm'>" OS "<name>a b</name></domain>",
		  "the name \"a b\" is not good" },
		{ "<domain type='kvm'>" OS "<name>../x</name></domain>",
		  "the name \"../x\" is not good" },
		{ "<domain type='kvm'>" OS
		  "<name>a123456789012345678901234567890123456789012345678901234567890123</name>"
		  "</domain>",
		  "is not good" },
		{ "<domain type='kvm'>" OS "<name>a</name></domain>", "has no <uuid>" },
		{ "<domain type='kvm'>" OS "<name>a</name><uuid>12</uuid></domain>",
		  "the uuid \"12\"" },
		{ "<domain type='kvm'>" OS "<name>a</name><uuid>" UUID "0</uuid></domain>",
		  "the uuid" },
		{ HEAD OS "</domain>", "has no <memory>" },
		{ HEAD OS "<memory>0</memory></domain>", "<memory> is \"0 \"" },
		{ HEAD OS "<memory>-1</memory></domain>", "<memory> is \"-1 \"" },
		{ HEAD OS "<memory unit='MiBs'>1</memory></domain>", "<memory> is \"1 MiBs\"" },
		{ HEAD OS "<memory unit='EiB'>99999</memory></domain>",
		  "<memory> is \"99999 EiB\"" },
		{ HEAD OS "<memory unit='GiB'>5</memory></domain>",
		  "5120 MiB of memory, and no node has more "
		  "than 4096 MiB" },
		{ HEAD OS "<memory>1024</memory><vcpu>0</vcpu></domain>", "<vcpu> is \"0\"" },
		{ HEAD OS "<memory>1024</memory><vcpu>9</vcpu></domain>", "9 vCPUs, and no node" },
		{ "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
		  "<name>web1</name><uuid>" UUID "</uuid>" MEM OS
		  "<qemu:commandline><qemu:arg value='-x'/></qemu:commandline></domain>",
		  "QEMU options of its own (<qemu:commandline>)" },
		{ DEVICES("<hostdev mode='subsystem' type='pci'/>"),
		  "a pci device of the host (<hostdev>)" },
		{ DEVICES("<hostdev mode='subsystem' type='mdev' model='vfio-pci'/>"),
		  "a mdev device" },
		{ DEVICES("<interface type='hostdev'/>"), "(<interface type='hostdev'>)" },
		{ DEVICES("<tpm><backend type='passthrough'/></tpm>"), "the host's TPM" },
		{ DEVICES("<input type='evdev'><source dev='/dev/input/event1'/></input>"),
		  "input device" },
		{ DEVICES("<serial type='dev'><source path='/dev/ttyS0'/></serial>"),
		  "port /dev/ttyS0" },
		{ DEVICES("<smartcard mode='host'/>"), "a smartcard of the host" },
		{ DEVICES("<disk type='nvme'><target dev='vda'/></disk>"), "(<disk type='nvme'>)" },
		{ DEVICES("<disk type='file'><source file='/a'/></disk>"),
		  "a disk has no <target" },
		{ DEVICES("<disk type='file'><target dev='vda'/></disk>"),
		  "disk vda has no <source>" },
		{ DEVICES("<disk type='file'><source/><target dev='vda'/></disk>"),
		  "disk vda has no" },
		{ DEVICES("<disk type='wonder'><source file='/a'/><target dev='vda'/></disk>"),
		  "disk vda has no <source> that is understood" },
		{ DEVICES(DISK("vda") DISK("vdb") DISK("vda")), "two disks have the target vda" },
		{ DEVICES("<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"),
		  "keeps state on one node (TPM state in a directory of libvirt's)" },
		{ DEVICES("<filesystem type='mount'><source dir='/srv'/>"
			  "<target dir='t'/></filesystem>"),
		  "keeps state on one node (directory shared with the host /srv)" },
		{ HEAD MEM "<os firmware='efi'><type>hvm</type></os></domain>",
		  "(NVRAM in a directory of" },
		{ HEAD MEM "<os><type>hvm</type><loader type='pflash'>/x</loader>"
			   "<nvram>/var/x_VARS.fd</nvram></os></domain>",
		  "(NVRAM /var/x_VARS.fd)" },
		{ DEVICES("<lease><lockspace>a&#10;b</lockspace></lease>"),
		  "control characters (devices)" },
		{ HEAD MEM OS "<title>&#x85;</title></domain>", "holds control characters" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct domain *domain = NULL;
		char why[DOMAIN_WHY_SIZE] = "";
		int r = domain_read(cases[i].xml, strlen(cases[i].xml), &rules, &domain, why,
				    sizeof(why));

		CU_ASSERT_EQUAL(r, -EINVAL);
		CU_ASSERT_PTR_NULL(domain);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, cases[i].why));
		CU_ASSERT_TRUE(wire_text_ok(why, strlen(why), false));
		if (!strstr(why, cases[i].why))
			printf("case %zu: %d %s\n", i, r, why);
		domain_free(domain);
	}
}

static void test_taken(void)
{
	static const char *const cases[] = {
		HEAD MEM OS "</domain>",
		HEAD "<memory>524288</memory>" OS "</domain>",
		DEVICES(DISK("vda") DISK("vdb")),
		DEVICES("<disk type='file' device='cdrom'><target dev='sda'/></disk>"),
		DEVICES("<disk type='block' device='floppy'><target dev='fda'/></disk>"),
		DEVICES("<disk type='network'><source protocol='iscsi' name='iqn/1'/>"
			"<target dev='vda'/></disk>"),
		DEVICES("<lease><lockspace>s</lockspace><key>k</key><target path='/x'/></lease>"),
		DEVICES("<smartcard mode='passthrough' type='spicevmc'/>"),
		HEAD MEM "<os><type>hvm</type><loader type='pflash'>/x</loader>"
			 "<nvram>/clusterstorage/data1/x_VARS.fd</nvram></os></domain>",
		HEAD MEM
		"<os firmware='efi'><type>hvm</type><loader stateless='yes'/></os></domain>",
		"\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?>" HEAD MEM OS "</domain>",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(domain_freep) struct domain *domain =
			read_ok(cases[i], strlen(cases[i]), &rules);

		CU_ASSERT_STRING_EQUAL(domain_name(domain), "web1");
		CU_ASSERT_STRING_EQUAL(domain_uuid(domain), UUID);
		CU_ASSERT_EQUAL(domain_essence(domain)->memory_mib, 512);
		CU_ASSERT_EQUAL(domain_essence(domain)->n_local_state, 0);
	}
}

static void test_limits(void)
{
	_cleanup_(buf_free) struct buf xml = { 0 };
	struct domain *domain = NULL;
	char why[DOMAIN_WHY_SIZE] = "", small[10];

	buf_append_str(&xml, HEAD MEM OS "<description>");
	while (xml.len < 100 * 1024)
		buf_append_str(&xml, "words ");
	buf_append_str(&xml, "</description></domain>");
	CU_ASSERT_EQUAL(domain_read(buf_str(&xml), xml.len, NULL, &domain, why, sizeof(why)),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "bytes, more than the 48640 that a VM may have"));
	CU_ASSERT_EQUAL(domain_read(buf_str(&xml), DOMAIN_XML_MAX + 1, NULL, &domain, small,
				    sizeof(small)), -EINVAL);
	CU_ASSERT_STRING_EQUAL(small, "the defin");
	CU_ASSERT_EQUAL(domain_read("<a>\0</a>", 8, NULL, &domain, why, sizeof(why)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "zero byte"));
	CU_ASSERT_PTR_NULL(domain);
}

/* Small in XML, large in the record: devices count twice there, and the live ones again. */
static void test_many_devices(void)
{
	_cleanup_(buf_free) struct buf xml = { 0 };
	struct domain *domain = NULL;
	char why[DOMAIN_WHY_SIZE] = "", path[260];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	buf_append_str(&xml, HEAD MEM OS "<devices>");
	for (int i = 0; i < 64; i++)
		buf_printf(&xml,
			   "<disk type='file'><source file='/%s'/><target dev='vd%c%c'/></disk>",
			   path, 'a' + i / 26, 'a' + i % 26);
	buf_append_str(&xml, "</devices></domain>");
	CU_ASSERT_EQUAL(domain_read(buf_str(&xml), xml.len, NULL, &domain, why, sizeof(why)),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "too many devices"));
	buf_truncate(&xml, xml.len - strlen("</devices></domain>"));
	buf_append_str(&xml, "<disk type='file'><source file='/y'/><target dev='vdz'/></disk>"
			     "</devices></domain>");
	CU_ASSERT_EQUAL(domain_read(buf_str(&xml), xml.len, NULL, &domain, why, sizeof(why)),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "(disks)"));
}

static void test_uuid(void)
{
	static const char none[] =
		"<domain type='kvm'><name>a</name>" OS "<memory>1</memory></domain>";
	static const char raw[] = "<domain type='kvm'><name>a</name>" OS "<memory>1</memory>"
				  "<uuid>24A2FA074B9453488DA7519DD38D7895</uuid></domain>";
	struct domain_rules by = { .uuid = UUID };
	_cleanup_(domain_freep) struct domain *given = read_ok(none, sizeof(none) - 1, &by);
	_cleanup_(domain_freep) struct domain *own = read_ok(raw, sizeof(raw) - 1, NULL);
	_cleanup_(buf_free) struct buf text = { 0 };

	CU_ASSERT_STRING_EQUAL(domain_uuid(given), UUID);
	CU_ASSERT_STRING_EQUAL(domain_uuid(own), UUID);
	domain_canonical(given, &text);
	CU_ASSERT_PTR_NOT_NULL(strstr(buf_str(&text), "<uuid>" UUID "</uuid>"));
}

static void test_macs(void)
{
	static const char xml[] =
		DEVICES("<interface type='bridge'><source bridge='br0'/></interface>"
			"<interface type='user'><mac/></interface>"
			"<interface type='user'>"
			"<mac address='52:54:00:00:00:01'/></interface>");
	_cleanup_(domain_freep) struct domain *one = read_ok(xml, sizeof(xml) - 1, NULL);
	_cleanup_(domain_freep) struct domain *two = read_ok(xml, sizeof(xml) - 1, NULL);
	const Wire__Essence *essence = domain_essence(one);

	CU_ASSERT_EQUAL_FATAL(essence->n_nics, 3);
	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(strlen(essence->nics[i]->mac), 17);
		CU_ASSERT_EQUAL(strncmp(essence->nics[i]->mac, "52:54:00:", 9), 0);
		CU_ASSERT_STRING_EQUAL(essence->nics[i]->mac, domain_essence(two)->nics[i]->mac);
	}
	CU_ASSERT_STRING_NOT_EQUAL(essence->nics[0]->mac, essence->nics[1]->mac);
	CU_ASSERT_STRING_NOT_EQUAL(essence->nics[1]->mac, essence->nics[2]->mac);
}

static void test_canonical(void)
{
	static const char messy[] =
		"<?xml version='1.0'?><?pi x?><!-- a --><domain   id='7' type='kvm'>\n\n"
		"<name>\n  web1 </name><!-- b --><uuid>" UUID "</uuid>\r\n"
		"<description> a &lt; b &#252; <!-- c -->c</description>" MEM OS
		"<resource><partition>/machine</partition></resource><on_reboot>restart</on_reboot>"
		"<devices><emulator><![CDATA[/usr/bin/q&a]]></emulator>"
		"<interface type='network'><mac address='52:54:00:00:00:01'/>"
		"<source network='n' portid='p' bridge='virbr0'/><target dev='vnet3'/>"
		"<alias name='net0'/></interface>"
		"<interface type='bridge'><mac address='52:54:00:00:00:02'/>"
		"<source bridge='b'/><target dev='web1-lan'/><alias name='ua-lan'/></interface>"
		"</devices><seclabel type='dynamic' model='apparmor' relabel='yes'>"
		"<label>libvirt-x</label><imagelabel>libvirt-x</imagelabel></seclabel>"
		"<seclabel type='none' model='dac'/></domain>";
	static const char clean[] =
		"<domain type=\"kvm\">\n"
		"  <name>web1</name>\n"
		"  <uuid>" UUID "</uuid>\n"
		"  <description>a &lt; b \xc3\xbc c</description>\n"
		"  <memory unit=\"MiB\">512</memory>\n"
		"  <vcpu>2</vcpu>\n"
		"  <os>\n"
		"    <type>hvm</type>\n"
		"  </os>\n"
		"  <on_reboot>restart</on_reboot>\n"
		"  <devices>\n"
		"    <emulator>/usr/bin/q&amp;a</emulator>\n"
		"    <interface type=\"network\">\n"
		"      <mac address=\"52:54:00:00:00:01\"/>\n"
		"      <source network=\"n\"/>\n"
		"    </interface>\n"
		"    <interface type=\"bridge\">\n"
		"      <mac address=\"52:54:00:00:00:02\"/>\n"
		"      <source bridge=\"b\"/>\n"
		"      <target dev=\"web1-lan\"/>\n"
		"      <alias name=\"ua-lan\"/>\n"
		"    </interface>\n"
		"  </devices>\n"
		"  <seclabel type=\"none\" model=\"dac\"/>\n"
		"</domain>\n";
	_cleanup_(domain_freep) struct domain *domain = read_ok(messy, sizeof(messy) - 1, NULL);
	_cleanup_(buf_free) struct buf text = { 0 };

	domain_canonical(domain, &text);
	CU_ASSERT_STRING_EQUAL(buf_str(&text), clean);
	if (strcmp(buf_str(&text), clean) != 0)
		printf("%s", buf_str(&text));
}

/* For what libvirt itself writes: reading the canonical form gives the canonical form. */
static void test_idempotent(void)
{
	static const char *const files[] = {
		"domain/plain.xml", "domain/plain.live.xml", "domain/plain.live-inactive.xml",
		"domain/full.xml", "domain/full.live.xml", "domain/full.live-inactive.xml",
		"domain/terse.xml", "domain/terse.live.xml", "domain/terse.live-inactive.xml",
		"domain/firmware.xml", "domain/firmware.live.xml", "domain/full.changed.xml",
		"domain/devices.xml", "domain/devices.live.xml", "domain/devices.live-inactive.xml",
	};
	static const char *const gone[] = {
		"clusterd:",      "qemu\" id=", "/dev/pts",       "vnet",   "imagelabel",
		"target/domain-", "alias",      " index=\"5\"><", "state=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(buf_free) struct buf xml = { 0 };
		_cleanup_(buf_free) struct buf once = { 0 };
		_cleanup_(buf_free) struct buf twice = { 0 };
		_cleanup_(domain_freep) struct domain *first = NULL;
		_cleanup_(domain_freep) struct domain *second = NULL;

		data_read(files[i], &xml);
		first = read_ok(buf_str(&xml), xml.len, NULL);
		domain_canonical(first, &once);
		second = read_ok(buf_str(&once), once.len, NULL);
		domain_canonical(second, &twice);
		CU_ASSERT_STRING_EQUAL(buf_str(&once), buf_str(&twice));
		CU_ASSERT_EQUAL(domain_essence(first)->digest, domain_essence(second)->digest);
		for (size_t j = 0; j < ARRAY_SIZE(gone); j++)
			CU_ASSERT_PTR_NULL(strstr(buf_str(&once), gone[j]));
	}
}

UNIT_MAIN("domain/xml", { "refused", test_refused }, { "taken", test_taken },
	  { "limits", test_limits }, { "many_devices", test_many_devices }, { "uuid", test_uuid },
	  { "macs", test_macs }, { "canonical", test_canonical }, { "idempotent", test_idempotent })
