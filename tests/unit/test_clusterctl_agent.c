/* SPDX-License-Identifier: GPL-2.0-or-later */
/* With a program in the place of clusterd-agent-fence that answers as it shall. */
#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/advice.h"
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
		const char *params;	  /* with a comma in between */
	} cases[] = {
		{ "echo $2 cuts no power; exit 1", "fence_x cuts no power", "" },
		{ "[ \"$1\" = --kind ] && echo it was asked && exit 1", "it was asked", "" },
		{ "read line || echo no input; exit 1", "no input", "" },
		{ "echo two; echo lines; exit 1", "two", "" },
		{ "exit 0", NULL, "" },
		{ "echo ip; echo; printf port", NULL, "ip,port" },
		{ "exit 1", NULL, "" },
		{ "echo not known; exit 3", NULL, "" },
		{ "echo killed; kill -9 $$", NULL, "" },
		{ "exec /nowhere/at/all", NULL, "" },
	};

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(program, sizeof(program), "%s/clusterd-agent-fence", directory);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(agent_free) struct agent agent = { 0 };
		_cleanup_(freep) char *params = NULL;

		put_program(cases[i].script);
		agent_look(directory, "fence_x", &agent);
		CU_ASSERT_EQUAL(agent.proves_nothing != NULL, cases[i].why != NULL);
		if (cases[i].why && agent.proves_nothing)
			CU_ASSERT_STRING_EQUAL(agent.proves_nothing, cases[i].why);
		params = text_join((const char *const *)agent.params.items, agent.params.count,
				   ",");
		CU_ASSERT_STRING_EQUAL(params, cases[i].params);
	}
	unlink(program);
	rmdir(directory);
}

/* A node that has no daemon yet, or none of this version. */
static void test_no_program(void)
{
	_cleanup_(agent_free) struct agent agent = { 0 };
	const char *near;

	agent_look("/nowhere", "fence_x", &agent);
	CU_ASSERT_PTR_NULL(agent.proves_nothing);
	CU_ASSERT_TRUE(agent_takes(&agent, "ipp", &near));
}

static void test_params(void)
{
	static const struct {
		const char *key, *near; /* NULL: nothing is */
		bool takes;
	} cases[] = {
		{ "ip", NULL, true },	    { "login-timeout", NULL, true },
		{ "login_timeout", NULL, true }, { "snmp_version", NULL, true },
		{ "ipp", "ip", false },	    { "usrname", "username", false },
		{ "login_timeou", "login_timeout", false },
		{ "ip-", "ip", false },	    { "i", "ip", false },
		{ "colour", NULL, false },
	};
	_cleanup_(agent_free) struct agent agent = { 0 };

	argv_add_all(&agent.params, "ip", "ipport", "username", "login_timeout", "snmp-version",
		     NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *near = NULL;

		CU_ASSERT_EQUAL(agent_takes(&agent, cases[i].key, &near), cases[i].takes);
		CU_ASSERT_STRING_EQUAL(near ? near : "", cases[i].near ? cases[i].near : "");
	}
}

/* What fence agents say, word for word, as clusterd-agent-fence hands it on. */
static void test_advice(void)
{
	static const struct {
		const char *said, *advice; /* a part of it; NULL: there is none */
	} cases[] = {
		{ "the status command failed (exit status 1: ERROR: Failed: Unable to obtain "
		  "correct plug status or plug is not available)", "lanplus=1" },
		{ "the status command failed (exit status 1: ERROR: Please use '-h' for usage)",
		  "A parameter is missing" },
		{ "ERROR: Failed: You have to enter fence address", "A parameter is missing" },
		{ "ERROR: Failed: You have to enter password or password script", "--ask-secret" },
		{ "ERROR: Unable to connect/login to fencing device", "user name and password" },
		{ "ERROR: Connection timed out", "login_timeout" },
		{ "the status command failed (no answer within 60000 ms)", "fence.timeout_s" },
		{ "it called n1 off while that was up: it switches another machine", "the plug" },
		{ "on", NULL },
		{ "the node that was to ask the device is gone: test again", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *advice = advice_on_fencing(cases[i].said);

		CU_ASSERT_EQUAL(advice != NULL, cases[i].advice != NULL);
		if (cases[i].advice && (!advice || !strstr(advice, cases[i].advice)))
			CU_FAIL(cases[i].said);
	}
}

UNIT_MAIN("clusterctl/agent", { "answers", test_answers }, { "no-program", test_no_program },
	  { "params", test_params }, { "advice", test_advice })
