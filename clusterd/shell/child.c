/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/log.h"

enum { AGENT_FD = 3, SOCKET_BYTES = 1024 * 1024, FRAMES_A_TURN = 64 };

struct waiting {
	struct waiting *next;
	struct buf frame;
};

struct child {
	const struct shell *shell;
	const struct child_ops *ops;
	void *context;
	pid_t pid;
	int pidfd, fd;
	bool polled, watched;
	struct waiting *outbox, **outbox_tail;
	size_t outbox_bytes;
};

/* ---------------------------------------------------------------- birth */

/*
 * Between fork and exec only what is safe while the storage thread may hold locks. The
 * kernel ends the child with the daemon: an agent without one would act for nobody.
 */
static void become_agent(int fd, pid_t daemon, char *const *argv, char *const *environment)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &plain, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != daemon || dup2(fd, AGENT_FD) < 0)
		_exit(126);
	/* dup2 of a descriptor onto itself would keep its close-on-exec flag. */
	fcntl(AGENT_FD, F_SETFD, 0);
	close_range(AGENT_FD + 1, ~0U, 0);
	execve(argv[0], argv, environment);
	_exit(127);
}

static char *const *agent_environment(void)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C.UTF-8";
	static char home[300];
	static char *const environment[] = { path, locale, home, NULL };
	const char *own = getenv("HOME");

	snprintf(home, sizeof(home), "HOME=%s", own && own[0] == '/' ? own : "/");
	return environment;
}

static int start_process(const struct argv *argv, pid_t *ret_pid, int *ret_fd)
{
	char *const *environment = agent_environment();
	pid_t daemon = getpid();
	int pair[2], size = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	/* Agents read their end in the simple way. */
	fcntl(pair[1], F_SETFL, 0);
	*ret_pid = fork();
	if (*ret_pid == 0)
		become_agent(pair[1], daemon, argv_items(argv), environment);
	if (*ret_pid < 0) {
		int error = -errno;

		close(pair[0]);
		close(pair[1]);
		return error;
	}
	/* Also here, so that a signal to the group never comes too early. */
	setpgid(*ret_pid, *ret_pid);
	close(pair[1]);
	*ret_fd = pair[0];
	return 0;
}

/* ---------------------------------------------------------------- frames */

static void stop_talking(struct child *child)
{
	if (child->polled)
		qb_loop_poll_del(child->shell->loop, child->fd);
	child->polled = false;
	shell_close_fd(&child->fd);
	while (child->outbox) {
		struct waiting *waiting = child->outbox;

		child->outbox = waiting->next;
		/* Requests to fence agents hold secrets. */
		explicit_bzero(waiting->frame.data, waiting->frame.len);
		buf_free(&waiting->frame);
		free(waiting);
	}
	child->outbox_tail = &child->outbox;
	child->outbox_bytes = 0;
}

/* False: nothing more to read now, or never. */
static bool receive(struct child *child)
{
	static uint8_t data[FRAME_HEADER_SIZE + FRAME_BODY_MAX + 1];
	struct frame_header header;
	ProtobufCMessage *body = NULL;
	ssize_t size = recv(child->fd, data, sizeof(data), MSG_DONTWAIT);
	int error;

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (size <= 0) {
		stop_talking(child);
		return false;
	}
	error = frame_decode(data, (size_t)size, &header, &body);
	if (error) {
		log_warning("agent bad-frame pid=%d reason=\"%s\"", (int)child->pid,
			    strerror(-error));
		return true;
	}
	child->ops->frame(child->context, &header, body);
	frame_body_free(body);
	return true;
}

