/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What becomes of the daemon's asks, whatever its agents say, in whatever order and however late:
// frames with any bytes, answers to what was not asked, deaths. An input is a script (fuzz.h).
//
// The processes, the timers and the clock are in this file, instead of child.c and shell.c.
//
// Covers: clusterd/shell/agents.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/update.h"
#include "clusterd/shell/agents.h"
#include "clusterd/shell/child.h"
#include "wire/check.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 6000;

enum {
	STEPS_MAX = 120, CHILDREN_MAX = AGENTS_FENCE_MAX + 1, ASKED_MAX = 100, TIMERS_MAX = 4,
	FIRED_MAX = 1000,
};

struct child {
	const struct child_ops *ops;
	void *context;
	bool is_vm, deaf;
	uint64_t ask;		/* of a fence call */
	int signalled;
};

struct asked {
	enum agent_kind kind;
	bool owed, cancelled;
};

static struct {
	uint64_t now_ms;
	struct fuzz_in script;
	struct child *children[CHILDREN_MAX];
	struct {
		struct shell_timer *timer;
		uint64_t at_ms;
		void (*fire)(void *context);
		void *context;
	} timers[TIMERS_MAX];
	struct asked asked[ASKED_MAX];	/* by id, from 1 */
	uint64_t asked_n;
	const struct child *speaks;	/* whose frame is being taken */
	bool from_within, up;
	unsigned int fired;
} stage;

/* ---------------------------------------------------------------- instead of shell.c */

uint64_t shell_boot_ms(void)
{
	return stage.now_ms;
}

uint64_t shell_wall_ms(void)
{
	return stage.now_ms;
}

void shell_timer_stop(const struct shell *shell, struct shell_timer *timer)
{
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (stage.timers[i].timer == timer)
			stage.timers[i].timer = NULL;
	timer->handle = 0;
}

void shell_timer_arm(const struct shell *shell, struct shell_timer *timer, uint64_t in_ms,
		     void (*fire)(void *context), void *context)
{
	shell_timer_stop(shell, timer);
	for (size_t i = 0; i < TIMERS_MAX; i++)
		if (!stage.timers[i].timer) {
			stage.timers[i].timer = timer;
			stage.timers[i].at_ms = stage.now_ms + in_ms;
			stage.timers[i].fire = fire;
			stage.timers[i].context = context;
			timer->handle = 1;
			return;
		}
	fuzz_must(false, "more timers than it has");
}

void shell_timer_fired(struct shell_timer *timer)
{
	timer->handle = 0;
}

/* Each that is due by then, in its turn. */
static void pass_until(uint64_t until_ms)
{
	for (;;) {
		size_t next = TIMERS_MAX;

		for (size_t i = 0; i < TIMERS_MAX; i++)
			if (stage.timers[i].timer && stage.timers[i].at_ms <= until_ms &&
			    (next == TIMERS_MAX ||
			     stage.timers[i].at_ms < stage.timers[next].at_ms))
				next = i;
		if (next == TIMERS_MAX)
			break;
		/* Each process that does not end is told so once a second. */
		fuzz_must(stage.fired++ < FIRED_MAX + stage.now_ms * CHILDREN_MAX / 1000,
			  "it wakes up for ever");
		stage.timers[next].timer = NULL;
		if (stage.timers[next].at_ms > stage.now_ms)
			stage.now_ms = stage.timers[next].at_ms;
		stage.timers[next].fire(stage.timers[next].context);
	}
	stage.now_ms = until_ms;
}

/* ---------------------------------------------------------------- instead of child.c */

int child_spawn(const struct shell *shell, const struct argv *argv, const struct child_ops *ops,
		void *context, struct child **ret)
{
	bool is_vm = strstr(argv->items[0], "/clusterd-agent-vm");
	size_t place = 0;

	while (place < CHILDREN_MAX && stage.children[place])
		place++;
	fuzz_must(place < CHILDREN_MAX, "more processes than there may be");
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		fuzz_must(!is_vm || !stage.children[i] || !stage.children[i]->is_vm,
			  "two vm agents");
	if (fuzz_below(&stage.script, 16) == 15)
		return -EAGAIN;
	stage.children[place] = mem_new(struct child);
	*stage.children[place] = (struct child){ .ops = ops, .context = context, .is_vm = is_vm };
	*ret = stage.children[place];
	return 0;
}

void child_free(struct child *child)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (child && stage.children[i] == child)
			stage.children[i] = NULL;
	free(child);
}

pid_t child_pid(const struct child *child)
{
	return 1000;
}

