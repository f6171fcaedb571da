/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/move.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

static char *definition(const char *disk)
{
	return mem_printf("<domain type='qemu' id='3'><name>web1</name>"
			  "<uuid>5c0ffee5-0000-4000-8000-00000000beef</uuid>"
			  "<memory unit='MiB'>96</memory><vcpu>1</vcpu>"
			  "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
			  "<devices>%s</devices></domain>",
			  disk);
}

/* Of disks in DIR/shared, DIR/local and DIR/link, which leads from shared to local. */
static void test_judges(void)
{
	static const struct {
		const char *what, *disk;
		int r;
		bool is_for_quick;
	} cases[] = {
		{ "no disk", "", 0 },
		{ "on the volume, uncached",
		  "<disk type='file' device='disk'><driver type='raw' cache='none'/>"
		  "<source file='%s/shared/a'/><target dev='vda'/></disk>",
		  0 },
		{ "on the volume, cached",
		  "<disk type='file' device='disk'><driver type='raw'/>"
		  "<source file='%s/shared/a'/><target dev='vda'/></disk>",
		  -EPERM, true },
		{ "on the volume, written back",
		  "<disk type='file' device='disk'><driver type='raw' cache='writeback'/>"
		  "<source file='%s/shared/a'/><target dev='vda'/></disk>",
		  -EPERM, true },
		{ "elsewhere, cached",
		  "<disk type='file' device='disk'><driver type='raw'/>"
		  "<source file='%s/local/a'/><target dev='vda'/></disk>",
		  -EPERM },
		{ "elsewhere",
		  "<disk type='file' device='disk'><driver type='raw' cache='none'/>"
		  "<source file='%s/local/a'/><target dev='vda'/></disk>",
		  -EPERM },
		{ "led elsewhere",
		  "<disk type='file' device='disk'><driver type='raw' cache='none'/>"
		  "<source file='%s/shared/link/a'/><target dev='vda'/></disk>",
		  -EPERM },
		{ "missing",
		  "<disk type='file' device='disk'><driver type='raw' cache='none'/>"
		  "<source file='%s/shared/none'/><target dev='vda'/></disk>",
		  -EPERM },
		{ "elsewhere, read-only",
		  "<disk type='file' device='disk'><driver type='raw'/>"
		  "<source file='%s/local/a'/><target dev='vda'/><readonly/></disk>",
		  0 },
		{ "elsewhere, a CD",
		  "<disk type='file' device='cdrom'><driver type='raw'/>"
		  "<source file='%s/local/a'/><target dev='hda'/></disk>",
		  0 },
	};
	char dir[] = "/tmp/clusterd-move-XXXXXX", shared[64];
	const char *paths[1] = { shared };

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(shared, sizeof(shared), "%s/shared", dir);
	CU_ASSERT_EQUAL_FATAL(chdir(dir), 0);
	for (size_t i = 0; i < 2; i++) {
		const char *names[] = { "shared", "local" };
		char path[100];
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/%s/a", dir, names[i]);
		file = fopen(path, "we");
		CU_ASSERT_PTR_NOT_NULL_FATAL(file);
		fclose(file);
	}
	CU_ASSERT_EQUAL_FATAL(symlink("../local", "shared/link"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *hole = strstr(cases[i].disk, "%s");
		_cleanup_(freep) char *disk =
			hole ? mem_printf("%.*s%s%s", (int)(hole - cases[i].disk), cases[i].disk,
					  dir, hole + 2)
			     : mem_strdup("");
		_cleanup_(freep) char *xml = definition(disk);
		char why[600] = "";
		int r = move_judge_unsafe("web1", xml, paths, 1, why, sizeof(why));

		if (r != cases[i].r)
			CU_FAIL(cases[i].what);
		/* The sentence names the disk. */
		CU_ASSERT(r == 0 || strstr(why, "vda"));
		/* And both ways out where there are two. */
		CU_ASSERT_EQUAL(strstr(why, "clusterctl vm migrate web1 --quick") != NULL,
				cases[i].is_for_quick);
		CU_ASSERT_EQUAL(strstr(why, "(clusterctl vm edit web1)") != NULL,
				cases[i].is_for_quick);
	}
	unlink("shared/link");
	unlink("shared/a");
	unlink("local/a");
	rmdir("shared");
	rmdir("local");
	CU_ASSERT_EQUAL(chdir("/"), 0);
	rmdir(dir);
}

/* As libvirt 9.0 says it when something of the certificates is missing or wrong. */
static void test_tls_advice(void)
{
	static const struct {
		const char *error;
		bool advice;
	} cases[] = {
		{ "internal error: unable to execute QEMU command 'object-add': Unable to access "
		  "credentials /etc/pki/qemu/ca-cert.pem: No such file or directory", true },
		{ "internal error: unable to execute QEMU command 'object-add': Our own "
		  "certificate /etc/pki/qemu/server-cert.pem failed validation against "
		  "/etc/pki/qemu/ca-cert.pem: The certificate hasn't got a known issuer", true },
		{ "operation failed: job 'migration out' failed: Cannot write to TLS channel: "
		  "Input/output error", true },
		{ "internal error: qemu unexpectedly closed the monitor: qemu-system-x86_64: "
		  "Cannot read from TLS channel: Input/output error", true },
		/* Those of the connection to the other libvirtd are its own. */
		{ "Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory",
		  false },
		{ "unable to connect to server at '10.77.0.1:16514': Connection refused", false },
		{ "operation failed: job 'migration out' failed: Input/output error", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *advice = move_tls_advice(true, cases[i].error);

		if ((strstr(advice, "migration.tls") != NULL) != cases[i].advice)
			CU_FAIL(cases[i].error);
		CU_ASSERT_STRING_EQUAL(move_tls_advice(false, cases[i].error), "");
	}
}

UNIT_MAIN("driver/move", { "judges", test_judges }, { "tls advice", test_tls_advice })