static bool send_one(struct child *child, const struct buf *frame)
{
	return send(child->fd, frame->data, frame->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void flush(struct child *child)
{
	while (child->outbox) {
		struct waiting *waiting = child->outbox;

		if (!send_one(child, &waiting->frame)) {
			if (errno != EAGAIN && errno != EINTR)
				stop_talking(child);
			return;
		}
		child->outbox = waiting->next;
		if (!child->outbox)
			child->outbox_tail = &child->outbox;
		child->outbox_bytes -= waiting->frame.len;
		explicit_bzero(waiting->frame.data, waiting->frame.len);
		buf_free(&waiting->frame);
		free(waiting);
	}
}

static int32_t on_socket(int32_t fd, int32_t revents, void *context);

static void want_write(struct child *child, bool write)
{
	qb_loop_poll_mod(child->shell->loop, QB_LOOP_MED, child->fd,
			 write ? POLLIN | POLLOUT : POLLIN, child, on_socket);
}

static int32_t on_socket(int32_t fd, int32_t revents, void *context)
{
	struct child *child = context;

	if (revents & POLLOUT) {
		flush(child);
		if (child->fd >= 0 && !child->outbox)
			want_write(child, false);
	}
	for (int n = 0; n < FRAMES_A_TURN && child->fd >= 0; n++)
		if (!receive(child))
			break;
	return 0;
}

int child_send(struct child *child, uint16_t type, uint64_t request, const ProtobufCMessage *body)
{
	const struct frame_header header = { .type = type, .request = request,
					     .protocol = FRAME_PROTOCOL_ALWAYS };
	struct waiting *waiting;
	struct buf frame = { 0 };
	int error;

	if (child->fd < 0)
		return -EPIPE;
	if (child->outbox_bytes > CHILD_OUTBOX_MAX)
		return -ENOBUFS;
	error = frame_encode(&header, body, &frame);
	if (error) {
		buf_free(&frame);
		return error;
	}
	waiting = mem_new(struct waiting);
	waiting->frame = frame;
	*child->outbox_tail = waiting;
	child->outbox_tail = &waiting->next;
	child->outbox_bytes += frame.len;
	if (child->outbox == waiting)
		flush(child);
	if (child->fd < 0)
		return -EPIPE;
	if (child->outbox)
		want_write(child, true);
	return 0;
}

/* ---------------------------------------------------------------- death */

static void describe(const siginfo_t *info, char *how, size_t size)
{
	if (info->si_code != CLD_EXITED)
		snprintf(how, size, "ended by signal %d", info->si_status);
	else if (info->si_status == 127)
		snprintf(how, size, "could not be run");
	else
		snprintf(how, size, "exited with status %d", info->si_status);
}

static int32_t on_death(int32_t fd, int32_t revents, void *context)
{
	struct child *child = context;
	siginfo_t info = { 0 };
	char how[80];

	/* What it said last counts. */
	for (int n = 0; n < FRAMES_A_TURN && child->fd >= 0; n++)
		if (!receive(child))
			break;
	if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return 0;
	describe(&info, how, sizeof(how));
	stop_talking(child);
	qb_loop_poll_del(child->shell->loop, child->pidfd);
	child->watched = false;
	shell_close_fd(&child->pidfd);
	/* What it started has nobody to answer to. */
	kill(-child->pid, SIGKILL);
	child->pid = 0;
	child->ops->dead(child->context, how);
	return 0;
}

int child_spawn(const struct shell *shell, const struct argv *argv, const struct child_ops *ops,
		void *context, struct child **ret)
{
	struct child *child = mem_new(struct child);
	int error;

	*child = (struct child){ .shell = shell, .ops = ops, .context = context, .pidfd = -1,
				 .fd = -1, .outbox_tail = &child->outbox };
	error = start_process(argv, &child->pid, &child->fd);
	if (error) {
		free(child);
		return error;
	}
	child->pidfd = pidfd_open(child->pid, 0);
	if (child->pidfd < 0)
		error = -errno;
	if (!error)
		error = qb_loop_poll_add(shell->loop, QB_LOOP_MED, child->pidfd, POLLIN, child,
					 on_death);
	child->watched = !error;
	if (!error)
		error = qb_loop_poll_add(shell->loop, QB_LOOP_MED, child->fd, POLLIN, child,
					 on_socket);
	child->polled = !error;
	if (error) {
		child_free(child);
		return error;
	}
	*ret = child;
	return 0;
}

void child_free(struct child *child)
{
	if (!child)
		return;
	stop_talking(child);
	if (child->watched)
		qb_loop_poll_del(child->shell->loop, child->pidfd);
	shell_close_fd(&child->pidfd);
	if (child->pid > 0) {
		kill(-child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	free(child);
}

pid_t child_pid(const struct child *child)
{
	return child->pid;
}

void child_signal(struct child *child, int number)
{
	if (child->pid > 0)
		kill(-child->pid, number);
}