int child_send(struct child *child, uint16_t type, uint64_t request, const ProtobufCMessage *body)
{
	static const int errors[] = { -EPIPE, -EMSGSIZE, -EBADMSG, -ENOBUFS };
	uint8_t how = fuzz_byte(&stage.script);

	if (!child->is_vm)
		child->ask = request;
	return how < 0xf0 ? 0 : errors[how % 4];
}

void child_signal(struct child *child, int number)
{
	if (child->signalled != SIGKILL)
		child->signalled = number;
}

/* ---------------------------------------------------------------- what the core hears */

static void hear_answer(uint64_t id, const Wire__AgentReply *reply)
{
	struct asked *asked = id && id <= stage.asked_n ? &stage.asked[id - 1] : NULL;

	fuzz_must(asked && asked->owed, "an answer that is not owed");
	fuzz_must(!asked->cancelled, "an answer to what nobody wants");
	asked->owed = false;
	/* OFF is believed to mean that a machine is dead. */
	if (reply && asked->kind == AGENT_FENCE && reply->code == WIRE__AGENT_REPLY__CODE__OFF)
		fuzz_must(stage.speaks && !stage.speaks->is_vm && stage.speaks->ask == id,
			  "a machine is called dead by who was not asked");
	if (reply)
		fuzz_clean(reply->text, WIRE_TEXT_MAX, "an answer's text");
}

static void on_event(void *context, struct event *event)
{
	fuzz_must(!stage.from_within, "the core is told from within");
	switch (event->kind) {
	case EVENT_AGENT_REPLY:
		hear_answer(event->reply.ask, event->reply.reply);
		break;
	case EVENT_AGENT_UP:
		fuzz_must(!stage.up, "up twice");
		stage.up = true;
		break;
	case EVENT_AGENT_DOWN:
		fuzz_must(stage.up, "down twice");
		stage.up = false;
		for (uint64_t i = 0; i < stage.asked_n; i++)
			stage.asked[i].owed &= stage.asked[i].kind != AGENT_VM;
		break;
	case EVENT_AGENT_NEWS:
		fuzz_must(stage.up, "news of who has not said hello");
		break;
	default:
		fuzz_must(false, "another event than there may be");
	}
}

/* ---------------------------------------------------------------- steps */

static struct child *some_child(struct fuzz_in *in)
{
	return stage.children[fuzz_below(in, CHILDREN_MAX)];
}

static void ask(struct agents *agents, struct fuzz_in *in)
{
	uint8_t how = fuzz_byte(in);
	enum agent_kind kind = how & 1 ? AGENT_FENCE : AGENT_VM;
	Wire__AgentRequest *request;

	if (stage.asked_n == ASKED_MAX)
		return;
	stage.asked[stage.asked_n++] = (struct asked){ .kind = kind, .owed = true };
	stage.from_within = true;
	if (how & 2) {
		agents_refuse(agents, stage.asked_n, kind, how & 4 ? "it cannot\n\x01" : "no");
	} else {
		request = wire_new(&wire__agent_request__descriptor);
		request->body_case = kind == AGENT_FENCE ? WIRE__AGENT_REQUEST__BODY_FENCE :
							   WIRE__AGENT_REQUEST__BODY_KILL;
		if (kind == AGENT_FENCE)
			request->fence = wire_new(&wire__fence_call__descriptor);
		else
			request->kill = wire_new(&wire__dom_kill__descriptor);
		agents_ask(agents, stage.asked_n, kind, (uint32_t)fuzz_number(in) % 100000,
			   request);
	}
	stage.from_within = false;
}

static void cancel(struct agents *agents, struct fuzz_in *in)
{
	uint64_t id = 1 + fuzz_below(in, ASKED_MAX);

	if (id > stage.asked_n || stage.asked[id - 1].kind != AGENT_FENCE)
		return;
	stage.from_within = true;
	agents_cancel(agents, id);
	stage.from_within = false;
	stage.asked[id - 1].owed = false;
	stage.asked[id - 1].cancelled = true;
}

static void say(struct child *child, uint16_t type, uint64_t request, const ProtobufCMessage *body)
{
	const struct frame_header header = { .type = type, .request = request };

	stage.speaks = child;
	child->ops->frame(child->context, &header, body);
	stage.speaks = NULL;
}

static void hello(struct agents *agents, struct fuzz_in *in)
{
	Wire__AgentNews news = WIRE__AGENT_NEWS__INIT;
	Wire__AgentHello hello = WIRE__AGENT_HELLO__INIT;
	struct child *child = stage.children[0];

	hello.kind = (char *)"vm";
	news.body_case = WIRE__AGENT_NEWS__BODY_HELLO;
	news.hello = &hello;
	if (child)
		say(child, FRAME_AGENT_NEWS, 0, &news.base);
}

