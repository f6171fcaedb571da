/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_UPDATE_H
#define CLUSTERD_CORE_UPDATE_H

/*
 * An update is what a core wants done after an event. The shell carries it out in this
 * order: hand persist to the store as one transaction, multicast, end asks, ask agents, answer
 * clients, arm the deadline; and then, if asked, leave. Nothing in it may be dropped; only
 * the store tells when something is durable (EVENT_PERSISTED), and the core itself holds
 * back whatever must wait for that.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/schema.pb-c.h"

enum persist_kind {
	PERSIST_PROMISE,	/* value = the promised epoch */
	PERSIST_CUT,		/* remove log entries with an index above value */
	PERSIST_APPEND,		/* entry {index, epoch, data = command} */
	PERSIST_TRIM,		/* remove log entries with an index below value */
	PERSIST_PUT,		/* record {table, id, data} */
	PERSIST_DEL,		/* record {table, id} */
	PERSIST_APPLIED,	/* state tables now stand at index value, epoch epoch */
	PERSIST_WIPE,		/* remove every record and log entry: a snapshot follows */
	PERSIST_ALONE,		/* value = an epoch, opened alone; index = of its voters */
	PERSIST_TOGETHER,	/* value = a boot of the machine, index = of the voters; 0: none */
};

struct persist {
	enum persist_kind kind;
	uint32_t table;
	uint64_t id;		/* of a record */
	uint64_t value;
	uint64_t index, epoch;	/* of an entry; of PERSIST_APPLIED */
	struct buf data;
};

enum agent_kind { AGENT_VM, AGENT_FENCE };

struct ask {
	uint64_t id;
	enum agent_kind agent;		/* AGENT_FENCE: a process of its own for each ask */
	uint32_t deadline_ms;		/* from now; then the shell answers with NULL */
	Wire__AgentRequest *request;	/* owned */
	/*
	 * Fence: a const ProtobufCBinaryData * to be opened into request->fence->secret, and
	 * the name it was sealed under. Both stay valid until the next step.
	 */
	const void *sealed;
	const char *sealed_name;
};

struct answer {
	uint64_t tag;
	Wire__Verdict *verdict;		/* owned */
};

enum leave { LEAVE_NO, LEAVE_CLEAN, LEAVE_RESYNC, LEAVE_DAMAGED };

struct update {
	struct buf *frames;		/* encoded, in order */
	size_t frames_n, frames_cap;
	struct persist *persists;	/* in order; one transaction */
	size_t persists_n, persists_cap;
	uint64_t persist_seq;		/* of this batch, if there is one; ascending */
	uint64_t *cancels;		/* ids of fence asks to be ended: no answer is wanted */
	size_t cancels_n, cancels_cap;
	struct ask *asks;
	size_t asks_n, asks_cap;
	struct answer *answers;
	size_t answers_n, answers_cap;
	uint64_t deadline_ms;		/* absolute BOOTTIME; 0 = none */
	enum leave leave;		/* RESYNC, DAMAGED: exit; the store is kept or set aside */
	const char *leave_why;
	bool opened;			/* an epoch was opened: log it */
};

void update_init(struct update *update);
/* Frees what the update owns and makes it empty again. */
void update_reset(struct update *update);

/* The builders below take ownership of what they are given. */
void update_frame(struct update *update, struct buf *frame);
struct persist *update_persist(struct update *update, enum persist_kind kind);
/* Drops the last persists, so that n are left. */
void update_persist_cut(struct update *update, size_t n);
/* All persists of another update, after those that are there; that one has none then. */
void update_persist_all(struct update *update, struct update *from);
struct ask *update_ask(struct update *update, enum agent_kind agent);
/* An ask of AGENT_FENCE that is under way does nothing more, and nobody waits for its answer. */
void update_cancel(struct update *update, uint64_t ask);
void update_answer(struct update *update, uint64_t tag, Wire__Verdict *verdict);
/* Makes sure that a tick comes no later than at_ms. */
void update_wake(struct update *update, uint64_t at_ms);
/* What is asked for between these two is told apart: the second returns it, 0 for nothing. */
uint64_t update_wakes_apart(struct update *update);
uint64_t update_wakes_together(struct update *update, uint64_t before_ms);

#endif
