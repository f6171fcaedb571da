/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/hook.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/local_socket.h"
#include "clusterd/shell/log.h"
#include "wire/check.h"

enum { WHY_SIZE = 500 };

/* Tags of barriers, apart from those of operators. */
#define BARRIER_TAG (UINT64_C(1) << 63)

struct caller {
	struct hook *hook;
	int fd; /* -1: free */
	uint64_t since_ms;
	uint64_t tag; /* of the barrier that its question waits for; 0: it waits for none */
	size_t size;
	char question[HOOK_REQUEST_MAX];
};

struct hook {
	const struct shell *shell;
	const struct core *core;
	int listener;
	uint64_t barriers;
	struct caller callers[HOOK_CLIENTS_MAX];
};

static void hang_up(struct caller *caller)
{
	qb_loop_poll_del(caller->hook->shell->loop, caller->fd);
	shell_close_fd(&caller->fd);
	caller->tag = 0;
}

/* ---------------------------------------------------------------- the answer */

static bool right_named(const char *op, enum core_right *ret)
{
	static const struct {
		const char *op;
		enum core_right right;
	} rights[] = {
		{ "start", RIGHT_START },
		{ "restore", RIGHT_RESTORE },
		{ "incoming", RIGHT_INCOMING },
	};

	for (size_t i = 0; op && i < ARRAY_SIZE(rights); i++)
		if (strcmp(rights[i].op, op) == 0) {
			*ret = rights[i].right;
			return true;
		}
	return false;
}

/*
 * A guest that this node does not know, or knows as managed=no. One with our mark may only pass
 * while the node knows what there is: its store may be old or empty, and the guest managed and
 * running elsewhere by now. It may also lag behind the others by a moment, which only a barrier
 * tells. All others are none of our business.
 */
static int judge_stranger(const struct core *core, bool marked, enum hook_barrier barrier,
			  char *why, size_t size)
{
	char reason[WHY_SIZE / 2];

	if (!marked)
		return -ENOENT;
	if (!core_in_step(core, reason, sizeof(reason))) {
		snprintf(why, size,
			 "This node is not in step with the cluster (%s), so it does not know "
			 "whether the guest may run here: see clusterctl status", reason);
		return 0;
	}
	if (barrier == HOOK_NOT_ASKED)
		return -EAGAIN;
	if (barrier == HOOK_PASSED)
		return -ENOENT;
	snprintf(why, size,
		 "The cluster did not confirm in time that this node knows what holds now, so it "
		 "does not know whether the guest may run here: try again, or see clusterctl "
		 "status");
	return 0;
}

/* 1, 0 or -ENOENT as core_may_run; -EINVAL: not understood, which is a no; -EAGAIN: not yet. */
static int judge(const struct core *core, const json_t *request, enum hook_barrier barrier,
		 char *why, size_t size)
{
	const char *verb = json_string_value(json_object_get(request, "do"));
	const char *uuid = json_string_value(json_object_get(request, "uuid"));
	const char *op = json_string_value(json_object_get(request, "op"));
	bool marked = !json_is_false(json_object_get(request, "marked"));
	enum core_right right;
	int verdict;

	if (!verb || strcmp(verb, "may-run") != 0 || !uuid || !right_named(op, &right)) {
		snprintf(why, size,
			 "clusterd did not understand the question of the libvirt hook: "
			 "are both of the same version?");
		return -EINVAL;
	}
	if (!core && !marked)
		return -ENOENT;
	if (!core) {
		snprintf(why, size,
			 "clusterd does not know yet which node this is, because "
			 "Corosync does not answer");
		return 0;
	}
	verdict = core_may_run(core, uuid, right, why, size);
	return verdict == -ENOENT ? judge_stranger(core, marked, barrier, why, size) : verdict;
}

size_t hook_answer(const struct core *core, const void *data, size_t size,
		   enum hook_barrier barrier, char ret_reply[HOOK_REPLY_MAX])
{
	json_t *request = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL), *json;
	char why[WHY_SIZE] = "";
	int verdict = judge(core, request, barrier, why, sizeof(why));
	const char *uuid = json_string_value(json_object_get(request, "uuid"));
	const char *op = json_string_value(json_object_get(request, "op"));
	bool ok = verdict == 1 || verdict == -ENOENT;

	if (verdict == -EAGAIN) {
		json_decref(request);
		return 0;
	}
	/* Part of a text from outside may be cut within a character. */
	wire_text_line(why);
	if (!ok)
		log_notice("hook refused uuid=%.40s op=%.20s why=\"%s\"", uuid ? uuid : "",
			   op ? op : "", why);
	json = json_pack("{s:b, s:s, s:b}", "ok", ok, "why", why, "managed", verdict != -ENOENT);
	size = json_dumpb(json, ret_reply, HOOK_REPLY_MAX, JSON_COMPACT);
	json_decref(json);
	json_decref(request);
	assert(size > 0 && size <= HOOK_REPLY_MAX);
	return size;
}

