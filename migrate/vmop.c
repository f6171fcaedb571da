/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/vmop.h"

#include <assert.h>
#include <stddef.h>

#define TO(p) SM_BIT(VMOP_##p)

const struct sm_state vmop_phases[VMOP_PHASES] = {
	[VMOP_OFF] = { "off", TO(STARTING) | TO(RUN) | TO(FAILED), false },
	[VMOP_STARTING] = { "starting", TO(RUN) | TO(OFF) | TO(FAILED), false },
	[VMOP_RUN] = { "run", TO(STOPPING) | TO(COPYING) | TO(SAVING) | TO(OFF), false },
	[VMOP_STOPPING] = { "stopping", TO(OFF), false },
	[VMOP_COPYING] = { "copying", TO(GO) | TO(RESUMING) | TO(ABORTING) | TO(RUN) | TO(OFF),
			   false },
	[VMOP_GO] = { "go", TO(RESUMING) | TO(ABORTING) | TO(RUN) | TO(OFF), false },
	[VMOP_RESUMING] = { "resuming", TO(RUN) | TO(OFF), false },
	[VMOP_ABORTING] = { "aborting", TO(RUN) | TO(OFF), false },
	[VMOP_SAVING] = { "saving", TO(SAVED) | TO(RUN) | TO(OFF), false },
	[VMOP_SAVED] = { "saved", TO(RESTORING) | TO(OFF) | TO(FAILED), false },
	[VMOP_RESTORING] = { "restoring", TO(CONSUMED) | TO(SAVED), false },
	[VMOP_CONSUMED] = { "consumed", TO(RUN) | TO(OFF), false },
	[VMOP_FAILED] = { "failed", TO(OFF) | TO(SAVED) | TO(STARTING), false },
};

_Static_assert(sizeof(vmop_phases) / sizeof(vmop_phases[0]) == VMOP_PHASES, "a row a phase");

static bool holds(const struct vmop *op, uint32_t node)
{
	return (op->maybe & vmop_bit(node)) != 0;
}

/* Owner, and the other end of a move, as each phase demands them. */
const char *vmop_broken(const struct vmop *op)
{
	switch (op->phase) {
	case VMOP_OFF:
	case VMOP_FAILED:
	case VMOP_SAVED:
		return op->owner ? "nobody owns a VM that is not held" : NULL;
	case VMOP_STARTING:
	case VMOP_RUN:
	case VMOP_STOPPING:
		return !holds(op, op->owner) ? "the owner is one of those who may hold it" : NULL;
	case VMOP_COPYING:
	case VMOP_ABORTING:
		if (op->from == op->to || !holds(op, op->to))
			return "the destination may hold it";
		if (op->owner == 0)
			return holds(op, op->from) ? "the source owns it while it is there" : NULL;
		return op->owner != op->from || !holds(op, op->from) ? "the source owns it" : NULL;
	case VMOP_GO:
		if (op->owner != op->to || !holds(op, op->to))
			return "the destination owns it";
		return !holds(op, op->from) ? "the source has yet to die" : NULL;
	case VMOP_RESUMING:
		if (op->owner != op->to || !holds(op, op->to))
			return "the destination owns it";
		return holds(op, op->from) ? "the source is gone" : NULL;
	case VMOP_SAVING:
		if (op->from == op->to)
			return "it is moved to another node";
		return op->owner != op->from || !holds(op, op->from) ? "the source owns it" : NULL;
	case VMOP_RESTORING:
	case VMOP_CONSUMED:
		return op->owner != op->to || !holds(op, op->to) ? "the destination owns it" : NULL;
	case VMOP_PHASES:
		break;
	}
	return "a known phase";
}

const char *vmop_try(struct vmop *op, enum vmop_phase next)
{
	struct vmop moved = *op;
	const char *broken;

	if (!sm_may_move(vmop_phases, VMOP_PHASES, op->phase, next))
		return "no such change of phase";
	moved.phase = next;
	broken = vmop_broken(&moved);
	if (!broken)
		*op = moved;
	return broken;
}

