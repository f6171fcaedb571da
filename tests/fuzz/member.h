/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_MEMBER_H
#define TESTS_FUZZ_MEMBER_H

/*
 * A member is a real core, node 2 of the cluster of commands.h, with a disk. The target plays all
 * the others: Corosync, members, agents, operators. After each step it is looked at whether what
 * the core wants done can be done at all; what is found wrong ends the process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/core.h"
#include "tests/trace/disk.h"

enum { MEMBER_SELF = 2, MEMBER_ASKS_MAX = 64 };

struct member {
	uint32_t node;
	struct core *core;
	struct disk disk;
	struct update update;		/* of the last step */
	uint64_t now_ms, deadline_ms;
	uint64_t handed_out, persisted;	/* batches */
	uint64_t boot_id;
	struct frame_round round;	/* of what it sent last */
	uint64_t epoch;
	uint64_t asks[MEMBER_ASKS_MAX];	/* ids of the last ones, and how many there were */
	size_t asks_n;
	uint64_t tags;			/* clients that have asked so far: 1 … */
	uint64_t digest;		/* of all that it wanted */
	bool eager;			/* its core looks at everything (core.h) */
	bool stepped;			/* since it was started */
	bool gone;			/* it wants to leave: update.leave says how */
};

/* With the base of commands.h on its disk, or with nothing; not eager. */
void member_init(struct member *member, uint32_t node, bool empty);
void member_free(struct member *member);
/* What its disk holds, into a core of a daemon that was started anew. 0, or core_load_done(). */
int member_start(struct member *member);

/* One step; nothing once it is gone. now_ms of the event is filled in. */
void member_take(struct member *member, struct event *event);
void member_tick(struct member *member, uint64_t after_ms);
/* Everything handed out so far is on disk. */
void member_persist(struct member *member);
void member_view(struct member *member, uint32_t members, uint32_t ring, bool ring_only);
/* A frame as another one sent it, of the round and the epoch that the member is in. */
void member_hear(struct member *member, uint32_t sender, uint16_t type, uint64_t epoch,
		 const ProtobufCMessage *body);
/* Hands its own frames of the last update back to it, as the group does. */
void member_echo(struct member *member);

/*
 * The epoch opens, with all three or without node 1: then node 2 leads. Its own frames come back
 * to it, what it writes is on disk.
 */
void member_open(struct member *member, bool leads);
/* The others have on disk what it has. */
void member_acks(struct member *member);
/* A packed command is appended and committed by all who take part. */
void member_commit(struct member *member, const void *command, size_t size);

/* The others say that they have the same records: without, nothing is decided. */
void member_agree(struct member *member);

/* In a moment the records on its disk are those that it has; what people are told is clean. */
void member_check(struct member *member);

/*
 * Two honest members, from the base, and this one, started anew if it left: with all there and
 * nothing lost the epoch must open for it, unless it was made to believe that the others' disks
 * are not theirs.
 */
void member_rejoin(struct member *member);

#endif
