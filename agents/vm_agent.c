/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vm agent's main thread: requests come in, and the time passes. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config.h"

#include "agents/vm.h"
#include "base/mem.h"
#include "migrate/driver/process.h"
#include "wire/message.h"

enum {
	TURN_MS = 500,    /* at most between two looks at the clock */
	UNSURE_MS = 1000, /* between two looks at what does not last */
	SWEEP_MS = 10000, /* between two looks at everything: an event may have been lost */
};

static void say_hello(struct agent *agent)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__AgentHello hello = WIRE__AGENT_HELLO__INIT;

	hello.kind = (char *)"vm";
	hello.version = (char *)PACKAGE_VERSION;
	hello.pid = (uint32_t)getpid();
	news.body_case = WIRE__AGENT_NEWS__BODY_HELLO;
	news.hello = &hello;
	agent_send_news(agent, &news);
}

/* All that is there; -EPIPE: the daemon is gone. */
static int take_frames(struct agent *agent)
{
	for (;;) {
		struct frame_header header;
		ProtobufCMessage *body = NULL;
		int r = channel_receive(agent->channel, &header, &body);

		if (r == -EAGAIN)
			return 0;
		if (r == -EPIPE)
			return r;
		if (r < 0) {
			fprintf(stderr, "agent kind=vm bad-frame reason=\"%s\"\n", strerror(-r));
			continue;
		}
		if (header.type == FRAME_AGENT_REQUEST)
			vm_request(agent, header.request, (Wire__AgentRequest *)(void *)body);
		else
			frame_body_free(body);
	}
}

struct clock {
	uint64_t unsure_ms, sweep_ms;
};

/* What has to be done by now; returns when to look again. */
static uint64_t keep_time(struct agent *agent, struct clock *clock)
{
	uint64_t now_ms = process_now_ms(), next_ms = pool_check(agent->pool, now_ms);

	vm_facts_check(agent, now_ms);
	if (now_ms >= clock->unsure_ms) {
		bool sweep = now_ms >= clock->sweep_ms;

		guest_queue_unsure(agent, sweep);
		clock->unsure_ms = now_ms + UNSURE_MS;
		if (sweep)
			clock->sweep_ms = now_ms + SWEEP_MS;
	}
	return next_ms < now_ms + TURN_MS ? next_ms : now_ms + TURN_MS;
}

static void serve(struct agent *agent)
{
	struct clock clock = { .sweep_ms = process_now_ms() + SWEEP_MS };
	struct pollfd fds[3];
	uint64_t next_ms, now_ms, rung;
	int r = 0;

	while (r == 0) {
		next_ms = keep_time(agent, &clock);
		channel_poll_fds(agent->channel, fds);
		fds[2] = (struct pollfd){ .fd = agent->bell, .events = POLLIN };
		now_ms = process_now_ms();
		if (poll(fds, 3, next_ms > now_ms ? (int)(next_ms - now_ms) : 0) < 0 &&
		    errno != EINTR)
			return;
		if (fds[2].revents && read(agent->bell, &rung, sizeof(rung)) < 0 && errno != EAGAIN)
			return;
		r = channel_flush(agent->channel);
		if (r == 0)
			r = take_frames(agent);
	}
}

static int agent_new(const char *uri, struct agent **ret)
{
	struct agent *agent = mem_new(struct agent);
	int r;

	agent->uri = uri;
	agent->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r = agent->bell < 0 ? -errno : channel_new(CHANNEL_FD, &agent->channel);
	if (r < 0) {
		free(agent);
		return r;
	}
	pthread_mutex_init(&agent->lock, NULL);
	pthread_mutex_init(&agent->watch_lock, NULL);
	pthread_cond_init(&agent->lost_cond, NULL);
	snprintf(agent->why, sizeof(agent->why), "libvirtd has not answered yet at %.150s", uri);
	agent->pool = pool_new(uri);
	agent->facts = vm_facts_new();
	*ret = agent;
	return 0;
}

int agent_run(const char *uri)
{
	struct agent *agent;
	int r = agent_new(uri, &agent);

	if (r < 0)
		return r;
	say_hello(agent);
	r = vm_link_start(agent);
	if (r == 0)
		serve(agent);
	/* Threads may be anywhere in libvirt; what they began there is libvirtd's to end. */
	return r;
}
