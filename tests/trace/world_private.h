/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TRACE_WORLD_PRIVATE_H
#define TESTS_TRACE_WORLD_PRIVATE_H

/*
 * What the files of a world share: its machines, the frames and the fence calls that are on
 * their way, the story. For tests/trace/world*.c alone; tests see world.h.
 */

#include "base/buf.h"
#include "tests/trace/build.h"
#include "tests/trace/disk.h"
#include "tests/trace/host.h"
#include "tests/trace/twin.h"
#include "tests/trace/world.h"

enum { WORLD_FLIGHTS = 8192, WORLD_FENCES = 64, WORLD_IMAGES = 32 };

/* A frame on its way; those of an older view never arrive. */
struct flight {
	struct buf frame;
	unsigned sender;
	unsigned side; /* of the split it was sent in */
};

struct machine {
	bool power, daemon;
	bool miswired; /* its device switches something that is off */
	bool silent; /* its agent tells nothing by itself */
	bool spoiled; /* its core's state was tampered with */
	uint64_t lags_ms;    /* what is sent reaches it then; 0: as the others */
	struct flight *held; /* of that */
	size_t held_n;
	unsigned boots, starts;
	const struct build *build; /* that its next daemon is of */
	const struct build *runs;  /* that its daemon is of */
	struct core *core, *twin;
	struct disk disk, copy;
	struct host *host;
	uint64_t deadline_ms;
	uint64_t persisted, to_persist;
	unsigned side;
	char boot_id[40];
};

struct world {
	unsigned nodes;
	bool sync_together;
	struct machine machines[WORLD_NODES + 1]; /* by node id; 0 is nobody */
	struct flight flights[WORLD_FLIGHTS];
	size_t first, last;
	uint64_t now_ms, tag, request;
	struct buf story, told;
	Wire__Verdict *verdict;
	uint64_t verdict_tag;
	const char *fence_fails;
	char images[WORLD_IMAGES][160]; /* by path; "" = free */
	struct {
		unsigned node;
		uint64_t ask;
		unsigned target;
		bool status;
	} fences[WORLD_FENCES];
	size_t fences_n;
};

/* An event of that kind, now. */
struct event world_event(struct world *world, enum event_kind kind);
/* Lets the node's core take it, if it has one; carries out what follows, then checks. */
void world_take(struct world *world, unsigned node, const struct event *event);
/* Who is there has changed: what is on its way is lost, every daemon gets a view. */
void world_new_view(struct world *world);
/* The deadline of the core that is due next, UINT64_MAX if none has one. */
uint64_t world_next_deadline(const struct world *world);
/* Lets time pass up to then, by 1 ms at least, and those tick that are due. */
void world_pass_time(struct world *world, uint64_t to_ms);
/* It lags no more, and never gets what it was to get. */
void world_drop_held(struct world *world, unsigned node);
/* The uuid of the guest with that name; the same for a name, always. */
void world_uuid(const char *name, char ret_uuid[40]);
/* Aborts with the story if something is as it must never be. */
void world_check(struct world *world);
void world_never(const struct world *world, const char *what);
/* The node's daemon is no more; its disk is as it is. */
void world_end_core(struct world *world, unsigned node);

#endif
