/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_AGENTS_H
#define CLUSTERD_SHELL_AGENTS_H

/*
 * The agents are the processes that may block in the daemon's place: one for libvirt that
 * is kept running, one for each fence call. Whatever becomes of them, every ask gets
 * exactly one EVENT_AGENT_REPLY, or, for the vm agent, an EVENT_AGENT_DOWN in its place; or
 * none, when it was cancelled.
 *
 *   vm agent:   started again 0.1 to 5 s after its death; EVENT_AGENT_UP when it has said
 *               hello; killed when it says nothing at all for 60 s while asks are overdue,
 *               or not even hello for 10 s.
 *   fence call: its process is ended when the ask's deadline has passed, or it is cancelled.
 *
 * An ask that is 2 s overdue is answered with NULL; what its agent says later is dropped. One
 * that cannot even begin, or whose process ends without a word, is answered with FAILED and a
 * sentence that says why.
 */

#include "clusterd/core/update.h"
#include "clusterd/shell/shell.h"

struct agents;

enum { AGENTS_OVERDUE_MS = 2000, AGENTS_FENCE_MAX = 32, AGENTS_ASKS_MAX = 4096 };

/* dir: where clusterd-agent-vm and clusterd-agent-fence are. Copied. */
struct agents *agents_new(const struct shell *shell, const char *dir, const char *libvirt_uri);
/* Starts the vm agent. */
void agents_start(struct agents *agents);
/* Ends all of them. NULL is fine. */
void agents_free(struct agents *agents);

/*
 * Hands an ask on; takes request, whose secret, if any, is in clear and is wiped. Answers come
 * later, never from within.
 */
void agents_ask(struct agents *agents, uint64_t id, enum agent_kind kind, uint32_t deadline_ms,
		Wire__AgentRequest *request);
/* In its place, for an ask that cannot be carried out: it is answered with FAILED and that text. */
void agents_refuse(struct agents *agents, uint64_t id, enum agent_kind kind, const char *text);
/*
 * Ends a fence call with all that it has started, as when its deadline has passed; it is not
 * answered any more. One that is unknown, or over, is fine.
 */
void agents_cancel(struct agents *agents, uint64_t id);

#endif