void vmop_move(struct vmop *op, enum vmop_phase next)
{
	const char *why = vmop_try(op, next);

	assert(why == NULL);
	(void)why;
}

static enum vmop_gone stop(struct vmop *op)
{
	op->owner = 0;
	vmop_move(op, VMOP_OFF);
	return VMOP_GONE_STOPPED;
}

static enum vmop_gone back_to_source(struct vmop *op)
{
	if (!holds(op, op->from))
		return stop(op);
	op->owner = op->from;
	vmop_move(op, VMOP_RUN);
	return VMOP_GONE_BACK;
}

/* The guest may have run on after it was copied: its disks may be newer than the copy. */
static enum vmop_gone give_up(struct vmop *op)
{
	op->owner = 0;
	if (op->phase != VMOP_ABORTING)
		vmop_move(op, VMOP_ABORTING);
	return VMOP_GONE_GIVE_UP;
}

static enum vmop_gone handed_over_by_source(struct vmop *op)
{
	if (op->phase == VMOP_GO) {
		vmop_move(op, VMOP_RESUMING);
		return VMOP_GONE_GO_ON;
	}
	op->owner = 0;
	return VMOP_GONE_WAIT;
}

static enum vmop_gone source_gone(struct vmop *op, bool handed_over)
{
	switch (op->phase) {
	case VMOP_COPYING:
	case VMOP_GO:
		return handed_over ? handed_over_by_source(op) : give_up(op);
	case VMOP_ABORTING:
		return give_up(op);
	case VMOP_SAVING:
		return stop(op);
	default:
		return VMOP_GONE_NOTHING;
	}
}

static enum vmop_gone destination_gone(struct vmop *op)
{
	switch (op->phase) {
	case VMOP_COPYING:
	case VMOP_ABORTING:
	case VMOP_GO:
		return back_to_source(op);
	case VMOP_RESUMING:
	case VMOP_CONSUMED:
		return stop(op);
	case VMOP_RESTORING:
		/* vCPUs never ran there: the memory in the image is still the newest. */
		op->owner = 0;
		vmop_move(op, VMOP_SAVED);
		return VMOP_GONE_IMAGE;
	default:
		return VMOP_GONE_NOTHING;
	}
}

enum vmop_gone vmop_node_gone(struct vmop *op, uint32_t node, bool handed_over)
{
	if (!holds(op, node))
		return VMOP_GONE_NOTHING;
	op->maybe &= ~vmop_bit(node);
	switch (op->phase) {
	case VMOP_STARTING:
	case VMOP_RUN:
	case VMOP_STOPPING:
		return op->owner == node ? stop(op) : VMOP_GONE_NOTHING;
	case VMOP_OFF:
	case VMOP_SAVED:
	case VMOP_FAILED:
		return VMOP_GONE_NOTHING;
	default:
		if (node == op->to)
			return destination_gone(op);
		if (node == op->from)
			return source_gone(op, handed_over);
		return VMOP_GONE_NOTHING;
	}
}

bool vmop_node_found(struct vmop *op, uint32_t node)
{
	bool gone = op->phase == VMOP_RESUMING ||
		    ((op->phase == VMOP_COPYING || op->phase == VMOP_ABORTING) && !op->owner);
	bool back = gone && node == op->from;

	op->maybe |= vmop_bit(node);
	if (!back)
		return false;
	op->owner = 0;
	vmop_move(op, VMOP_OFF);
	return true;
}

uint32_t vmop_runner(const struct vmop *op)
{
	/* At GO the source is frozen and the destination waits: nobody. */
	switch (op->phase) {
	case VMOP_GO:
	case VMOP_SAVED:
	case VMOP_RESTORING:
	case VMOP_OFF:
	case VMOP_FAILED:
		return 0;
	default:
		return op->owner;
	}
}

bool vmop_moving(enum vmop_phase phase)
{
	return phase >= VMOP_COPYING && phase <= VMOP_CONSUMED;
}
