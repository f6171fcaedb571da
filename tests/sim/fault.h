/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_FAULT_H
#define TESTS_SIM_FAULT_H

/*
 * A fault is something that is done to a world from outside, at a time: a plug that is pulled, a
 * network that is split, and also what an administrator asks for. A list of them and a seed are a
 * run. Lists are drawn from a seed, each with a mix of its own; or read from a file, one fault a
 * line:
 *
 *	12345 power n2 4000 1		at 12.345 s node n2 loses its power, for 4 s
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tests/sim/rng.h"

enum fault_kind {
	FAULT_SPLIT,	/* a, b: nodes; in both, in one, in none: each apart from the others */
	FAULT_HEAL,	/* the network is whole */
	FAULT_STORM,	/* a: so many changes of view, b: ms between them */
	FAULT_GHOST,	/* node, if it is not there, is listed in the group for a ms */
	FAULT_LOSE,	/* a: per mille of messages that are lost, for b ms */
	FAULT_LAG,	/* messages reach the node a ms late, for b ms and five seconds */
	FAULT_POWER,	/* the node has no power for a ms; nor has its power device if b is 1 */
	FAULT_BLACKOUT,	/* nodes a have no power for b ms */
	FAULT_KILL,	/* SIGKILL for the daemon, which is started again after a ms */
	FAULT_STOP,	/* SIGTERM */
	FAULT_COROSYNC,	/* Corosync dies, and the daemon with it, for a ms; guests run on */
	FAULT_FREEZE,	/* SIGSTOP, for a ms */
	FAULT_SUSPEND,	/* the whole machine, guests and all, stands still for a ms */
	FAULT_AGENT,	/* SIGKILL for the vm agent */
	FAULT_LIBVIRT,	/* libvirtd hangs for a ms */
	FAULT_RESTART,	/* libvirtd is started again */
	FAULT_GUEST,	/* guest a dies (b = 0), or shuts down by itself */
	FAULT_HAND,	/* somebody does b to guest a with other tools */
	FAULT_REFUSE,	/* the hypervisor fails at what is in a, for b ms */
	FAULT_DEVICE,	/* the node's power device is in mode a for b ms */
	FAULT_WIRING,	/* it is that of another machine for 64 b ms; a: which */
	FAULT_SLOW,	/* each sync of the node's disk takes a ms, for b ms */
	FAULT_FULL,	/* the store cannot write any more: the daemon ends; back after a ms */
	FAULT_WIPE,	/* power off, and on with an empty disk after a ms */
	FAULT_COPY,	/* a copy is made of the disk */
	FAULT_BACK,	/* power off, and on with that copy after a ms */
	FAULT_TURN,	/* a bit of its state turns in memory; a: when and where */
	FAULT_SPOIL,	/* one of the next snapshot that it sends turns; a: where */
	FAULT_RATE,	/* the node's clock is a - 10000 millionths too fast */
	FAULT_WALL,	/* its wall clock jumps to a ms after 2001 */
	FAULT_ADMIN,	/* an administrator asks for something; a: what, drawn from it */
	FAULT_ADD,	/* an administrator adds the node, in a way drawn from a */
	FAULT_REMOVE,	/* and removes it, within a ms, then does b with the machine */
	FAULT_MEMBER,	/* and lets it vote, or not, or never run guests: drawn from a */
	FAULT_LEND,	/* guest a is taken from the cluster and run there by hand, for b ms */
	FAULT_INSTALL,	/* the node gets version b, and is without its daemon for a ms */
	FAULT_UPGRADE,	/* the feature level is raised, or what it brings is asked for: from a */
	/* Only drawn for a store of the daemon's own (medium.h). */
	FAULT_DISK,	/* the next write to the disk, or read at a start, fails as b says */
	FAULT_FLIP,	/* power off, and on with a bit of the disk turned after a ms; b: which */
	FAULT_KINDS
};

struct fault {
	uint64_t at_ms;
	enum fault_kind kind;
	uint32_t node;		/* 0: none */
	uint64_t a, b;
};

/*
 * What is drawn from a seed: how often each kind happens, and how far apart they are. of_stores:
 * those of a store, too.
 */
struct fault_mix {
	uint32_t weight[FAULT_KINDS], sum;
	uint32_t gap_ms;
};

void fault_mix_draw(struct fault_mix *ret_mix, struct rng *rng, bool of_stores);
/* The next fault, at some time after that. */
void fault_draw(const struct fault_mix *mix, struct rng *rng, uint32_t nodes, uint64_t after_ms,
		struct fault *ret_fault);

struct fault_list {
	struct fault *faults;
	size_t n, cap;
};

void fault_list_add(struct fault_list *list, const struct fault *fault);
void fault_list_free(struct fault_list *list);

void fault_write(const struct fault *fault, struct buf *out);
/* -EINVAL if the line is not one, for whatever reason; an empty one and one with # before it: 1. */
int fault_read(const char *line, struct fault *ret_fault);

/*
 * Where a world has its faults from: drawn one after the other, and then recorded; or a list. One
 * of the two.
 */
struct fault_source {
	const struct fault_mix *mix;
	struct rng *rng;
	struct fault_list *record;	/* NULL: not recorded */
	const struct fault_list *list;
};

#endif
