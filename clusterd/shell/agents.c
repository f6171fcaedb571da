/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/agents.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/idmap.h"
#include "base/mem.h"
#include "clusterd/shell/child.h"
#include "clusterd/shell/log.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	RESTART_MIN_MS = 100,
	RESTART_MAX_MS = 5000,
	SETTLED_MS = 30000,	/* lived so long: the next restart is quick again */
	HELLO_MS = 10000,
	SILENT_MS = 60000,
	TERM_MS = 1000,		/* between SIGTERM and SIGKILL */
	CHECK_MS = 5000,	/* at most between two looks at the clock */
};

/* An ask whose answer is still owed to the core. */
struct owed {
	uint64_t id;
	enum agent_kind kind;
	uint64_t due_ms;	/* then it is answered with NULL … */
	char *text;		/* … or with FAILED and this */
};

/* One fence call; its ask may be answered before its process has ended. */
struct fence {
	struct agents *agents;
	uint64_t ask, end_ms;	/* SIGTERM then, SIGKILL TERM_MS later */
	bool terminated;
	struct child *child;
};

struct agents {
	const struct shell *shell;
	char *dir, *uri;
	struct idmap owed;	/* by ask: struct owed */
	struct idmap fences;	/* by ask: struct fence, while the process lives */
	struct shell_timer check_timer;
	uint64_t check_ms;	/* when it fires */

	struct child *vm;
	bool up, started;
	uint64_t born_ms, heard_ms, restart_ms, overdue_ms;
	struct shell_timer restart_timer;
};

static void check(void *context);
static void start_vm(void *context);

/* ---------------------------------------------------------------- asks and answers */

/* Or sooner, if that was wanted: what is due is not put off by what comes later. */
static void check_in(struct agents *agents, uint64_t in_ms)
{
	uint64_t at_ms = shell_boot_ms() + in_ms;

	if (agents->check_timer.handle && agents->check_ms <= at_ms)
		return;
	agents->check_ms = at_ms;
	shell_timer_arm(agents->shell, &agents->check_timer, in_ms, check, agents);
}

static void owed_free(void *value)
{
	struct owed *owed = value;

	if (owed)
		free(owed->text);
	free(owed);
}

static void owe(struct agents *agents, uint64_t id, enum agent_kind kind, uint64_t due_ms)
{
	struct owed *owed = mem_new(struct owed);

	*owed = (struct owed){ .id = id, .kind = kind, .due_ms = due_ms };
	owed_free(idmap_put(&agents->owed, id, owed));
}

