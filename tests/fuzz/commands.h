/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FUZZ_COMMANDS_H
#define TESTS_FUZZ_COMMANDS_H

/*
 * Commands for fuzz targets: a small cluster of n1, n2 and n3 that they have made, with devices,
 * a volume and VMs in several phases; and what may happen to it next, as seeds. Node N has boot
 * id COMMANDS_BOOT + N, and disk id N.
 */

#include <stdbool.h>

#include "clusterd/core/core.h"

enum { COMMANDS_NODES = 3, COMMANDS_BOOT = 0x60 };

/* What a disk holds of that cluster: its position, and each record. */
struct commands_position {
	uint64_t index, epoch, digest;
};
struct commands_position commands_position(void);
void commands_each(void (*take)(void *context, uint32_t table, uint64_t id, const struct buf *data),
		   void *context);

/* Loads it into an empty state. */
void commands_base(struct state *state);
/* And into a new core, whose log then stands on it. 0, or what core_load_done() says. */
int commands_load(struct core *core);

/* Appends a command, which is JSON with ' for ", as a block of fuzz.h. */
void commands_put(const char *json, struct buf *out);
/* The same, packed and nothing else. */
void commands_pack(const char *json, struct buf *out);
/* Nodes 2 and 3 alone vote: a command for the base. */
extern const char commands_two_voters[];
/* The n-th of several stories, each some blocks; false if there are no more. */
bool commands_story(unsigned int n, struct buf *out);

#endif
