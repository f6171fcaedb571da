/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm edit, with a real editor process: sed. */
#include "base/mem.h"
#include "tests/unit/stage.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SMALL_XML                                                                                  \
	"<domain type='qemu'><name>web1</name><uuid>5c0ffee5-0000-4000-8000-00000000beef</uuid>"   \
	"<memory>262144</memory><vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os></domain>"
#define DIGEST "{\"id\":5,\"name\":\"web1\",\"essence\":{\"digest\":\"0xabc\"}}"

/* How many files vm edit left behind. */
static size_t count_files(void)
{
	_cleanup_(freep) char *path = mem_printf("%s/edit", stage_directory);
	DIR *files = opendir(path);
	size_t n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(files);
	for (struct dirent *entry; (entry = readdir(files));)
		n += strncmp(entry->d_name, "clusterctl-web1-", 16) == 0;
	closedir(files);
	return n;
}

static void write_script(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fprintf(file, "#!/bin/sh\n%s\n", text);
	CU_ASSERT_EQUAL(fchmod(fileno(file), 0700), 0);
	CU_ASSERT_EQUAL(fclose(file), 0);
}

static void test_edit(void)
{
	static const struct scene changed = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\",\"name\":\"web1\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"<a>1</a>\\n\"}") } },
			    { "{\"do\":\"vm-edit\",\"name\":\"web1\",\"xml\":\"<a>2</a>\\n\","
			      "\"digest\":\"0xabc\"}",
			      { OK("{\"op\":0}") } } },
		.err = "web1 is changed",
	};
	static const struct scene refused = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"1\"}") } },
			    { "{\"do\":\"vm-edit\"}", { NO("invalid", "not so") } } },
		.exit = 1,
		.err = "Your text is kept in ",
	};
	static const struct scene unchanged = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"<b/>\"}") } } },
		.err = "web1 is unchanged\n",
	};
	static const struct scene commented = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"" SMALL_XML "\"}") } } },
		.err = "web1 is unchanged\n",
	};
	static const struct scene broken = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"<b/>\"}") } } },
		.exit = 1,
		.err = "clusterctl: the editor (false) ended with an error\n",
	};
	static const struct scene not_run = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"<b/>\"}") } } },
		.exit = 1,
		.err = "clusterctl: the editor (/nonexistent/editor) cannot be run: No such file "
		       "or directory\n",
	};
	static const struct scene unchanged_json = {
		.line = "vm edit web1 --json",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"<b/>\"}") } } },
		.out = "{\n  \"op\": 0,\n  \"record\": 5,\n  \"text\": \"\"\n}\n",
		.err = "web1 is unchanged\n",
	};
	static const struct scene pending = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"1\"}") } },
			    { "{\"do\":\"vm-edit\"}",
			      { OK("{\"op\":0,\"text\":\"web1 is changed; it runs on\"}") } } },
		.err = "web1 is changed; it runs on\n",
	};
	static const struct scene interrupted = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"<b/>\"}") } } },
		.exit = 1,
		.err = "Your text is kept in ",
	};
	static const struct scene no_terminal = {
		.line = "vm edit web1",
		.exit = 2,
		.err = "the editor (/usr/bin/vim) needs a terminal, and there is none",
	};
	_cleanup_(freep) char *files = NULL, *killer = NULL;

	stage_set_up();
	files = mem_printf("%s/edit", stage_directory);
	/* A script of that name is none of those that need a terminal. */
	killer = mem_printf("%s/editor", stage_directory);
	write_script(killer, "echo x >$1; kill -TERM $PPID; exec false");
	CU_ASSERT_EQUAL_FATAL(mkdir(files, 0700), 0);
	setenv("TMPDIR", files, 1);
	setenv("EDITOR", "sed -i s/1/2/", 1);
	unsetenv("VISUAL");
	stage_play(&changed);
	stage_play(&unchanged);
	stage_play(&unchanged_json);
	stage_play(&pending);
	CU_ASSERT_EQUAL(count_files(), 0);
	/* A line end that an editor adds is no change; nor is a comment. */
	setenv("EDITOR", "sed -i $a\\", 1);
	stage_play(&unchanged);
	setenv("EDITOR", "sed -i $a<!--x-->", 1);
	stage_play(&commented);
	CU_ASSERT_EQUAL(count_files(), 0);
	setenv("EDITOR", "/usr/bin/vim -n", 1);
	stage_play(&no_terminal);
	CU_ASSERT_EQUAL(count_files(), 0);
	setenv("EDITOR", "sed -i s/1/2/", 1);
	stage_play(&refused);
	CU_ASSERT_EQUAL(count_files(), 1);
	setenv("EDITOR", "false", 1);
	stage_play(&broken);
	setenv("EDITOR", "/nonexistent/editor", 1);
	stage_play(&not_run);
	CU_ASSERT_EQUAL(count_files(), 1);
	setenv("EDITOR", killer, 1);
	stage_play(&interrupted);
	CU_ASSERT_EQUAL(count_files(), 2);
}

UNIT_MAIN("clusterctl/edit", { "edit", test_edit })
