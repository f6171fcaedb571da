/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/unit/unit.h"

static int run_sh(const char *script, const char *input, uint64_t timeout_ms, size_t max,
		  int stop_fd, struct run_result *ret)
{
	_cleanup_(argv_free) struct argv argv = { 0 };
	struct run run = {
		.argv = &argv, .output_max = max, .errors_max = max, .stop_fds = { stop_fd, -1 }
	};

	argv_add_all(&argv, "/bin/sh", "-c", script, NULL);
	return run_program(&run, input, strlen(input), timeout_ms, ret);
}

static void test_ends(void)
{
	static const struct {
		const char *script, *input, *output, *errors;
		int status;
	} cases[] = {
		{ "exit 0", "", "", "", 0 },
		{ "echo out; echo err >&2; exit 7", "", "out\n", "err\n", 7 },
		{ "cat", "line\n", "line\n", "", 0 },
		{ "exit 2", "not read", "", "", 2 },
		{ "echo $PATH $LC_ALL $HOME", "", "/usr/sbin:/usr/bin:/sbin:/bin C.UTF-8\n", "",
		  0 },
		/* Two descriptors behind the three: the one ls opens, and none of ours. */
		{ "ls /proc/self/fd | wc -l", "", "4\n", "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(run_result_free) struct run_result result = { 0 };

		CU_ASSERT_EQUAL_FATAL(
			run_sh(cases[i].script, cases[i].input, 10000, 1000, -1, &result), 0);
		CU_ASSERT(result.exited && !result.timed_out);
		CU_ASSERT_EQUAL(result.status, cases[i].status);
		CU_ASSERT_STRING_EQUAL(buf_str(&result.output), cases[i].output);
		CU_ASSERT_STRING_EQUAL(buf_str(&result.errors), cases[i].errors);
	}
}

/* A zombie that nobody has reaped yet is gone, too. */
static bool is_gone(pid_t pid)
{
	char path[64], state = 'X';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	if (file)
		fclose(file);
	return state == 'X' || state == 'Z';
}

static void test_killed(void)
{
	_cleanup_(run_result_free) struct run_result result = { 0 };

	CU_ASSERT_EQUAL(run_sh("kill -KILL $$", "", 10000, 1000, -1, &result), 0);
	CU_ASSERT(!result.exited && !result.timed_out);
	CU_ASSERT_EQUAL(result.status, SIGKILL);
}

/* More than is kept is read all the same, or the program would hang. */
static void test_bounded(void)
{
	_cleanup_(run_result_free) struct run_result result = { 0 };

	CU_ASSERT_EQUAL(run_sh("head -c 1000000 /dev/zero", "", 20000, 5000, -1, &result), 0);
	CU_ASSERT(result.exited && result.status == 0);
	CU_ASSERT_EQUAL(result.output.len, 5000);
}

/* Also one that ignores SIGTERM, and with all that it started. */
static void test_late(void)
{
	_cleanup_(run_result_free) struct run_result result = { 0 };
	char script[200], path[] = "/tmp/clusterd-run-XXXXXX", text[32] = "";
	FILE *file;
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	snprintf(script, sizeof(script), "trap '' TERM; sleep 60 & echo $! >%s; wait; sleep 60",
		 path);
	CU_ASSERT_EQUAL(run_sh(script, "", 300, 1000, -1, &result), 0);
	CU_ASSERT(result.timed_out && !result.exited);
	CU_ASSERT(result.took_ms >= 300 + RUN_TERM_MS && result.took_ms < 20000);
	file = fopen(path, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(fgets(text, sizeof(text), file));
	fclose(file);
	for (int i = 0; i < 100 && !is_gone((pid_t)strtol(text, NULL, 10)); i++)
		usleep(10000);
	CU_ASSERT(is_gone((pid_t)strtol(text, NULL, 10)));
	unlink(path);
}

static void test_stopped(void)
{
	_cleanup_(run_result_free) struct run_result result = { 0 };
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	close(fds[1]);
	CU_ASSERT_EQUAL(run_sh("sleep 60", "", 60000, 1000, fds[0], &result), 0);
	CU_ASSERT(result.timed_out && result.took_ms < 20000);
	close(fds[0]);
}

/* What it left running behind it is neither waited for nor left. */
static void test_orphans(void)
{
	_cleanup_(run_result_free) struct run_result result = { 0 };

	CU_ASSERT_EQUAL(run_sh("sleep 60 & exit 3", "", 30000, 1000, -1, &result), 0);
	CU_ASSERT(result.exited && result.status == 3 && result.took_ms < 20000);
}

/* Nor is one of those read for ever that goes on writing. */
static void test_orphan_that_writes(void)
{
	static const char *const scripts[] = {
		"yes & sleep 0.2; exit 3",
		"yes >&2 & sleep 0.2; exit 3",
	};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		_cleanup_(run_result_free) struct run_result result = { 0 };

		CU_ASSERT_EQUAL(run_sh(scripts[i], "", 30000, 1000, -1, &result), 0);
		CU_ASSERT(result.exited && result.status == 3 && result.took_ms < 20000);
		CU_ASSERT(result.output.len <= 1000 && result.errors.len <= 1000);
	}
}

static void test_writes_without_end(void)
{
	_cleanup_(run_result_free) struct run_result result = { 0 };

	CU_ASSERT_EQUAL(run_sh("trap '' TERM; yes & yes >&2", "", 300, 1000, -1, &result), 0);
	CU_ASSERT(result.timed_out && result.took_ms < 20000);
	CU_ASSERT_EQUAL(result.output.len, 1000);
	CU_ASSERT_EQUAL(result.errors.len, 1000);
}

static bool wait_for_file(const char *path)
{
	for (int i = 0; i < 1000 && access(path, F_OK) < 0; i++)
		usleep(10000);
	return access(path, F_OK) == 0;
}

/* It has closed its stdin before it gets anything on it. */
static void test_input_not_wanted(void)
{
	_cleanup_(argv_free) struct argv argv = { 0 };
	_cleanup_(run_result_free) struct run_result result = { 0 };
	struct run run = { .argv = &argv, .output_max = 100, .stop_fds = { -1, -1 } };
	struct running *running = NULL;
	char script[200], directory[] = "/tmp/clusterd-run-XXXXXX", mark[64];

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(mark, sizeof(mark), "%s/closed", directory);
	snprintf(script, sizeof(script), "exec <&-; : >%s; sleep 0.2; exit 4", mark);
	argv_add_all(&argv, "/bin/sh", "-c", script, NULL);
	CU_ASSERT_EQUAL_FATAL(run_start(&run, &running), 0);
	CU_ASSERT(wait_for_file(mark));
	CU_ASSERT_EQUAL(run_finish(running, "late", 4, 10000, &result), 0);
	CU_ASSERT(result.exited && result.status == 4);
	unlink(mark);
	rmdir(directory);
}

static void test_two_steps(void)
{
	_cleanup_(argv_free) struct argv argv = { 0 };
	_cleanup_(run_result_free) struct run_result result = { 0 };
	struct run run = { .argv = &argv, .output_max = 100, .stop_fds = { -1, -1 } };
	struct running *running = NULL;

	argv_add_all(&argv, "/bin/cat", NULL);
	CU_ASSERT_EQUAL_FATAL(run_start(&run, &running), 0);
	CU_ASSERT_EQUAL(run_finish(running, "late", 4, 10000, &result), 0);
	CU_ASSERT_STRING_EQUAL(buf_str(&result.output), "late");
	CU_ASSERT_EQUAL_FATAL(run_start(&run, &running), 0);
	run_drop(running);
	run_drop(NULL);
	argv.items[0][1] = 'n';
	CU_ASSERT_EQUAL(run_start(&run, &running), -ENOENT);
}

UNIT_MAIN("agents/run", { "ends", test_ends }, { "killed", test_killed },
	  { "bounded", test_bounded }, { "late", test_late }, { "stopped", test_stopped },
	  { "orphans", test_orphans }, { "orphan that writes", test_orphan_that_writes },
	  { "writes without end", test_writes_without_end },
	  { "input not wanted", test_input_not_wanted }, { "two-steps", test_two_steps })