/* To be answered as soon as the loop is back: nothing may be answered from within. */
static void owe_failure(struct agents *agents, uint64_t id, enum agent_kind kind, const char *text)
{
	struct owed *owed;

	owe(agents, id, kind, 0);
	owed = idmap_get(&agents->owed, id);
	owed->text = mem_strndup(text, WIRE_TEXT_MAX);
	/* A path in it may be anything; the log takes clean text alone. */
	for (char *c = owed->text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void answer(struct agents *agents, uint64_t ask, const Wire__AgentReply *reply)
{
	struct event event = { .kind = EVENT_AGENT_REPLY, .reply = { ask, reply } };
	struct owed *owed = idmap_remove(&agents->owed, ask);

	if (!owed)
		return;
	owed_free(owed);
	agents->shell->event(agents->shell->context, &event);
}

static void answer_failed(struct agents *agents, uint64_t ask, const char *text)
{
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;

	reply.code = WIRE__AGENT_REPLY__CODE__FAILED;
	reply.text = (char *)text;
	answer(agents, ask, &reply);
}

static void tell(struct agents *agents, enum event_kind kind)
{
	struct event event = { .kind = kind };

	agents->shell->event(agents->shell->context, &event);
}

static void wipe_request(Wire__AgentRequest *request)
{
	if (request->body_case == WIRE__AGENT_REQUEST__BODY_FENCE && request->fence->secret.data)
		explicit_bzero(request->fence->secret.data, request->fence->secret.len);
	wire_free(request);
}

/* ---------------------------------------------------------------- vm agent */

/* That a machine is off, none but the fence agent that was asked can say. */
static void hear_vm_reply(struct agents *agents, uint64_t ask, const Wire__AgentReply *reply)
{
	const struct owed *owed = idmap_get(&agents->owed, ask);

	if (owed && owed->kind != AGENT_VM)
		log_error("agent kind=vm ask=%" PRIu64 " unexpected-reply", ask);
	else
		answer(agents, ask, reply);
}

static void hear_hello(struct agents *agents, const Wire__AgentHello *hello)
{
	if (agents->up || strcmp(hello->kind, "vm") != 0) {
		log_error("agent kind=vm unexpected-hello=%s", hello->kind);
		child_signal(agents->vm, SIGKILL);
		return;
	}
	log_info("agent kind=vm up pid=%d version=%s", (int)child_pid(agents->vm), hello->version);
	agents->up = true;
	tell(agents, EVENT_AGENT_UP);
}

static void on_vm_frame(void *context, const struct frame_header *header,
			const ProtobufCMessage *body)
{
	struct agents *agents = context;
	const Wire__AgentNews *news = (const void *)body;
	struct event event = { .kind = EVENT_AGENT_NEWS, .news = news };

	agents->heard_ms = shell_boot_ms();
	if (header->type == FRAME_AGENT_REPLY) {
		hear_vm_reply(agents, header->request, (const void *)body);
		return;
	}
	if (header->type != FRAME_AGENT_NEWS)
		return;
	if (news->body_case == WIRE__AGENT_NEWS__BODY_HELLO)
		hear_hello(agents, news->hello);
	else if (agents->up)
		agents->shell->event(agents->shell->context, &event);
}

static void forget_vm_asks(struct agents *agents)
{
	for (size_t i = idmap_count(&agents->owed); i > 0; i--) {
		struct owed *owed = idmap_at(&agents->owed, i - 1, NULL);

		if (owed->kind == AGENT_VM)
			owed_free(idmap_remove(&agents->owed, owed->id));
	}
}

static void restart_later(struct agents *agents)
{
	uint64_t lived = agents->born_ms ? shell_boot_ms() - agents->born_ms : 0;

	if (agents->restart_ms == 0 || lived >= SETTLED_MS)
		agents->restart_ms = RESTART_MIN_MS;
	else
		agents->restart_ms *= 2;
	if (agents->restart_ms > RESTART_MAX_MS)
		agents->restart_ms = RESTART_MAX_MS;
	shell_timer_arm(agents->shell, &agents->restart_timer, agents->restart_ms, start_vm,
			agents);
}

static void on_vm_dead(void *context, const char *how)
{
	struct agents *agents = context;
	bool was_up = agents->up;

	log_warning("agent kind=vm down reason=\"%s\"", how);
	child_free(agents->vm);
	agents->vm = NULL;
	agents->up = false;
	agents->overdue_ms = 0;
	restart_later(agents);
	if (!was_up)
		return;
	forget_vm_asks(agents);
	tell(agents, EVENT_AGENT_DOWN);
}

static void start_vm(void *context)
{
	static const struct child_ops ops = { on_vm_frame, on_vm_dead };
	struct agents *agents = context;
	_cleanup_(argv_free) struct argv argv = { 0 };
	int error;

	shell_timer_fired(&agents->restart_timer);
	argv_addf(&argv, "%s/clusterd-agent-vm", agents->dir);
	argv_add_all(&argv, "--uri", agents->uri, NULL);
	agents->born_ms = agents->heard_ms = shell_boot_ms();
	error = child_spawn(agents->shell, &argv, &ops, agents, &agents->vm);
	if (error) {
		log_error("agent kind=vm not-started reason=\"%s\"", strerror(-error));
		agents->vm = NULL;
		restart_later(agents);
	}
	check_in(agents, CHECK_MS);
}

static void ask_vm(struct agents *agents, uint64_t id, uint32_t deadline_ms,
		   const Wire__AgentRequest *request)
{
	uint64_t now = shell_boot_ms();
	int error = agents->up ? 0 : -EPIPE;

	if (!error)
		error = child_send(agents->vm, FRAME_AGENT_REQUEST, id, &request->base);
	if (error)
		log_warning("agent kind=vm ask=%" PRIu64 " not-sent reason=\"%s\"", id,
			    strerror(-error));
	/* What passes is asked again; this would be the same for ever. */
	if (error == -EMSGSIZE || error == -EBADMSG)
		owe_failure(agents, id, AGENT_VM,
			    "it is larger than clusterd's vm agent can be told: make the "
			    "definition smaller");
	else
		owe(agents, id, AGENT_VM, error ? now : now + deadline_ms + AGENTS_OVERDUE_MS);
}

/* ---------------------------------------------------------------- fence calls */

static void on_fence_frame(void *context, const struct frame_header *header,
			   const ProtobufCMessage *body)
{
	struct fence *fence = context;

	if (header->type == FRAME_AGENT_REPLY && header->request == fence->ask)
		answer(fence->agents, fence->ask, (const void *)body);
}

static void on_fence_dead(void *context, const char *how)
{
	struct fence *fence = context;
	struct agents *agents = fence->agents;
	bool terminated = fence->terminated;
	uint64_t ask = fence->ask;
	char text[300];

	if (idmap_get(&agents->owed, ask))
		log_warning("agent kind=fence ask=%" PRIu64 " no-answer reason=\"%s\"", ask, how);
	snprintf(text, sizeof(text), "%.150s/clusterd-agent-fence %.80s, without an answer",
		 agents->dir, how);
	child_free(fence->child);
	idmap_remove(&agents->fences, ask);
	free(fence);
	if (terminated)
		answer(agents, ask, NULL);
	else
		answer_failed(agents, ask, text);
}

static int start_fence(struct agents *agents, uint64_t id, uint32_t deadline_ms,
		       const Wire__AgentRequest *request)
{
	static const struct child_ops ops = { on_fence_frame, on_fence_dead };
	_cleanup_(argv_free) struct argv argv = { 0 };
	struct fence *fence;
	int error;

	if (idmap_count(&agents->fences) >= AGENTS_FENCE_MAX || idmap_get(&agents->fences, id))
		return -EBUSY;
	argv_addf(&argv, "%s/clusterd-agent-fence", agents->dir);
	fence = mem_new(struct fence);
	*fence = (struct fence){ .agents = agents, .ask = id,
				 .end_ms = shell_boot_ms() + deadline_ms };
	error = child_spawn(agents->shell, &argv, &ops, fence, &fence->child);
	if (!error)
		error = child_send(fence->child, FRAME_AGENT_REQUEST, id, &request->base);
	/* One that has ended already: its death says how. */
	if (error == -EPIPE)
		error = 0;
	if (error) {
		child_free(fence->child);
		free(fence);
		return error;
	}
	idmap_put(&agents->fences, id, fence);
	return 0;
}

static void ask_fence(struct agents *agents, uint64_t id, uint32_t deadline_ms,
		      const Wire__AgentRequest *request)
{
	int error = start_fence(agents, id, deadline_ms, request);
	char text[300];

	if (!error) {
		owe(agents, id, AGENT_FENCE, shell_boot_ms() + deadline_ms + AGENTS_OVERDUE_MS);
		return;
	}
	log_warning("agent kind=fence ask=%" PRIu64 " not-started reason=\"%s\"", id,
		    strerror(-error));
	snprintf(text, sizeof(text), "%.150s/clusterd-agent-fence could not be started: %s",
		 agents->dir, error == -EBUSY ? "too many are at work" : strerror(-error));
	owe_failure(agents, id, AGENT_FENCE, text);
}

/* ---------------------------------------------------------------- the clock */

/* First by asking it, so that it can end what it has started. */
static void end_fence(struct fence *fence, uint64_t now)
{
	child_signal(fence->child, fence->terminated ? SIGKILL : SIGTERM);
	fence->terminated = true;
	fence->end_ms = now + TERM_MS;
}

static uint64_t check_fences(struct agents *agents, uint64_t now, uint64_t next)
{
	for (size_t i = 0; i < idmap_count(&agents->fences); i++) {
		struct fence *fence = idmap_at(&agents->fences, i, NULL);

		if (now >= fence->end_ms)
			end_fence(fence, now);
		if (fence->end_ms < next)
			next = fence->end_ms;
	}
	return next;
}

/* One at a time, because an answer may bring new asks. */
static struct owed *find_overdue(struct agents *agents, uint64_t now, uint64_t *next)
{
	for (size_t i = 0; i < idmap_count(&agents->owed); i++) {
		struct owed *owed = idmap_at(&agents->owed, i, NULL);

		if (owed->due_ms <= now)
			return owed;
		if (owed->due_ms < *next)
			*next = owed->due_ms;
	}
	return NULL;
}

static void check_vm(struct agents *agents, uint64_t now)
{
	if (!agents->vm)
		return;
	if (!agents->up && now - agents->born_ms >= HELLO_MS) {
		log_error("agent kind=vm pid=%d no-hello", (int)child_pid(agents->vm));
		child_signal(agents->vm, SIGKILL);
		agents->born_ms = now;
	}
	/* Overdue and not a word since then. */
	if (agents->up && agents->overdue_ms && now - agents->heard_ms >= SILENT_MS) {
		log_error("agent kind=vm pid=%d silent_ms=%" PRIu64, (int)child_pid(agents->vm),
			  now - agents->heard_ms);
		child_signal(agents->vm, SIGKILL);
		agents->heard_ms = now;
	}
	if (agents->heard_ms > agents->overdue_ms)
		agents->overdue_ms = 0;
}

static void check(void *context)
{
	struct agents *agents = context;
	uint64_t now = shell_boot_ms(), next = now + CHECK_MS;
	struct owed *owed;

	shell_timer_fired(&agents->check_timer);
	next = check_fences(agents, now, next);
	while ((owed = find_overdue(agents, now, &next))) {
		_cleanup_(freep) char *text = steal_ptr(owed->text);

		if (text) {
			answer_failed(agents, owed->id, text);
			continue;
		}
		if (owed->kind == AGENT_VM && agents->up) {
			log_warning("agent kind=vm ask=%" PRIu64 " no-answer", owed->id);
			agents->overdue_ms = now;
		}
		answer(agents, owed->id, NULL);
	}
	check_vm(agents, now);
	now = shell_boot_ms();
	check_in(agents, next > now ? next - now : 0);
}

void agents_ask(struct agents *agents, uint64_t id, enum agent_kind kind, uint32_t deadline_ms,
		Wire__AgentRequest *request)
{
	if (idmap_count(&agents->owed) >= AGENTS_ASKS_MAX)
		owe(agents, id, kind, 0);
	else if (kind == AGENT_VM)
		ask_vm(agents, id, deadline_ms, request);
	else
		ask_fence(agents, id, deadline_ms, request);
	wipe_request(request);
	/* From here, because nothing may be answered from within. */
	check_in(agents, 0);
}

void agents_refuse(struct agents *agents, uint64_t id, enum agent_kind kind, const char *text)
{
	owe_failure(agents, id, kind, text);
	check_in(agents, 0);
}

void agents_cancel(struct agents *agents, uint64_t id)
{
	struct fence *fence = idmap_get(&agents->fences, id);

	owed_free(idmap_remove(&agents->owed, id));
	if (!fence || fence->terminated)
		return;
	log_notice("agent kind=fence ask=%" PRIu64 " ended reason=\"no longer wanted\"", id);
	end_fence(fence, shell_boot_ms());
	check_in(agents, TERM_MS);
}

/* ---------------------------------------------------------------- life */

struct agents *agents_new(const struct shell *shell, const char *dir, const char *libvirt_uri)
{
	struct agents *agents = mem_new(struct agents);

	agents->shell = shell;
	agents->dir = mem_strdup(dir);
	agents->uri = mem_strdup(libvirt_uri);
	return agents;
}

void agents_start(struct agents *agents)
{
	if (!agents->started)
		shell_timer_arm(agents->shell, &agents->restart_timer, 0, start_vm, agents);
	agents->started = true;
}

static void free_fence(void *value)
{
	struct fence *fence = value;

	child_free(fence->child);
	free(fence);
}

void agents_free(struct agents *agents)
{
	if (!agents)
		return;
	shell_timer_stop(agents->shell, &agents->check_timer);
	shell_timer_stop(agents->shell, &agents->restart_timer);
	child_free(agents->vm);
	idmap_free(&agents->fences, free_fence);
	idmap_free(&agents->owed, owed_free);
	free(agents->dir);
	free(agents->uri);
	free(agents);
}