static void reply(struct agents *agents, struct fuzz_in *in)
{
	struct child *child = some_child(in);
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;
	uint64_t id = fuzz_byte(in);

	reply.code = (Wire__AgentReply__Code)fuzz_below(in, 11);
	reply.text = (char *)"said";
	if (child)
		say(child, FRAME_AGENT_REPLY, id, &reply.base);
}

/* As it comes from the socket. */
static void frame(struct agents *agents, struct fuzz_in *in)
{
	struct child *child = some_child(in);
	struct fuzz_in block = fuzz_block(in);
	struct frame_header header = { .type = fuzz_byte(in) & 1 ? FRAME_AGENT_NEWS :
								   FRAME_AGENT_REQUEST };
	_cleanup_(buf_free) struct buf packet = { 0 };
	ProtobufCMessage *body = wire_parse(frame_body_descriptor(header.type), block.data,
					    block.size);
	ProtobufCMessage *taken = NULL;

	if (child && body && frame_encode(&header, body, &packet) == 0 &&
	    frame_decode(packet.data, packet.len, &header, &taken) == 0)
		say(child, header.type, header.request, taken);
	frame_body_free(taken);
	wire_free(body);
}

static void die(struct agents *agents, struct fuzz_in *in)
{
	struct child *child = some_child(in);

	if (child)
		child->ops->dead(child->context, "ended by signal 9");
}

static void pass(struct agents *agents, struct fuzz_in *in)
{
	pass_until(stage.now_ms + fuzz_number(in) % 70000);
}

/* ---------------------------------------------------------------- a whole input */

/* Who is killed dies; then nothing is owed any more. */
static void come_to_an_end(void)
{
	for (int turn = 0; turn < 40; turn++) {
		for (size_t i = 0; i < CHILDREN_MAX; i++)
			if (stage.children[i] && stage.children[i]->signalled)
				stage.children[i]->ops->dead(stage.children[i]->context, "dead");
		pass_until(stage.now_ms + 10000);
	}
	for (uint64_t i = 0; i < stage.asked_n; i++)
		fuzz_must(!stage.asked[i].owed, "an ask without an answer");
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		fuzz_must(!stage.children[i] || stage.children[i]->is_vm,
			  "a fence call that never ends");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct agents *agents, struct fuzz_in *in) = {
		ask, ask, hello, reply, frame, die, pass, cancel,
	};
	const struct shell shell = { .event = on_event };
	struct agents *agents;

	memset(&stage, 0, sizeof(stage));
	stage.script = (struct fuzz_in){ data, size };
	stage.now_ms = 1000;
	agents = agents_new(&shell, "/usr/libexec/clusterd", "qemu:///system");
	agents_start(agents);
	pass_until(stage.now_ms);
	for (int n = 0; n < STEPS_MAX && stage.script.size > 0; n++)
		steps[fuzz_below(&stage.script, ARRAY_SIZE(steps))](agents, &stage.script);
	come_to_an_end();
	agents_free(agents);
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		fuzz_must(!stage.children[i], "a process is left behind");
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
#define TEXT(text) text, sizeof(text) - 1
	static const struct {
		const char *text;
		size_t size;
	} seeds[] = {
		/* The vm agent starts, says hello, is asked, answers; is asked and dies. */
		{ TEXT("\0\2\0\0\5\0\3\0\1\0\0\0\5\0\5\0\6\xc9") },
		{ TEXT("\0\2\0\0\5\0\6\xd0\6\xd0\6\xd0") },
		{ TEXT("\0\0\1\5\0\3\1\1\10\6\1\5\1") },
		{ TEXT("\0\0\1\5\0\5\1\6\1") },
		{ TEXT("\0\0\1\5\0\7\0\6\xcb\6\xcb") },
		{ TEXT("\0\0\1\5\0\6\xd0\6\xd0") },
		{ TEXT("\0\0\2\0\3\0\7\6\1") },
		{ TEXT("\0\2\0\0\5\xf1\0\0\5\xf2\6\1") },
		/* It answers what a fence agent was asked. */
		{ TEXT("\0\2\0\0\1\5\0\3\0\1\x08\6\1") },
		{ TEXT("\0\2\4\0\4\0\x3a\2\x10\1\1\6\1") },
	};

	if (n >= ARRAY_SIZE(seeds))
		return false;
	buf_append(out, seeds[n].text, seeds[n].size);
	return true;
}
