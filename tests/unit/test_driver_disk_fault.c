/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/disk_fault.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

/* As libvirt 9.0 and QEMU 7.2 say it. */
#define MONITOR "internal error: process exited while connecting to monitor: 2026-01-31T10:20:30Z "
#define QEMU MONITOR "qemu-system-x86_64: "
#define IN_USE "Failed to get shared \"write\" lock"

static Wire__Disk *new_disk(const char *target, const char *source, const char *below)
{
	Wire__Disk *disk = wire_new(&wire__disk__descriptor);

	wire_set(&disk->target, target);
	wire_set(&disk->source, source);
	if (below) {
		disk->chain = mem_new_array(char *, 1);
		disk->chain[disk->n_chain++] = mem_strdup(below);
	}
	return disk;
}

static void test_explained(void)
{
	static const struct {
		const char *said, *text; /* NULL: that alone */
	} cases[] = {
		{ "Cannot access storage file '/s/a.raw': No such file or directory",
		  "disk vda (/s/a.raw) is not there on this node: mount its storage, or correct "
		  "its path (Cannot access storage file '/s/a.raw': No such file or directory)" },
		{ QEMU "-device {\"drive\":\"x\"}: " IN_USE "\nIs another process using the image "
		       "[/s/a.raw.2]?",
		  "disk vdb (/s/a.raw.2) is in use by another process: that may be this very VM, "
		  "which runs elsewhere without the cluster knowing: look with virsh list on every "
		  "node first, and end nothing before that; if it is not, find what has it open, "
		  "on any node (fuser -v) (" QEMU "-device {\"drive\":\"x\"}: " IN_USE
		  " Is another process using the image [/s/a.raw.2]?)" },
		{ QEMU "-blockdev {\"filename\":\"/s/a.raw\"}: Could not open '/s/a.raw': "
		       "Permission denied",
		  "disk vda (/s/a.raw) may not be opened on this node: check its owner and mode, "
		  "those of the directories above it, and what AppArmor or SELinux denied "
		  "(journalctl -k) (" QEMU "-blockdev {\"filename\":\"/s/a.raw\"}: Could not open "
		  "'/s/a.raw': Permission denied)" },
		{ "Could not open '/s/base.raw': No such file or directory",
		  "a backing file of disk vdb (/s/a.raw.2) is not there on this node: mount its "
		  "storage, or correct its path (Could not open '/s/base.raw': No such file or "
		  "directory)" },
		{ "Could not open '/s/a.raw': filesystem does not support O_DIRECT",
		  "disk vda (/s/a.raw) cannot be used on this node (Could not open '/s/a.raw': "
		  "filesystem does not support O_DIRECT)" },
		/* Another file, or a part of a path, is none of them. */
		{ "Cannot access '/s/a.raw.3': No such file or directory", NULL },
		{ "Cannot access '/t/s/a.raw': No such file or directory", NULL },
		{ "Cannot access /s/a.raw", NULL },
		{ "Network not found: no network with matching name 'br1'", NULL },
		{ "", NULL },
	};
	Wire__Disk *disks[] = { new_disk("vda", "/s/a.raw", NULL), new_disk("sda", "", NULL),
				new_disk("vdb", "/s/a.raw.2", "/s/base.raw") };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[800];

		disk_fault_explain(disks, ARRAY_SIZE(disks), "this node", cases[i].said, text,
				   sizeof(text));
		CU_ASSERT_STRING_EQUAL(text, cases[i].text ? cases[i].text : cases[i].said);
	}
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++)
		wire_free(disks[i]);
}

/* The file is known already, so that what was said need not name it. */
static void test_said(void)
{
	static const struct {
		const char *said, *text;
	} cases[] = {
		{ "No such file or directory",
		  "disk vda (/s/a) is not there on n: mount its storage, or correct its path (No "
		  "such file or directory)" },
		{ "Input/output error", "disk vda (/s/a) cannot be read on n: see to its storage "
					"(journalctl -k) (Input/output error)" },
		{ "qemu-img: Could not open '/s/a': Image is not in qcow2 format",
		  "disk vda (/s/a) is no image of its format: correct the type of its driver, or "
		  "restore the image (qemu-img: Could not open '/s/a': Image is not in qcow2 "
		  "format)" },
		{ "qemu-img: Could not open '/s/b': No such file or directory",
		  "a backing file of disk vda (/s/a) is not there on n: mount its storage, or "
		  "correct its path (qemu-img: Could not open '/s/b': No such file or directory)" },
	};
	Wire__Disk *disk = new_disk("vda", "/s/a", NULL);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[400];

		disk_fault_say(disk, "n", cases[i].said, text, sizeof(text));
		CU_ASSERT_STRING_EQUAL(text, cases[i].text);
	}
	wire_free(disk);
}

static void test_definition(void)
{
	static const char xml[] =
		"<domain type='kvm'><name>a</name><uuid>5c0ffee5-0000-4000-8000-00000000beef</uuid>"
		"<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>"
		"<disk type='file' device='disk'><source file='/s/a'/><target dev='vda'/></disk>"
		"</devices></domain>";
	static const char said[] = "Cannot access '/s/a': No such file or directory";
	char text[400];

	disk_fault_explain_xml(xml, "the destination", said, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "disk vda (/s/a) is not there on the destination: mount its "
				     "storage, or correct its path (Cannot access '/s/a': No such "
				     "file or directory)");
	disk_fault_explain_xml("rubbish", "the destination", said, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, said);
	disk_fault_explain_xml(NULL, "the destination", said, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, said);
}

UNIT_MAIN("driver/disk_fault", { "explained", test_explained }, { "said", test_said },
	  { "definition", test_definition })
