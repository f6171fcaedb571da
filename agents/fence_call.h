/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fence call: one question or order to a power device, by an agent of the ClusterLabs collection.
 *
 * What it answers is believed as a proof that a machine is dead, so: OFF only when a `status` of
 * its own, asked after the order, said so, and only of an agent that switches power, which is found
 * out before it is told anything (fence_kind.h); a deadline passed, a signal, an odd exit code are
 * never success. Source: FenceAgentAPI.md of fence-agents: options as lines on stdin, exit 0 = done
 * or on, 2 = off.
 */
#ifndef AGENTS_FENCE_CALL_H
#define AGENTS_FENCE_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "agents/fence_kind.h"
#include "base/buf.h"
#include "wire/schema.pb-c.h"

/*
 * Carries it out; free the reply with wire_free(). stop_fds: see run.h; hung up, the call is given
 * up. Codes: OFF, ON, FAILED, TIMEOUT, REFUSED (a call that may not be made).
 */
Wire__AgentReply *fence_call(const Wire__FenceCall *call, const int stop_fds[2]);

/*
 * What kind of agent one of that name is, as it says itself on this node, within such a time; what
 * is not installed is FENCE_KIND_UNKNOWN. ret_text: of one that switches power its parameters, each
 * a line, else why (see fence_kind.h); the caller frees it.
 */
enum fence_kind fence_call_kind(const char *agent, uint32_t timeout_ms, char **ret_text);

/* ---- parts, for tests */

/* Whether it is a name of an agent, and no path. */
bool fence_name_ok(const char *name);

/*
 * What the agent reads for an action. -EINVAL: a key or value that would not stay on its line, or a
 * key of ours among the parameters (action, nodename).
 */
int fence_input(const Wire__FenceCall *call, const char *action, struct buf *out);

/*
 * Text with the values of all lines key=value of the secret replaced by "***", one for what
 * overlaps or touches. The caller frees it.
 */
char *fence_mask(const char *text, size_t len, const void *secret, size_t secret_len);

/* Behind "2026-01-31 10:20:30,456 ", by which agents begin: no part of what they say. */
const char *fence_skip_time(const char *line);

/*
 * The last line of a text that says anything: of an agent that ends by where its help is, the one
 * above. Cuts the text behind it; "" if there is none.
 */
const char *fence_last_line(char *text);

enum {
	FENCE_OUTPUT_MAX = 16 * 1024, /* bytes of what an agent writes that are kept */
	FENCE_QUOTE_MAX = 300,        /* and of that in a text of ours */
};

/*
 * What an agent wrote, for people: its last line, in ASCII, without what is in the secret. The
 * caller frees it.
 */
char *fence_quote(const char *text, size_t len, const void *secret, size_t secret_len);

#endif
