// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * clusterctl as a whole against a daemon that follows a script: a process of its own that
 * speaks the protocol of doc/operator.md on a real socket. The script says which request must
 * come next and what is answered; a request that is another one is answered with a failure that
 * says so, and a script that is not played to its end is a failure too.
 */
#include "base/mem.h"
#include "clusterctl/clock.h"
#include "clusterctl/ctl.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 32, REPLIES_MAX = 6, RECORD_MAX = 61440, SCRIPT_END = 7 };

/*
 * One request. Replies are what stands behind {"id": N, "seq": K, in a record; "hang up" closes
 * the connection.
 */
struct exchange {
	const char *expect; /* JSON; the request must have all of it */
	const char *replies[REPLIES_MAX];
};

#define OK(data) "\"last\":true,\"ok\":true,\"data\":" data "}"
#define MORE(data) "\"last\":false,\"ok\":true,\"data\":" data "}"
#define NO(code, text)                                                                             \
	"\"last\":true,\"ok\":false,\"error\":{\"code\":\"" code "\",\"text\":\"" text "\"}}"
#define HANG_UP "hang up"

static char directory[] = "/tmp/clusterctl-test-XXXXXX";
static char socket_path[64];

/* ---- where it all happens ---- */

static void tear_down(void)
{
	char *const argv[] = { (char *)"rm", (char *)"-r", (char *)"--", directory, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/* Once; and the processes made here leave by _exit(), so that only this one tears it down. */
static void set_up(void)
{
	if (*socket_path)
		return;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(socket_path, sizeof(socket_path), "%s/operator.sock", directory);
	setenv("CLUSTERD_SOCKET", socket_path, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	atexit(tear_down);
}

static int make_listener(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	set_up();
	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	unlink(socket_path);
	CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 4), 0);
	return listener;
}

/* ---- the daemon ---- */

/* Whether all that is expected is there. Arrays must be the same. */
static bool covers(const json_t *request, json_t *expected)
{
	const char *key;
	json_t *value;

	if (!json_is_object(expected))
		return json_equal(request, expected);
	json_object_foreach(expected, key, value)
		if (!covers(json_object_get(request, key), value))
			return false;
	return true;
}

static void reply(int fd, const json_t *id, int seq, const char *rest)
{
	_cleanup_(freep) char *number = json_dumps(id, JSON_ENCODE_ANY);
	_cleanup_(freep) char *record = mem_printf("{\"id\":%s,\"seq\":%d,%s", number, seq, rest);

	if (send(fd, record, strlen(record), MSG_NOSIGNAL) < 0)
		_exit(20);
}

/* Answers one request. False if the connection ends. */
static bool serve_request(int fd, const struct exchange *exchange, const char *text, size_t len,
			  bool *ret_wrong)
{
	json_t *request = json_loadb(text, len, 0, NULL);
	json_t *expected = json_loads(exchange->expect ? exchange->expect : "{}", 0, NULL);
	bool go_on = true;

	*ret_wrong = !request || !expected || !exchange->expect || !covers(request, expected);
	if (*ret_wrong) {
		fprintf(stdout, "wanted %s\ngot    %.*s\n", exchange->expect, (int)len, text);
		fflush(stdout);
		reply(fd, json_object_get(request, "id"), 0,
		      NO("bad-request", "not in the script"));
	}
	for (int i = 0; !*ret_wrong && go_on && i < REPLIES_MAX && exchange->replies[i]; i++) {
		go_on = strcmp(exchange->replies[i], HANG_UP) != 0;
		if (go_on)
			reply(fd, json_object_get(request, "id"), i, exchange->replies[i]);
	}
	json_decref(request);
	json_decref(expected);
	return go_on;
}

/* Serves connections until the script is over; exits with how that went. */
static void __attribute__((noreturn)) daemon_main(int listener, const struct exchange *script)
{
	static char record[RECORD_MAX + 1];
	bool wrong = false;

	alarm(30);
	while (script->expect && !wrong) {
		int fd = accept(listener, NULL, NULL);
		bool go_on = true;

		while (go_on && !wrong && script->expect) {
			ssize_t n = recv(fd, record, sizeof(record), MSG_TRUNC);

			if (n <= 0 || n > RECORD_MAX)
				break;
			go_on = serve_request(fd, script, record, (size_t)n, &wrong);
			script++;
		}
		if (script->expect || wrong) {
			close(fd);
			continue;
		}
		/* The client has all that it wanted when it closes; anything more is too much. */
		wrong = recv(fd, record, sizeof(record), 0) > 0;
		close(fd);
	}
	_exit(wrong ? 1 : SCRIPT_END);
}

static pid_t start_daemon(const struct exchange *script)
{
	int listener = make_listener();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		daemon_main(listener, script);
	close(listener);
	return pid;
}

/* ---- clusterctl ---- */

struct outcome {
	int exit;
	char *out, *err;
	uint64_t took_ms;
};

static void outcome_free(struct outcome *outcome)
{
	free(outcome->out);
	free(outcome->err);
}

static char *read_back(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = mem_array(1, (size_t)size + 1);

	CU_ASSERT_EQUAL(pread(fd, text, (size_t)size, 0), (ssize_t)size);
	close(fd);
	return text;
}

static int temporary(const char *content)
{
	_cleanup_(freep) char *path = mem_printf("%s/file-XXXXXX", directory);
	int fd = mkostemp(path, O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	unlink(path);
	CU_ASSERT_EQUAL(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int run_line(const char *line)
{
	_cleanup_(freep) char *copy = mem_strdup(line);
	char *argv[WORDS_MAX + 1] = { (char *)"clusterctl" }, *rest = NULL;
	int argc = 1;

	for (char *word = strtok_r(copy, " ", &rest); word && argc < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	return ctl_main(argc, argv);
}

/* Runs it in a process of its own: it changes signals, allocators and descriptors. */
static struct outcome run(const char *line, const char *input)
{
	int in = temporary(input), out = temporary(""), err = temporary("");
	struct outcome outcome = { 0 };
	uint64_t begun_ms = clock_ms();
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(30);
		dup2(in, STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		status = run_line(line);
		fflush(NULL);
		_exit(status);
	}
	waitpid(pid, &status, 0);
	outcome.took_ms = clock_ms() - begun_ms;
	outcome.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
	outcome.out = read_back(out);
	outcome.err = read_back(err);
	close(in);
	return outcome;
}

struct scene {
	const char *line, *input;
	struct exchange script[8];
	int exit;
	const char *out, *err; /* parts that must be in it; NULL: nothing may be */
	const char *not_out;
};

static bool says(const char *text, const char *part)
{
	return part ? strstr(text, part) != NULL : !*text;
}

static void play(const struct scene *scene)
{
	pid_t daemon = start_daemon(scene->script);
	struct outcome outcome = run(scene->line, scene->input ? scene->input : "");
	int status = 0;

	waitpid(daemon, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != SCRIPT_END) {
		printf("%s: the script was not followed\n", scene->line);
		CU_FAIL("script");
	}
	if (outcome.exit != scene->exit || !says(outcome.out, scene->out) ||
	    !says(outcome.err, scene->err) ||
	    (scene->not_out && strstr(outcome.out, scene->not_out))) {
		printf("%s: exit %d\n--- stdout\n%s--- stderr\n%s---\n", scene->line, outcome.exit,
		       outcome.out, outcome.err);
		CU_FAIL("outcome");
	}
	outcome_free(&outcome);
}

static void play_all(const struct scene *scenes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		play(&scenes[i]);
}

/* ---- scenes ---- */

#define VM1                                                                                        \
	"{\"id\":5,\"name\":\"web1\",\"state\":\"running\",\"wanted\":\"running\",\"owner\":1,"    \
	"\"owner_name\":\"n1\",\"priority\":\"high\",\"protected\":{\"ok\":true},"                 \
	"\"essence\":{\"memory_mib\":2048,\"vcpus\":2,\"digest\":\"0x1\"}}"
#define VM2                                                                                        \
	"{\"id\":6,\"name\":\"db1\",\"state\":\"failed\",\"wanted\":\"running\","                  \
	"\"detail\":\"evil \\u001b[2J\",\"protected\":{\"ok\":false},\"essence\":{}}"
#define NODES                                                                                      \
	"[{\"id\":1,\"name\":\"n1\",\"state\":\"up\"},{\"id\":2,\"name\":\"n2\",\"state\":\"up\"}]"
#define DONE(op) OK("{\"id\":" op ",\"kind\":\"stop\",\"outcome\":\"done\",\"text\":\"it is off\"}")
#define RUNNING(op) OK("{\"id\":" op ",\"kind\":\"stop\",\"outcome\":\"running\"}")

static void test_lists(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { MORE("[" VM1 "]"), OK("[" VM2 "]") } } },
		  .out = "NAME  STATE    NODE  WANTED   MEMORY  VCPUS  PRIORITY  PROTECTED  "
			 "DETAIL\n"
			 "web1  running  n1    running   2 GiB      2  high      yes        -\n"
			 "db1   failed   -     running       -      0  -         no         "
			 "evil ?[2J\n" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .err = "There are no VMs yet" },
		{ .line = "vm list --json",
		  .script = { { "{\"do\":\"vms\"}", { MORE("[{\"a\":1}]"), OK("[{\"a\":2}]") } } },
		  .out = "[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 2\n  }\n]\n" },
		{ .line = "vm list --json",
		  .script = { { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .out = "[]\n" },
		{ .line = "settings get fence.budget",
		  .script = { { "{\"do\":\"settings\"}",
				{ OK("[{\"name\":\"fence.budget\",\"value\":\"3\"}]") } } },
		  .out = "3\n" },
		{ .line = "node list",
		  .script = { { "{\"do\":\"fences\"}",
				{ OK("[{\"name\":\"bmc\",\"targets\":[{\"node\":1}]}]") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "bmc (untested)" },
		{ .line = "operation show 7",
		  .script = { { "{\"do\":\"operation\",\"operation\":7}",
				{ OK("{\"id\":7,\"kind\":\"live\",\"begun_ms\":1000,\"marks\":"
				     "[{\"what\":\"copied\",\"at_ms\":1250,\"node\":2}]}") } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .out = "+250 ms  copied on n2" },
		{ .line = "events --limit 2",
		  .script = { { "{\"do\":\"events\",\"limit\":2}",
				{ OK("[{\"id\":1,\"severity\":\"error\",\"subject\":\"vm web1\","
				     "\"text\":\"died\"}]") } } },
		  .out = "ERROR  vm web1  died" },
		{ .line = "vm dumpxml web1",
		  .script = { { "{\"do\":\"dumpxml\",\"name\":\"web1\"}",
				{ MORE("{\"name\":\"web1\",\"xml\":\"<domain>\"}"),
				  OK("{\"name\":\"web1\",\"xml\":\"</domain>\"}") } } },
		  .out = "<domain></domain>\n" },
	};

	play_all(scenes, ARRAY_SIZE(scenes));
}

static void test_errors(void)
{
	static const struct scene scenes[] = {
		{ .line = "vm show web2",
		  .script = { { "{\"do\":\"vm\",\"name\":\"web2\"}",
				{ NO("no-such", "no VM web2") } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "," VM2 "]") } } },
		  .exit = 3,
		  .err = "clusterctl: no VM web2\nDid you mean 'web1'?\n" },
		{ .line = "vm show web2 --json",
		  .script = { { "{\"do\":\"vm\"}", { NO("no-such", "no VM web2") } },
			      { "{\"do\":\"vms\"}", { OK("[]") } } },
		  .exit = 3,
		  .out = "{\n  \"error\": {\n    \"code\": \"no-such\",\n    \"text\": \"no VM "
			 "web2\"\n  }\n}\n",
		  .err = "no VM web2" },
		{ .line = "vm pause web1",
		  .script = { { "{\"do\":\"command\",\"command\":{\"vm_want\":{\"name\":\"web1\","
				"\"wanted\":\"paused\"}}}",
				{ NO("no-quorum", "1 of 3") } } },
		  .exit = 5,
		  .err = "1 of 3" },
		{ .line = "vm pause web1",
		  .script = { { "{\"do\":\"command\"}", { NO("denied", "no") } } },
		  .exit = 7,
		  .err = "no" },
		{ .line = "vm pause web1",
		  .script = { { "{\"do\":\"command\"}", { NO("unknown-outcome", "hm") } } },
		  .exit = 6,
		  .err = "hm" },
		{ .line = "vm pause web1",
		  .script = { { "{\"do\":\"command\"}",
				{ NO("busy", "is \\u001b[31mbeing moved") } } },
		  .exit = 1,
		  .err = "is ?[31mbeing moved" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { "\"ok\":true}" } } },
		  .exit = 4,
		  .err = "does not speak as clusterd" },
		{ .line = "vm list",
		  .script = { { "{\"do\":\"vms\"}", { OK("{}") } } },
		  .exit = 4,
		  .err = "does not speak as clusterd" },
		{ .line = "vm list", /* a failure behind a page that was good */
		  .script = { { "{\"do\":\"vms\"}",
				{ MORE("[" VM1 "]"), NO("not-ready", "resync") } } },
		  .exit = 5,
		  .err = "resync" },
		{ .line = "vm migrate web1 n3",
		  .script = { { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } } },
		  .exit = 3,
		  .err = "there is no node 'n3'; clusterctl node list shows all\nDid you mean "
			 "'n1'?" },
	};

	play_all(scenes, ARRAY_SIZE(scenes));
}

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

	play_all(scenes, ARRAY_SIZE(scenes));
}

/* Nothing of these reaches the daemon: their scripts are empty. */
static void test_usage(void)
{
	static const struct scene scenes[] = {
		{ .line = "fence add bmc fence_x --node n1 --secret-stdin",
		  .input = "hunter2\n",
		  .exit = 2,
		  .err = "line 1 of stdin is not of the form KEY=VALUE" },
		{ .line = "fence add bmc fence_x --node n1 --secret-stdin",
		  .exit = 2,
		  .err = "empty" },
		{ .line = "fence add bmc fence_x", .exit = 2, .err = "--node NODE" },
		{ .line = "volume add v /srv/v", .exit = 2, .err = "give dir:/PATH" },
		{ .line = "vm migrate web1 --live --quick",
		  .exit = 2,
		  .err = "exclude each other" },
		{ .line = "vm stop web1 --timeout 5", .exit = 2, .err = "--timeout is a time" },
		{ .line = "vm add /nonexistent/x.xml", .exit = 1, .err = "No such file" },
		{ .line = "vm add -", .exit = 1, .err = "nothing in it" },
		{ .line = "vm add -", .input = "\xff", .exit = 1, .err = "not UTF-8" },
		{ .line = "vm show \xff", .exit = 2, .err = "not UTF-8" },
		{ .line = "operation show x", .exit = 2, .err = "no operation" },
		{ .line = "events --limit 0", .exit = 2, .err = "--limit is a number" },
		{ .line = "status --wrong", .exit = 3, .err = "unknown option --wrong" },
		{ .line = "--version", .out = "clusterctl " },
		{ .line = "help vm stop", .out = "Usage: clusterctl vm stop" },
	};

	play_all(scenes, ARRAY_SIZE(scenes));
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

	play_all(scenes, ARRAY_SIZE(scenes));
}

/* Catches what clusterctl sends twice and compares the numbers. */
static void test_same_number(void)
{
	static char first[RECORD_MAX], second[RECORD_MAX];
	int listener = make_listener(), fd;
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
		_exit(run_line("vm stop web1 --no-wait"));
	}
	fd = accept(listener, NULL, NULL);
	n = recv(fd, first, sizeof(first), 0);
	close(fd);
	a = json_loadb(first, (size_t)n, 0, NULL);
	fd = accept(listener, NULL, NULL);
	n = recv(fd, second, sizeof(second), 0);
	b = json_loadb(second, (size_t)n, 0, NULL);
	reply(fd, json_object_get(b, "id"), 0, OK("{\"op\":1}"));
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
	pid_t daemon = start_daemon(script);
	struct outcome outcome = run("vm stop web1 --timeout 250ms", "");
	int status;

	waitpid(daemon, &status, 0);
	CU_ASSERT_EQUAL(outcome.exit, 6);
	CU_ASSERT_TRUE(outcome.took_ms >= 200 && outcome.took_ms < 5000);
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "has not ended within 250 ms"));
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "clusterctl operation wait 9"));
	outcome_free(&outcome);
}

