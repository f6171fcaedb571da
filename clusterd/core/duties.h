/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_DUTIES_H
#define CLUSTERD_CORE_DUTIES_H

/*
 * The duties of this node: for each VM in which it has a part, compares what the committed
 * record wants here with what the vm agent sees, asks the agent for the difference, and
 * reports the truth. Level-triggered: run again after every change, it asks only for what is
 * missing. Also its fence calls, and the report about itself.
 *
 * Runs only while an epoch is open; for VMs, only while this daemon's boot id is the committed
 * one.
 */

#include "clusterd/core/core.h"

struct duties;

struct duties *duties_new(void);
void duties_free(struct duties *duties);

void duties_agent_up(struct core *core);
void duties_agent_down(struct core *core);
void duties_news(struct core *core, const Wire__AgentNews *news, struct update *update);
void duties_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply);
void duties_run(struct core *core, struct update *update);
/* In its place while this node decides nothing: ends what must not go on without a majority. */
void duties_rest(struct core *core, struct update *update);

/* See core_may_run. */
int duties_may_run(const struct core *core, const char *uuid, enum core_right right,
		   char *ret_why, size_t size);
bool duties_agent_ok(const struct core *core);

#endif
