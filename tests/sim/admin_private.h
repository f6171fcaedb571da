/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_ADMIN_PRIVATE_H
#define TESTS_SIM_ADMIN_PRIVATE_H

/*
 * What the files of the administrators share:
 *
 *	admin.c		how they ask; guests, settings, power devices
 *	admin_node.c	nodes that are added, removed, replaced
 *	admin_version.c	the feature level, and what only a higher one knows
 *	admin_loan.c	guests that somebody runs by hand for a while
 */

#include "tests/sim/world_private.h"

struct admin {
	struct world *world;
	struct idmap requests;		/* by number: struct request */
	struct idmap tags;		/* by tag: the same, not owned */
	uint32_t vms;
	size_t musts;			/* that are not done yet */
	struct idmap loans;		/* by number: struct loan */
	uint64_t going;			/* bit n-1: node n is to be removed */
	struct removal {
		uint64_t until_us;	/* then it is given up */
		uint64_t how;		/* what becomes of the machine then: bits */
	} removals[WORLD_NODES + 1];
};

/* Takes the command. At that node, if a daemon runs there; must: until it is done. */
void admin_command(struct world *world, uint32_t node, Wire__Command *command, bool must);

Wire__Command *admin_new_command(Wire__Command__BodyCase body, ProtobufCMessage *message);
#define COMMAND(body, message) admin_new_command(WIRE__COMMAND__BODY_##body, &(message)->base)

Wire__Command *admin_add_fence(uint32_t node);
/* Tests its device, or removes that. */
Wire__Command *admin_fence(uint32_t node, bool test);
Wire__Command *admin_set_node(uint32_t node, const char *key, const char *value);
Wire__Command *admin_set_vm(const char *name, const char *key, const char *value);
Wire__Command *admin_set(const char *name, const char *value);
/* To node 0: wherever there is room. */
Wire__Command *admin_move(const char *vm, uint32_t to, bool quick);

/* Nobody goes on with them. */
void admin_end_loans(struct admin *admin);

/* After all faults: false if something about the nodes is not as it should be yet. */
bool admin_restore_nodes(struct world *world, const struct state *state);

#endif