/* False: not without a barrier. */
static bool answer(struct caller *caller, enum hook_barrier barrier)
{
	char reply[HOOK_REPLY_MAX];
	size_t size = hook_answer(caller->hook->core, caller->question, caller->size, barrier,
				  reply);

	if (size && send(caller->fd, reply, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		hang_up(caller);
	return size > 0;
}

bool hook_take_answer(struct hook *hook, uint64_t tag, const Wire__Verdict *verdict)
{
	bool passed = verdict->code == WIRE__VERDICT__CODE__OK;

	if (!(tag & BARRIER_TAG))
		return false;
	for (size_t i = 0; i < HOOK_CLIENTS_MAX; i++)
		if (hook->callers[i].fd >= 0 && hook->callers[i].tag == tag) {
			hook->callers[i].tag = 0;
			answer(&hook->callers[i], passed ? HOOK_PASSED : HOOK_HELD);
		}
	return true;
}

static void ask_for_barrier(struct caller *caller)
{
	const struct shell *shell = caller->hook->shell;
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Noop noop = WIRE__NOOP__INIT;
	struct event event = { .kind = EVENT_CLIENT };

	caller->tag = BARRIER_TAG | ++caller->hook->barriers;
	command.request = shell_random();
	command.time_ms = shell_wall_ms();
	command.who = (char *)"libvirt's hook";
	command.body_case = WIRE__COMMAND__BODY_NOOP;
	command.noop = &noop;
	event.client = (struct event_client){ caller->tag, &command };
	shell->event(shell->context, &event);
}

static int32_t on_caller(int32_t fd, int32_t revents, void *context)
{
	struct caller *caller = context;
	ssize_t size = recv(caller->fd, caller->question, sizeof(caller->question),
			    MSG_DONTWAIT | MSG_TRUNC);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* Who asks again before there is an answer is none of ours. */
	if (size <= 0 || caller->tag) {
		hang_up(caller);
		return 0;
	}
	/* Of one that is cut nothing is understood. */
	caller->size = (size_t)size <= sizeof(caller->question) ? (size_t)size : 0;
	if (!answer(caller, HOOK_NOT_ASKED))
		ask_for_barrier(caller);
	return 0;
}

/* ---------------------------------------------------------------- callers */

/* A free place; the oldest caller gives way when he had his time. */
static struct caller *find_place(struct hook *hook)
{
	struct caller *oldest = &hook->callers[0];

	for (size_t i = 0; i < HOOK_CLIENTS_MAX; i++) {
		if (hook->callers[i].fd < 0)
			return &hook->callers[i];
		if (hook->callers[i].since_ms < oldest->since_ms)
			oldest = &hook->callers[i];
	}
	if (shell_boot_ms() - oldest->since_ms < HOOK_LIFE_MS)
		return NULL;
	hang_up(oldest);
	return oldest;
}

static int32_t on_listener(int32_t fd, int32_t revents, void *context)
{
	struct hook *hook = context;
	struct local_peer peer;
	struct caller *caller;
	int client = -1;

	if (local_accept(hook->listener, LOCAL_GROUP_NONE, &peer, &client) < 0)
		return 0;
	caller = find_place(hook);
	if (!peer.trusted || !caller) {
		shell_close_fd(&client);
		return 0;
	}
	*caller = (struct caller){ .hook = hook, .fd = client, .since_ms = shell_boot_ms() };
	if (qb_loop_poll_add(hook->shell->loop, QB_LOOP_HIGH, client, POLLIN, caller, on_caller) <
	    0)
		shell_close_fd(&caller->fd);
	return 0;
}

int hook_new(const struct shell *shell, const char *run_dir, struct hook **ret)
{
	struct hook *hook = mem_new(struct hook);
	char path[120];
	int error;

	hook->shell = shell;
	hook->listener = -1;
	for (size_t i = 0; i < HOOK_CLIENTS_MAX; i++)
		hook->callers[i].fd = -1;
	snprintf(path, sizeof(path), "%s/hook.sock", run_dir);
	error = local_listen(path, 0600, LOCAL_GROUP_NONE, &hook->listener);
	if (!error)
		error = qb_loop_poll_add(shell->loop, QB_LOOP_HIGH, hook->listener, POLLIN, hook,
					 on_listener);
	if (error) {
		shell_close_fd(&hook->listener);
		free(hook);
		return error;
	}
	*ret = hook;
	return 0;
}

void hook_set_core(struct hook *hook, const struct core *core)
{
	hook->core = core;
}

void hook_free(struct hook *hook)
{
	if (!hook)
		return;
	for (size_t i = 0; i < HOOK_CLIENTS_MAX; i++)
		if (hook->callers[i].fd >= 0)
			hang_up(&hook->callers[i]);
	qb_loop_poll_del(hook->shell->loop, hook->listener);
	shell_close_fd(&hook->listener);
	free(hook);
}
