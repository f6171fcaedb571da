/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/agent.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID_MAX = 64 * 1024, SWITCHES_POWER = 0, PROVES_NOTHING = 1 };

/* With its output in a pipe, and without our input, which may be a secret. */
static int start(const char *dir, const char *agent, pid_t *ret_pid, int *ret_fd)
{
	_cleanup_(argv_free) struct argv argv = { 0 };
	posix_spawn_file_actions_t files;
	int pair[2], r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	argv_addf(&argv, "%s/clusterd-agent-fence", dir);
	argv_add_all(&argv, "--kind", agent, NULL);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, pair[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = -posix_spawn(ret_pid, argv.items[0], &files, NULL, argv_items(&argv), environ);
	posix_spawn_file_actions_destroy(&files);
	close(pair[1]);
	if (r < 0)
		close(pair[0]);
	else
		*ret_fd = pair[0];
	return r;
}

/* All of it, so that it never waits for us; the first SAID_MAX bytes are kept. */
static void read_all(int fd, struct buf *to)
{
	char chunk[256];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && to->len + (size_t)n <= SAID_MAX)
			buf_append(to, chunk, (size_t)n);
}

static void take_params(const char *said, struct argv *params)
{
	while (*said) {
		size_t len = strcspn(said, "\n");

		if (len)
			argv_addf(params, "%.*s", (int)len, said);
		said += len + (said[len] == '\n');
	}
}

void agent_look(const char *dir, const char *name, struct agent *ret)
{
	_cleanup_(buf_free) struct buf said = { 0 };
	int fd = -1, status = 0;
	pid_t pid, ended;

	if (start(dir, name, &pid, &fd) < 0)
		return;
	read_all(fd, &said);
	close(fd);
	do
		ended = waitpid(pid, &status, 0);
	while (ended < 0 && errno == EINTR);
	if (ended != pid || !WIFEXITED(status) || said.len == 0)
		return;
	if (WEXITSTATUS(status) == PROVES_NOTHING)
		ret->proves_nothing =
			mem_strndup(buf_str(&said), strcspn(buf_str(&said), "\n"));
	else if (WEXITSTATUS(status) == SWITCHES_POWER)
		take_params(buf_str(&said), &ret->params);
}

void agent_free(struct agent *agent)
{
	free(agent->proves_nothing);
	argv_free(&agent->params);
	*agent = (struct agent){ 0 };
}

/* Agents take each for the other. */
static bool is_same(const char *a, const char *b)
{
	while (*a && (*a == *b || (strchr("-_", *a) && *b && strchr("-_", *b)))) {
		a++;
		b++;
	}
	return *a == *b;
}

bool agent_takes(const struct agent *agent, const char *key, const char **ret_near)
{
	const char *const *params = (const char *const *)agent->params.items;

	for (size_t i = 0; i < agent->params.count; i++)
		if (is_same(key, params[i]))
			return true;
	if (agent->params.count == 0)
		return true;
	*ret_near = nearest_word(key, params, agent->params.count);
	return false;
}
