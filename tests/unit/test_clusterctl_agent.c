// SPDX-License-Identifier: GPL-2.0-or-later
/* With a program in the place of clusterd-agent-fence that answers as it shall. */
#include "base/mem.h"
#include "clusterctl/agent.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/clusterd-test-agent-XXXXXX", program[100];

static void put_program(const char *script)
{
	int fd = open(program, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	CU_ASSERT_TRUE_FATAL(fd >= 0);
	dprintf(fd, "#!/bin/sh\n%s\n", script);
	close(fd);
}

static void test_answers(void)
{
	static const struct {
		const char *script, *why; /* NULL: it is not known to prove nothing */
	} cases[] = {
		{ "echo $2 cuts no power; exit 1", "fence_x cuts no power" },
		{ "[ \"$1\" = --kind ] && echo it was asked && exit 1", "it was asked" },
		{ "read line || echo no input; exit 1", "no input" },
		{ "echo two; echo lines; exit 1", "two" },
		{ "exit 0", NULL },
		{ "exit 1", NULL },
		{ "echo not known; exit 3", NULL },
		{ "echo killed; kill -9 $$", NULL },
		{ "exec /nowhere/at/all", NULL },
	};

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(program, sizeof(program), "%s/clusterd-agent-fence", directory);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *why = NULL;

		put_program(cases[i].script);
		CU_ASSERT_EQUAL(agent_proves_nothing(directory, "fence_x", &why),
				cases[i].why != NULL);
		if (cases[i].why)
			CU_ASSERT_STRING_EQUAL(why ? why : "", cases[i].why);
	}
	unlink(program);
	rmdir(directory);
}

/* A node that has no daemon yet, or none of this version. */
static void test_no_program(void)
{
	char *why = NULL;

	CU_ASSERT_FALSE(agent_proves_nothing("/nowhere", "fence_x", &why));
	CU_ASSERT_PTR_NULL(why);
}

UNIT_MAIN("clusterctl/agent", { "answers", test_answers }, { "no-program", test_no_program })
