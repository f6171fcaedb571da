/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum { INPUT_MAX = 64 * 1024, CHUNK = 4096 };

static char *const environment[] = {
	(char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" },
	(char[]){ "LC_ALL=C.UTF-8" },
	NULL,
};

struct child {
	pid_t pid;
	int pidfd;
	int in, out, err; /* our ends; -1: closed */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---------------------------------------------------------------- birth */

static int spawn(const struct run *run, int in, int out, int err, pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_adddup2(&files, err, 2);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	r = posix_spawn(ret_pid, run->argv->items[0], &files, &attr, argv_items(run->argv),
			environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* What stdin holds is written before the child exists: it fits, and nothing can block. */
static int fill_input(int fd, const struct run *run)
{
	if (run->input_len > INPUT_MAX)
		return -EMSGSIZE;
	if (run->input_len && write(fd, run->input, run->input_len) != (ssize_t)run->input_len)
		return -EIO;
	return 0;
}

static int start(const struct run *run, struct child *child)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 }, r = 0;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = fill_input(in[1], run);
	if (r == 0)
		r = spawn(run, in[0], out[1], err[1], &child->pid);
	close_fd(&in[0]);
	close_fd(&in[1]);
	close_fd(&out[1]);
	close_fd(&err[1]);
	if (r == 0) {
		child->pidfd = pidfd_open(child->pid, 0);
		r = child->pidfd < 0 ? -errno : 0;
	}
	if (r < 0) {
		close_fd(&out[0]);
		close_fd(&err[0]);
		if (child->pid > 0) {
			kill(-child->pid, SIGKILL);
			waitpid(child->pid, NULL, 0);
		}
		return r;
	}
	child->out = out[0];
	child->err = err[0];
	return 0;
}

/* ---------------------------------------------------------------- life */

static void take_output(int *fd, struct buf *to, size_t max)
{
	char chunk[CHUNK];
	ssize_t n = read(*fd, chunk, sizeof(chunk));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		close_fd(fd);
		return;
	}
	if (to->len < max)
		buf_append(to, chunk, (size_t)n < max - to->len ? (size_t)n : max - to->len);
}

/* Until it ended; -ETIMEDOUT. What a grandchild still holds open is not waited for. */
static int attend(struct child *child, const struct run *run, uint64_t end_ms,
		  struct run_result *result)
{
	bool ended = false;

	while (!ended || child->out >= 0 || child->err >= 0) {
		uint64_t now = now_ms();
		struct pollfd fds[3] = {
			{ .fd = child->out, .events = POLLIN },
			{ .fd = child->err, .events = POLLIN },
			{ .fd = ended ? -1 : child->pidfd, .events = POLLIN },
		};
		int n;

		if (!ended && now >= end_ms)
			return -ETIMEDOUT;
		n = poll(fds, 3, ended ? 0 : (int)(end_ms - now));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (ended && n == 0)
			break;
		if (fds[0].revents)
			take_output(&child->out, &result->output, run->output_max);
		if (fds[1].revents)
			take_output(&child->err, &result->errors, run->errors_max);
		ended |= fds[2].revents != 0;
	}
	return 0;
}

static void reap(struct child *child, struct run_result *result)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	result->exited = info.si_code == CLD_EXITED;
	result->status = info.si_status;
}

int run_program(const struct run *run, struct run_result *ret)
{
	struct child child = { .pidfd = -1, .in = -1, .out = -1, .err = -1 };
	struct run_result result = { 0 };
	uint64_t begun_ms = now_ms();
	int r = start(run, &child);

	if (r < 0)
		return r;
	if (attend(&child, run, begun_ms + run->timeout_ms, &result) < 0) {
		result.timed_out = true;
		kill(-child.pid, SIGTERM);
		attend(&child, run, now_ms() + RUN_TERM_MS, &result);
	}
	/* Its group, too: what it started has nobody to answer to. */
	kill(-child.pid, SIGKILL);
	reap(&child, &result);
	close_fd(&child.out);
	close_fd(&child.err);
	close_fd(&child.pidfd);
	result.took_ms = now_ms() - begun_ms;
	*ret = result;
	return 0;
}

void run_result_free(struct run_result *result)
{
	buf_free(&result->output);
	buf_free(&result->errors);
}
