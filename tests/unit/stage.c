/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "clusterctl/clock.h"
#include "clusterctl/ctl.h"
#include "tests/unit/unit.h"

enum { WORDS_MAX = 32 };

char stage_directory[] = "/tmp/clusterctl-test-XXXXXX";
char stage_socket[64];

/* ---- where it all happens ---- */

static void tear_down(void)
{
	char *const argv[] = { (char *)"rm", (char *)"-r", (char *)"--", stage_directory, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/* Once; and the processes made here leave by _exit(), so that only this one tears it down. */
void stage_set_up(void)
{
	if (*stage_socket)
		return;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(stage_directory));
	snprintf(stage_socket, sizeof(stage_socket), "%s/operator.sock", stage_directory);
	setenv("CLUSTERD_SOCKET", stage_socket, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TZ", "UTC", 1);
	atexit(tear_down);
}

int stage_listen(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	stage_set_up();
	memcpy(address.sun_path, stage_socket, strlen(stage_socket) + 1);
	unlink(stage_socket);
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

void stage_reply(int fd, const json_t *id, int seq, const char *rest)
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
		stage_reply(fd, json_object_get(request, "id"), 0,
		      NO("bad-request", "not in the script"));
	}
	for (int i = 0; !*ret_wrong && go_on && i < STAGE_REPLIES_MAX && exchange->replies[i];
	     i++) {
		go_on = strcmp(exchange->replies[i], HANG_UP) != 0;
		if (go_on)
			stage_reply(fd, json_object_get(request, "id"), i, exchange->replies[i]);
	}
	json_decref(request);
	json_decref(expected);
	return go_on;
}

/* Serves connections until the script is over; exits with how that went. */
static void __attribute__((noreturn)) daemon_main(int listener, const struct exchange *script)
{
	static char record[STAGE_RECORD_MAX + 1];
	bool wrong = false;

	alarm(30);
	while (script->expect && !wrong) {
		int fd = accept(listener, NULL, NULL);
		bool go_on = true;

		while (go_on && !wrong && script->expect) {
			ssize_t n = recv(fd, record, sizeof(record), MSG_TRUNC);

			if (n <= 0 || n > STAGE_RECORD_MAX)
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
	_exit(wrong ? 1 : STAGE_SCRIPT_END);
}

pid_t stage_start_daemon(const struct exchange *script)
{
	int listener = stage_listen();
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

void outcome_free(struct outcome *outcome)
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
	_cleanup_(freep) char *path = mem_printf("%s/file-XXXXXX", stage_directory);
	int fd = mkostemp(path, O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	unlink(path);
	CU_ASSERT_EQUAL(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

int stage_run_line(const char *line)
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
struct outcome stage_run(const char *line, const char *input)
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
		status = stage_run_line(line);
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

/* The same on a terminal of 40 columns, which stdout and stderr are together. */
static struct outcome run_on_terminal(const char *line)
{
	struct outcome outcome = { .err = mem_strdup("") };
	const struct winsize size = { .ws_row = 24, .ws_col = 40 };
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status = 0;
	struct buf said = { 0 };
	bool ended = false;
	char part[4096];
	ssize_t n;
	pid_t pid;

	CU_ASSERT_FATAL(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int fd = open(ptsname(terminal), O_RDWR | O_NOCTTY);

		alarm(30);
		ioctl(fd, TIOCSWINSZ, &size);
		for (int i = 0; i < 3; i++)
			dup2(fd, i);
		status = stage_run_line(line);
		fflush(NULL);
		_exit(status);
	}
	/* EIO: nobody has the other side open, not yet or not any more. */
	while ((n = read(terminal, part, sizeof(part))) > 0 || !ended) {
		if (n > 0) {
			buf_append(&said, part, (size_t)n);
			continue;
		}
		ended = waitpid(pid, &status, WNOHANG) == pid;
		if (!ended)
			usleep(1000);
	}
	close(terminal);
	outcome.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
	outcome.out = buf_steal_str(&said);
	return outcome;
}

static bool says(const char *text, const char *part)
{
	return part ? strstr(text, part) != NULL : !*text;
}

void stage_play(const struct scene *scene)
{
	pid_t daemon = stage_start_daemon(scene->script);
	const char *input = scene->input ? scene->input : "";
	struct outcome outcome = scene->terminal ? run_on_terminal(scene->line)
						 : stage_run(scene->line, input);
	int status = 0;

	waitpid(daemon, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != STAGE_SCRIPT_END) {
		printf("%s: the script was not followed\n", scene->line);
		CU_FAIL("script");
	}
	if (outcome.exit != scene->exit || !says(outcome.out, scene->out) ||
	    !says(outcome.err, scene->err) ||
	    (scene->not_out && strstr(outcome.out, scene->not_out)) ||
	    (scene->not_err && strstr(outcome.err, scene->not_err))) {
		printf("%s: exit %d\n--- stdout\n%s--- stderr\n%s---\n", scene->line, outcome.exit,
		       outcome.out, outcome.err);
		CU_FAIL("outcome");
	}
	outcome_free(&outcome);
}

void stage_play_all(const struct scene *scenes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		stage_play(&scenes[i]);
}