static void test_no_daemon(void)
{
	struct outcome outcome;

	set_up();
	unlink(socket_path);
	outcome = run("vm list", "");
	CU_ASSERT_EQUAL(outcome.exit, 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "clusterd does not answer at "));
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.err, "; systemctl status clusterd\n"));
	outcome_free(&outcome);
	outcome = run("vm stop web1", "");
	CU_ASSERT_EQUAL(outcome.exit, 4);
	outcome_free(&outcome);
	outcome = run("vm list --json", "");
	CU_ASSERT_EQUAL(outcome.exit, 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.out, "\"code\": \"no-daemon\""));
	outcome_free(&outcome);
	outcome = run("status", "");
	CU_ASSERT_EQUAL(outcome.exit, 3);
	CU_ASSERT_TRUE(strncmp(outcome.out, "UNKNOWN: clusterd does not answer", 33) == 0);
	outcome_free(&outcome);
	outcome = run("__complete vm show", "");
	CU_ASSERT_EQUAL(outcome.exit, 0);
	CU_ASSERT_STRING_EQUAL(outcome.out, "show\n");
	outcome_free(&outcome);
	outcome = run(
		"--socket /tmp/a-path-that-is-longer-than-any-address-of-a-socket-in-this-system-"
		"may-be-which-is-one-hundred-and-eight-bytes vm list",
		"");
	CU_ASSERT_EQUAL(outcome.exit, 4);
	outcome_free(&outcome);
}

