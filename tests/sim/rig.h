/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_RIG_H
#define TESTS_SIM_RIG_H

/*
 * A rig holds one replica, node 2 of three, with a disk and a toy above it. The test plays the
 * other members: it hands in frames as the group would and looks at what the replica answers.
 * It may also look into the replica, which is why round.h comes along. What cannot be is a failed
 * assertion of CUnit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/round.h"
#include "tests/sim/toy.h"

enum { RIG_SELF = 2, RIG_BOOT = 100 };	/* boot ids: 100 + node; disk ids: 10 + node */

extern const uint32_t rig_everybody[3];

struct rig {
	struct disk *disk;
	struct toy *toy;
	struct replica *replica;
	struct update update;		/* of the last step */
	struct frame_round round;	/* of the frames that are handed in */
	uint64_t now_ms;
};

/* With entry 1 applied; or with an empty disk. */
void rig_init(struct rig *rig, bool empty);
void rig_free(struct rig *rig);
/* The replica alone, above the rig's toy, with nothing loaded; the caller frees it. */
struct replica *rig_make(struct rig *rig);

/* One step. What came of it is in rig->update until the next. */
void rig_happen(struct rig *rig, struct event *event);
void rig_view(struct rig *rig, const uint32_t *members, size_t n);
void rig_tick(struct rig *rig, uint64_t after_ms);
/* Everything handed out so far is on disk. */
void rig_persisted(struct rig *rig);
void rig_frame(struct rig *rig, uint32_t sender, uint16_t type, uint64_t epoch,
	       const ProtobufCMessage *body);
/* A frame with an empty body. */
void rig_simple(struct rig *rig, uint32_t sender, uint16_t type, uint64_t epoch);
/* Hands the only frame of the last update back to the replica, as the group does. */
void rig_echo(struct rig *rig);

/* Up to the point where all but CLOSE is there; the others are like this node. */
void rig_meet(struct rig *rig);
/* The same, and on until epoch 2 is open and this node's part of it on disk. */
void rig_open_epoch(struct rig *rig);

/* The types of the frames in the last update, "hello ready". Good until the next call. */
const char *rig_sent(const struct rig *rig);
/* Why the replica is not ready, "" if it is. */
const char *rig_why_not(const struct rig *rig);

/* Bodies: a HELLO of this protocol, and an entry, which the caller or its chunk frees. */
Wire__Hello rig_hello(uint64_t promised, uint64_t epoch, uint64_t index, uint64_t disk);
Wire__Entry *rig_entry(uint64_t index, uint64_t epoch, const char *text);

#endif
