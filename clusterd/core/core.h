/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_CORE_H
#define CLUSTERD_CORE_CORE_H

/*
 * A core is the whole cluster logic of one node as a function of its state and the next
 * event: no clock, no I/O, no randomness. The shell feeds it events and carries out the
 * updates; a simulator can run any number of cores in one process.
 *
 * Life: core_new, core_load_* with everything the store holds, then core_step for ever.
 */

#include "clusterd/core/event.h"
#include "clusterd/core/look.h"
#include "clusterd/core/state.h"
#include "clusterd/core/update.h"

struct core;

struct core_config {
	uint32_t node;			/* own Corosync node id, never 0 */
	uint64_t boot_id;		/* random for each start of the daemon, never 0 */
	uint64_t disk_id;		/* random for each creation of the store, never 0 */
	const char *kernel_boot_id;	/* /proc/sys/kernel/random/boot_id; copied */
	uint64_t memory_mib;		/* declared memory; 0 = what the agent finds */
	uint64_t random;		/* seed for request ids */
	bool eager;			/* for tests: looks at everything at each step */
	const char *version;		/* of this program, for people; not copied; NULL: none */
};

/* Never fails: memory that cannot be had ends the process (base/mem.h). */
struct core *core_new(const struct core_config *config);
void core_free(struct core *core);

/*
 * What the store holds, before the first step: the promise, what it knows of epochs that it
 * opened alone and together with the other of two voters, the position of the state tables, the
 * records in any order, the log entries in ascending order without a gap. A record that cannot be
 * read is -EBADMSG; the others follow all the same, for only core_load_done knows what to make
 * of it. That returns -EBADMSG when these do not fit together (a damaged
 * store; the caller sets it aside and starts with an empty one); -EPROTO if they may well, for
 * a newer version: the cluster's feature level is beyond what is known here; else 0.
 */
void core_load_promise(struct core *core, uint64_t promised);
/* Of PERSIST_ALONE and PERSIST_TOGETHER the last ones; 0, 0: there was none. */
void core_load_alone(struct core *core, uint64_t epoch, uint64_t voters);
void core_load_together(struct core *core, uint64_t boot, uint64_t voters);
void core_load_applied(struct core *core, uint64_t index, uint64_t epoch);
int core_load_record(struct core *core, uint32_t table, uint64_t id, const void *data, size_t size);
int core_load_entry(struct core *core, uint64_t index, uint64_t epoch, const void *data,
		    size_t size);
int core_load_done(struct core *core);

/*
 * What an empty store holds when a cluster begins: entry 1 of epoch 1, the given Genesis
 * command, committed and applied by definition. -EINVAL if it is not one.
 */
int core_genesis(const Wire__Command *genesis, struct update *update);

/* Appends to update, which the caller has initialised or reset. */
void core_step(struct core *core, const struct event *event, struct update *update);

/* The committed state as this node has applied it; valid until the next step. */
const struct state *core_state(const struct core *core);

/* Where this node stands; strings are static or valid until the next step. */
struct core_standing {
	bool open;			/* an epoch is open and this node is READY in it */
	uint64_t epoch, index, committed;
	uint64_t clock_ms;		/* of the cluster: elapsed.h */
	uint32_t leader;		/* 0 = none */
	const char *why_not;		/* if not open, a sentence */
	uint64_t members, ring, ready;	/* bit n-1 = node n */
	uint64_t left_out;		/* members whose version keeps them out */
	bool alone;			/* the epoch is without the other of two voters */
	bool agent_ok;
	const char *disputed;		/* copies of the state differ: a sentence; NULL: no */
	const char *outside;		/* this node is not of the cluster: a sentence; or NULL */
};
void core_standing(const struct core *core, struct core_standing *ret_standing);

/* What this node sees of the others, for the look (look.h). */
struct look_sight core_sight(const struct core *core);

/*
 * This node knows as much as the open epoch began with, its copy of the state is a majority's, and
 * it is one of those whose word is waited for before a VM that was not the cluster's is started
 * (look.h). Else a guest that may be the cluster's by now must not come to life here by hand; why
 * is the reason, to stand in a sentence.
 */
bool core_in_step(const struct core *core, char *ret_why, size_t size);

/* May a QEMU process of this VM come to life here now? Asked by the libvirt qemu hook. */
enum core_right { RIGHT_START, RIGHT_RESTORE, RIGHT_INCOMING };
/*
 * 1: yes; 0: no, and why is a sentence for the administrator; -ENOENT: not a VM of this
 * cluster, or one set managed=no.
 */
int core_may_run(const struct core *core, const char *uuid, enum core_right right,
		 char *ret_why, size_t size);

/* The last progress of a move that was heard of, from any node; NULL if none. */
const Wire__Progress *core_progress(const struct core *core, uint64_t vm);

#endif
