// SPDX-License-Identifier: GPL-2.0-or-later
/* What changes something: commands and how they are waited for, and vm edit. */
#include "base/mem.h"
#include "tests/unit/stage.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_changes(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm stop web1 --force",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_want\":{\"name\":\"web1\","
				"\"wanted\":\"stopped\",\"force\":true}}}",
				{ OK("{\"text\":\"\",\"op\":9,\"record\":5}") } },
			      { "{\"do\":\"operation\",\"operation\":9}", { RUNNING("9") } },
			      { "{\"do\":\"operation\",\"operation\":9}", { RUNNING("9") } },
			      { "{\"do\":\"operation\",\"operation\":9}", { DONE("9") } } },
		  .err = "it is off\n" },
		{ .line = "vm stop web1 --no-wait",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } } },
		  .err = "operation 9 has begun" },
		{ .line = "vm stop web1 --json",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { DONE("9") } } },
		  .out = "{\n  \"op\": 9,\n  \"operation\": {",
		  .err = "it is off\n" },
		{ .line = "vm stop web1",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"outcome\":\"failed\",\"text\":\"stuck\"}") } } },
		  .exit = 1,
		  .err = "operation 9 failed: stuck" },
		{ .line = "vm stop web1",
		  .script = { { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"outcome\":\"unknown\"}") } } },
		  .exit = 6,
		  .err = "not known" },
		{ .line = "vm cancel web1",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_cancel\":{\"name\":"
				"\"web1\"}}}",
				{ OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"outcome\":\"cancelled\"}") } } },
		  .err = "operation 9 was cancelled" },
		{ .line = "vm start web1",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_want\":{\"wanted\":"
				"\"running\",\"cold\":false}}}",
				{ OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"kind\":\"start\",\"vm_name\":\"web1\","
				     "\"outcome\":\"done\"}") } },
			      { "{\"do\":\"vm\",\"name\":\"web1\"}", { OK(VM1) } } },
		  .err = "web1 runs on n1\n" },
		{ .line = "vm start web1",
		  .script = { { "{\"do\":\"command\"}",
				{ OK("{\"text\":\"runs already\",\"op\":0}") } } },
		  .err = "runs already\n" },
		{ .line = "vm set web1 ha=no owners=n1,n2",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_set\":{\"name\":\"web1\","
				"\"changes\":"
				"[{\"key\":\"ha\",\"value\":\"no\"},{\"key\":\"owners\","
				"\"value\":\"n1,n2\"}]}}}",
				{ OK("{\"text\":\"\",\"op\":0,\"record\":5}") } } },
		  .err = "web1 is changed\n" },
		{ .line = "vm migrate web1 n2 --quick",
		  .script = { { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"command\",\"command\":{\"vm_move\":{\"name\":"
				"\"web1\",\"to\":2,"
				"\"how\":\"quick\"}}}",
				{ OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { DONE("9") } } },
		  .err = "it is off" },
		{ .line = "vm add - --stopped --set priority=high --set owners=n1,n2 --set "
			  "stop_timeout=2m --set ha=no",
		  .input = "<domain/>",
		  .script = { { "{\"do\":\"vm-add\",\"xml\":\"<domain/>\",\"wanted\":\"stopped\","
				"\"priority\":\"high\",\"possible_owners\":[\"n1\",\"n2\"],"
				"\"stop_timeout_s\":120,\"ha\":false}",
				{ OK("{\"record\":5}") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } } },
		  .err = "web1 is added\n" },
		{ .line = "vm add - --set on_guest_shutdown=restart",
		  .input = "<domain/>",
		  .script = { { "{\"do\":\"vm-add\",\"wanted\":\"running\"}",
				{ OK("{\"record\":5,\"op\":9}") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } },
			      { "{\"do\":\"command\",\"command\":{\"vm_set\":{\"name\":\"web1\","
				"\"changes\":"
				"[{\"key\":\"on_guest_shutdown\",\"value\":\"restart\"}]}}}",
				{ OK("{}") } },
			      { "{\"do\":\"operation\"}", { DONE("9") } } },
		  .err = "it is off" },
		{ .line = "fence add bmc fence_ipmilan ip=1 --node n1=4 --node n2 --secret-stdin",
		  .input = "password=geheim",
		  .script = { { "{\"do\":\"fence-add\",\"name\":\"bmc\",\"agent\":"
				"\"fence_ipmilan\","
				"\"params\":{\"ip\":\"1\"},\"targets\":[{\"node\":\"n1\","
				"\"plug\":\"4\"},"
				"{\"node\":\"n2\",\"plug\":\"\"}],\"secret\":"
				"\"password=geheim\\n\"}",
				{ OK("{\"op\":0}") } } },
		  .err = "bmc is added" },
		{ .line = "volume add v dir:/srv/v --declared-shared",
		  .script = { { "{\"do\":\"command\",\"command\":{\"volume_add\":{\"volume\":"
				"{\"name\":\"v\","
				"\"driver\":\"dir\",\"target\":\"/srv/v\",\"declared_shared\":"
				"true}}}}",
				{ OK("{}") } } },
		  .err = "v is added" },
		{ .line = "operation cancel 9",
		  .script = { { "{\"do\":\"operation\",\"operation\":9}",
				{ OK("{\"id\":9,\"vm_name\":\"web1\",\"outcome\":\"running\"}") } },
			      { "{\"do\":\"command\",\"command\":{\"vm_cancel\":{\"name\":"
				"\"web1\"}}}",
				{ OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}",
				{ OK("{\"id\":9,\"outcome\":\"done\"}") } } },
		  .exit = 1,
		  .err = "was done before it could be cancelled" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/*
 * A daemon that is restarted between a request and its answer: the same change again, with the
 * same number.
 */
static void test_restart(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { HANG_UP } },
			      { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .err = "There are no VMs yet" },
		{ .line = "vm stop web1",
		  .script = { { "{\"do\":\"command\"}", { HANG_UP } },
			      { "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
			      { "{\"do\":\"operation\"}", { HANG_UP } },
			      { "{\"do\":\"operation\"}", { DONE("9") } } },
		  .err = "it is off" },
	};

	stage_play_all(scenes, ARRAY_SIZE(scenes));
}

/* Catches what clusterctl sends twice and compares the numbers. */
static void test_same_number(void)
{
	static char first[STAGE_RECORD_MAX], second[STAGE_RECORD_MAX];
	int listener = stage_listen(), fd;
	json_t *a, *b;
	const char *number;
	ssize_t n;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		close(listener);
		_exit(stage_run_line("vm stop web1 --no-wait"));
	}
	fd = accept(listener, NULL, NULL);
	n = recv(fd, first, sizeof(first), 0);
	close(fd);
	a = json_loadb(first, (size_t)n, 0, NULL);
	fd = accept(listener, NULL, NULL);
	n = recv(fd, second, sizeof(second), 0);
	b = json_loadb(second, (size_t)n, 0, NULL);
	stage_reply(fd, json_object_get(b, "id"), 0, OK("{\"op\":1}"));
	close(listener);
	waitpid(pid, NULL, 0);
	close(fd);
	number = json_string_value(json_object_get(a, "request"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(number);
	CU_ASSERT_TRUE(strncmp(number, "0x", 2) == 0 && strlen(number) == 18);
	CU_ASSERT_TRUE(json_equal(json_object_get(a, "request"), json_object_get(b, "request")));
	CU_ASSERT_TRUE(json_equal(json_object_get(a, "command"), json_object_get(b, "command")));
	json_decref(a);
	json_decref(b);
}

static void test_timeout(void)
{
	static const struct exchange script[] = {
		{ "{\"do\":\"command\"}", { OK("{\"op\":9}") } },
		{ "{\"do\":\"operation\"}", { RUNNING("9") } },
		{ "{\"do\":\"operation\"}", { RUNNING("9") } },
		{ "{\"do\":\"operation\"}", { RUNNING("9") } },
		{ NULL },
	};
	pid_t daemon = stage_start_daemon(script);
	struct outcome outcome = stage_run("vm stop web1 --timeout 250ms", "");
	int status;

	waitpid(daemon, &status, 0);
	CU_ASSERT_EQUAL(outcome.exit, 6);
	CU_ASSERT_TRUE(outcome.took_ms >= 200 && outcome.took_ms < 5000);
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "has not ended within 250 ms"));
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "clusterctl operation wait 9"));
	outcome_free(&outcome);
}