#define STATUS                                                                                     \
	"{\"cluster\":{\"name\":\"c\"},\"node\":{\"name\":\"n1\"},\"standing\":{\"open\":true},"   \
	"\"quorum\":{\"voters\":[1,2],\"present\":2,\"needed\":2,\"have\":true},"                  \
	"\"vms\":{\"total\":1}}"

static void test_status(void)
{
	static const struct scene scenes[] = {
		{ .line = "status",
		  .script = { { "{\"do\":\"status\"}", { OK(STATUS) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "]") } } },
		  .out = "OK: 2 nodes up, 1 VM as wanted\n" },
		{ .line = "status",
		  .script = { { "{\"do\":\"status\"}", { OK(STATUS) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"vms\"}", { OK("[" VM1 "," VM2 "]") } } },
		  .exit = 2,
		  .out = "CRITICAL: VM db1 should run and is failed: evil ?[2J (and 1 more)\n" },
		{ .line = "status --json",
		  .script = { { "{\"do\":\"status\"}", { OK(STATUS) } },
			      { "{\"do\":\"nodes\"}", { OK(NODES) } },
			      { "{\"do\":\"vms\"}", { OK("[" VM2 "]") } } },
		  .exit = 2,
		  .out = "\"level\": \"critical\"" },
		{ .line = "status",
		  .script = { { "{\"do\":\"status\"}", { NO("denied", "not you") } } },
		  .exit = 3,
		  .out = "UNKNOWN: not you\n",
		  .err = "not you" },
	};

	play_all(scenes, ARRAY_SIZE(scenes));
}

