/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum {
	CHUNK = 4096,
	DRAIN_TURNS = 32, /* twice what a full pipe takes */
};

static char *const environment[] = {
	(char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" },
	(char[]){ "LC_ALL=C.UTF-8" },
	NULL,
};

struct running {
	struct run run;
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
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
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

static void close_pair(int pair[2])
{
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

int run_start(const struct run *run, struct running **ret)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 }, pidfd = -1, r = 0;
	struct running *child;
	pid_t pid = 0;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = spawn(run, in[0], out[1], err[1], &pid);
	if (r == 0) {
		pidfd = pidfd_open(pid, 0);
		r = pidfd < 0 ? -errno : 0;
	}
	if (r < 0) {
		if (pid > 0) {
			kill(-pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		close_pair(in);
		close_pair(out);
		close_pair(err);
		return r;
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	child = mem_new(struct running);
	*child = (struct running){ *run, pid, pidfd, in[1], out[0], err[0] };
	*ret = child;
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

/*
 * What it has written before its end. Whoever still holds a pipe open is not waited for, nor is
 * one that goes on writing read for ever.
 */
static void drain(struct running *child, struct run_result *result)
{
	for (int i = 0; i < DRAIN_TURNS; i++) {
		struct pollfd fds[2] = {
			{ .fd = child->out, .events = POLLIN },
			{ .fd = child->err, .events = POLLIN },
		};

		if (poll(fds, 2, 0) <= 0)
			return;
		if (fds[0].revents)
			take_output(&child->out, &result->output, child->run.output_max);
		if (fds[1].revents)
			take_output(&child->err, &result->errors, child->run.errors_max);
	}
}

/* Until it ended; -ETIMEDOUT, -ECANCELED. */
static int attend(struct running *child, uint64_t end_ms, bool stoppable, struct run_result *result)
{
	for (;;) {
		uint64_t now = now_ms();
		struct pollfd fds[5] = {
			{ .fd = child->out, .events = POLLIN },
			{ .fd = child->err, .events = POLLIN },
			{ .fd = child->pidfd, .events = POLLIN },
			{ .fd = stoppable ? child->run.stop_fds[0] : -1, .events = POLLIN },
			{ .fd = stoppable ? child->run.stop_fds[1] : -1, .events = POLLIN },
		};

		if (now >= end_ms)
			return -ETIMEDOUT;
		if (poll(fds, 5, (int)(end_ms - now)) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (fds[0].revents)
			take_output(&child->out, &result->output, child->run.output_max);
		if (fds[1].revents)
			take_output(&child->err, &result->errors, child->run.errors_max);
		if (fds[2].revents) {
			drain(child, result);
			return 0;
		}
		if (fds[3].revents || fds[4].revents)
			return -ECANCELED;
	}
}

static void reap(struct running *child, struct run_result *result)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	result->exited = info.si_code == CLD_EXITED;
	result->status = info.si_status;
}

/* Its whole group: what it started has nobody to answer to. */
static void end_and_free(struct running *child, struct run_result *result)
{
	kill(-child->pid, SIGKILL);
	reap(child, result);
	close_fd(&child->in);
	close_fd(&child->out);
	close_fd(&child->err);
	close_fd(&child->pidfd);
	free(child);
}

/*
 * A pipe takes that much without blocking. Who does not read it says why elsewhere: that is no
 * error, and its signal is not for our caller.
 */
static int give_input(struct running *child, const void *input, size_t len)
{
	const struct timespec no_time = { 0 };
	sigset_t broken_pipe, before;
	int r = 0;

	if (len > RUN_INPUT_MAX)
		return -EIO;
	sigemptyset(&broken_pipe);
	sigaddset(&broken_pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
	if (len && write(child->in, input, len) != (ssize_t)len) {
		r = errno == EPIPE ? 0 : -EIO;
		sigtimedwait(&broken_pipe, NULL, &no_time);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close_fd(&child->in);
	return r;
}

static bool told_to_stop(const struct running *child)
{
	struct pollfd fds[2] = {
		{ .fd = child->run.stop_fds[0], .events = POLLIN },
		{ .fd = child->run.stop_fds[1], .events = POLLIN },
	};

	return poll(fds, 2, 0) > 0;
}

int run_finish(struct running *child, const void *input, size_t len, uint64_t timeout_ms,
	       struct run_result *ret)
{
	struct run_result result = { 0 };
	uint64_t begun_ms = now_ms();
	bool stop = told_to_stop(child);
	int r = stop ? 0 : give_input(child, input, len);

	if (r < 0) {
		run_drop(child);
		return r;
	}
	/* One that has no input yet has done nothing that it could want to tidy up. */
	if (stop) {
		result.timed_out = true;
	} else if (attend(child, begun_ms + timeout_ms, true, &result) < 0) {
		result.timed_out = true;
		kill(-child->pid, SIGTERM);
		attend(child, now_ms() + RUN_TERM_MS, false, &result);
	}
	end_and_free(child, &result);
	result.took_ms = now_ms() - begun_ms;
	*ret = result;
	return 0;
}

void run_drop(struct running *child)
{
	struct run_result result;

	if (child)
		end_and_free(child, &result);
}

int run_program(const struct run *run, const void *input, size_t len, uint64_t timeout_ms,
		struct run_result *ret)
{
	struct running *child;
	int r = run_start(run, &child);

	return r < 0 ? r : run_finish(child, input, len, timeout_ms, ret);
}

void run_result_free(struct run_result *result)
{
	buf_free(&result->output);
	buf_free(&result->errors);
}
