/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd-agent-fence: makes the one fence call that the daemon asks for on descriptor 3, and
 * ends. With --kind AGENT it only says whether that fence agent switches power: which parameters it
 * takes then, each on a line, or why it does not.
 *
 * It is two processes, so that a power device is told nothing more once the call is over, even
 * if one of them is killed: the worker makes the call, and its keeper outlives it for as long as
 * anything is left that the worker started. When the keeper is killed, the worker ends the call.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"

#include "agents/channel.h"
#include "agents/fence_call.h"
#include "base/cleanup.h"
#include "wire/message.h"

enum { ORPHAN_PAUSE_MAX_NS = 50 * 1000000, KIND_TIMEOUT_MS = 10000 };

static int say_hello(struct channel *channel)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__AgentHello hello = WIRE__AGENT_HELLO__INIT;

	hello.kind = (char *)"fence";
	hello.version = (char *)PACKAGE_VERSION;
	hello.pid = (uint32_t)getpid();
	news.body_case = WIRE__AGENT_NEWS__BODY_HELLO;
	news.hello = &hello;
	return channel_send(channel, FRAME_AGENT_NEWS, 0, &news.base);
}

/* Waits for the request; -EPIPE: the daemon is gone. */
static int await_request(struct channel *channel, int signals, uint64_t *ret_id,
			 Wire__AgentRequest **ret_request)
{
	for (;;) {
		struct pollfd fds[3];
		struct frame_header header;
		ProtobufCMessage *body;
		int r = channel_receive(channel, &header, &body);

		if (r == 0 && header.type == FRAME_AGENT_REQUEST) {
			*ret_id = header.request;
			*ret_request = (Wire__AgentRequest *)(void *)body;
			return 0;
		}
		if (r == 0)
			frame_body_free(body);
		if (r < 0 && r != -EAGAIN)
			return r;
		channel_poll_fds(channel, fds);
		fds[2] = (struct pollfd){ .fd = signals, .events = POLLIN };
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[2].revents)
			return -EINTR;
	}
}

/* Until all is written: this process has nothing else to do. */
static int send_reply(struct channel *channel, uint64_t id, const Wire__AgentReply *reply)
{
	int r = channel_send(channel, FRAME_AGENT_REPLY, id, &reply->base);

	while (r == 0) {
		struct pollfd fds[2];

		channel_poll_fds(channel, fds);
		if (!(fds[0].events & POLLOUT))
			return 0;
		fds[0].events = POLLOUT;
		if (poll(fds, 1, 5000) <= 0)
			return -ETIMEDOUT;
		r = channel_flush(channel);
	}
	return r;
}

/* ---------------------------------------------------------------- what is left behind */

static void kill_children(void)
{
	FILE *children = fopen("/proc/thread-self/children", "re");
	long pid;

	while (children && fscanf(children, "%ld", &pid) == 1)
		kill((pid_t)pid, SIGKILL);
	if (children)
		fclose(children);
}

/*
 * What left its process group became a child of this process, the subreaper of its descendants,
 * when its parent ended. Nothing of it may switch a node off when this call has been answered: what
 * the kernel holds is waited for, and the daemon gives the call up when its time is over.
 */
static void end_orphans(void)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	for (;;) {
		pid_t pid;

		kill_children();
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			return;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < ORPHAN_PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
	}
}

/* SIGTERM, which the daemon sends when the deadline has passed, must reach what we started, too. */
static void block_signals(sigset_t *ret_set)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(ret_set);
	sigaddset(ret_set, SIGTERM);
	sigaddset(ret_set, SIGINT);
	sigprocmask(SIG_BLOCK, ret_set, NULL);
}

static int serve(struct channel *channel, int signals)
{
	_cleanup_(wire_freep) Wire__AgentRequest *request = NULL;
	_cleanup_(wire_freep) Wire__AgentReply *reply = NULL;
	int stop_fds[2] = { CHANNEL_FD, signals };
	uint64_t id = 0;
	int r = say_hello(channel);

	if (r == 0)
		r = await_request(channel, signals, &id, &request);
	if (r < 0)
		return r;
	if (request->body_case == WIRE__AGENT_REQUEST__BODY_FENCE) {
		reply = fence_call(request->fence, stop_fds);
		end_orphans();
		if (request->fence->secret.data)
			explicit_bzero(request->fence->secret.data, request->fence->secret.len);
	} else {
		reply = wire_new(&wire__agent_reply__descriptor);
		reply->code = WIRE__AGENT_REPLY__CODE__REFUSED;
		wire_set(&reply->text, "the fence agent knows no other request than a fence call");
	}
	return send_reply(channel, id, reply);
}

static int work(const sigset_t *set)
{
	struct channel *channel;
	int signals = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	int r = channel_new(CHANNEL_FD, &channel);

	if (r < 0) {
		fprintf(stderr, "clusterd-agent-fence is started by clusterd, which talks to it on "
				"descriptor 3\n");
		return 2;
	}
	r = signals < 0 ? -EMFILE : serve(channel, signals);
	if (r < 0 && r != -EPIPE && r != -EINTR)
		fprintf(stderr, "agent kind=fence ended reason=\"%s\"\n", strerror(-r));
	channel_free(channel);
	return r < 0 ? 1 : 0;
}

/*
 * Passes on what it is told until the worker has ended, and ends what that left. It keeps the
 * channel open meanwhile: the daemon takes its end for the end of the call.
 */
static int keep(pid_t worker, const sigset_t *set)
{
	sigset_t all = *set;
	int status = 0, number;

	sigaddset(&all, SIGCHLD);
	sigprocmask(SIG_BLOCK, &all, NULL);
	while (waitpid(worker, &status, WNOHANG) == 0)
		if (sigwait(&all, &number) == 0 && number != SIGCHLD)
			kill(worker, number);
	end_orphans();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Exit status 0: it does; 1: it does not; 3: that is not known. */
static int tell_kind(const char *agent)
{
	static const int status[] = {
		[FENCE_KIND_POWER] = 0, [FENCE_KIND_OTHER] = 1, [FENCE_KIND_UNKNOWN] = 3
	};
	_cleanup_(freep) char *text = NULL;
	enum fence_kind kind = fence_call_kind(agent, KIND_TIMEOUT_MS, &text);

	if (text)
		printf("%s%s", text, kind == FENCE_KIND_POWER ? "" : "\n");
	return status[kind];
}

int main(int argc, char **argv)
{
	pid_t keeper = getpid(), worker;
	sigset_t set;

	if (argc == 3 && strcmp(argv[1], "--kind") == 0)
		return tell_kind(argv[2]);
	block_signals(&set);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	worker = fork();
	if (worker != 0)
		return worker < 0 ? 1 : keep(worker, &set);
	/* A group of its own: what kills the keeper's group must leave this one to tidy up. */
	setpgid(0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return getppid() == keeper ? work(&set) : 1;
}