/* Goes on where it was when the daemon comes back. */
static void test_follow(void)
{
	static const struct scene scenes[] = {
		{ .line = "events --follow --json --limit 3",
		  .script = { { "{\"do\":\"events\",\"limit\":3,\"follow\":true}",
				{ MORE("[{\"id\":4,\"text\":\"a\"}]"), MORE("[]"),
				  MORE("[{\"id\":5,\"text\":\"b\"}]"), HANG_UP } },
			      { "{\"do\":\"events\",\"after\":5,\"follow\":true}",
				{ MORE("[{\"id\":6,\"text\":\"c\"}]"), NO("denied", "enough") } } },
		  .exit = 7,
		  .out = "{\"id\":4,\"text\":\"a\"}\n{\"id\":5,\"text\":\"b\"}\n{\"id\":6,"
			 "\"text\":\"c\"}\n",
		  .not_out = "error",
		  .err = "enough" },
	};

	play_all(scenes, ARRAY_SIZE(scenes));
}

/* ---- vm edit, with a real editor process: sed ---- */

#define DIGEST "{\"id\":5,\"name\":\"web1\",\"essence\":{\"digest\":\"0xabc\"}}"

/* How many files vm edit left behind. */
static size_t count_files(void)
{
	_cleanup_(freep) char *path = mem_printf("%s/edit", directory);
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

	set_up();
	files = mem_printf("%s/edit", directory);
	CU_ASSERT_EQUAL_FATAL(mkdir(files, 0700), 0);
	setenv("TMPDIR", files, 1);
	setenv("EDITOR", "sed -i s/1/2/", 1);
	unsetenv("VISUAL");
	play(&changed);
	play(&unchanged);
	CU_ASSERT_EQUAL(count_files(), 0);
	play(&refused);
	CU_ASSERT_EQUAL(count_files(), 1);
	setenv("EDITOR", "false", 1);
	play(&broken);
	CU_ASSERT_EQUAL(count_files(), 2);
}

UNIT_MAIN("clusterctl/run", { "lists", test_lists }, { "errors", test_errors },
	  { "changes", test_changes }, { "usage", test_usage }, { "restart", test_restart },
	  { "same-number", test_same_number }, { "timeout", test_timeout },
	  { "no-daemon", test_no_daemon }, { "status", test_status }, { "follow", test_follow },
	  { "edit", test_edit })
