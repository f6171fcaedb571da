/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_QUEUE_H
#define TESTS_SIM_QUEUE_H

/*
 * A queue is everything that is due in a simulation, in order of time; what is due at the same
 * time comes in the order in which it was put there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum due_kind {
	DUE_PLACE,	/* a message of the node gets its place in the group's order */
	DUE_DELIVER,	/* the next message reaches the node */
	DUE_SYNC,	/* the node's store has put a batch on disk */
	DUE_TICK,	/* the daemon's deadline has come */
	DUE_THAW,	/* what was frozen goes on */
	DUE_REGROUP,	/* Corosync has found out who is there */
	DUE_POWER,	/* somebody switches the node on */
	DUE_DAEMON,	/* systemd starts the daemon again */
	DUE_AGENT,	/* the daemon starts its vm agent again */
	DUE_JOB,	/* the next step of something that libvirt or the agent does */
	DUE_LOOK,	/* the agent looks at a guest, and tells */
	DUE_GUEST,	/* a copy that was coming in has lost its source */
	DUE_LIBVIRT,	/* the agent notices that libvirt does not answer, or does again */
	DUE_OVERDUE,	/* an ask of the daemon has had no answer in time */
	DUE_DEVICE,	/* a power device acts, or answers */
	DUE_FAULT,	/* the next one of the list */
	DUE_ASK,	/* an administrator repeats a request */
	DUE_REMOVAL,	/* somebody looks how far the removal of a node is */
	DUE_LOAN,	/* somebody who has taken a guest from the cluster does the next thing */
	DUE_KINDS
};

struct due {
	uint64_t at_us, seq;
	enum due_kind kind;
	uint32_t node;
	uint64_t life;		/* of what it is for: what has another one by then is not meant */
	uint64_t number;
};

struct queue {
	struct due *heap;
	size_t n, cap;
	uint64_t last_seq;
};

void queue_put(struct queue *queue, const struct due *due);
/* NULL if nothing is due, ever. */
const struct due *queue_first(const struct queue *queue);
/* False if it is empty. */
bool queue_take(struct queue *queue, struct due *ret_due);
void queue_free(struct queue *queue);

#endif