/* ---- vm edit, with a real editor process: sed ---- */

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
		.err = "web1 is not changed",
	};
	static const struct scene broken = {
		.line = "vm edit web1",
		.script = { { "{\"do\":\"vm\"}", { OK(DIGEST) } },
			    { "{\"do\":\"dumpxml\"}", { OK("{\"xml\":\"<b/>\"}") } } },
		.exit = 1,
		.err = "ended with an error",
	};
	_cleanup_(freep) char *files = NULL;

	stage_set_up();
	files = mem_printf("%s/edit", stage_directory);
	CU_ASSERT_EQUAL_FATAL(mkdir(files, 0700), 0);
	setenv("TMPDIR", files, 1);
	setenv("EDITOR", "sed -i s/1/2/", 1);
	unsetenv("VISUAL");
	stage_play(&changed);
	stage_play(&unchanged);
	CU_ASSERT_EQUAL(count_files(), 0);
	stage_play(&refused);
	CU_ASSERT_EQUAL(count_files(), 1);
	setenv("EDITOR", "false", 1);
	stage_play(&broken);
	CU_ASSERT_EQUAL(count_files(), 2);
}

UNIT_MAIN("clusterctl/change", { "changes", test_changes }, { "restart", test_restart },
	  { "same-number", test_same_number }, { "timeout", test_timeout }, { "edit", test_edit })
