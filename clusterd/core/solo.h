/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_SOLO_H
#define CLUSTERD_CORE_SOLO_H

/*
 * Of two voters one is missing, and no epoch can be open: this node asks a power device to switch
 * the other off. Once that is verified it goes on alone (replica.h has the rule, and why). No epoch
 * is open then, so this is the one power-off that no committed operation has asked for, and the
 * budget of fencing does not stop it; it is on record as soon as the epoch is open.
 *
 * Nothing is asked of a device unless
 *
 *	this node is entitled to go on alone, and
 *	the other is neither a member of the group nor in the totem ring.
 *
 * Who shoots first: the node on which fewer managed VMs run, of equals the higher id, waits
 * fence.delay_s. The state says so, and it is the same on both. So after a cut between two living
 * nodes the one with more VMs goes on, and they do not shoot each other.
 *
 * Whose stop was clean is not powered off while its freeze lasts (node.freeze_s), and whoever was
 * not seen since this daemon began not before node.join_grace_s is over, since it may be booting:
 * then the device is only asked. Off is off, with an order or without one.
 *
 * Only an answer that it is off counts, and only until the other is seen again: as a member, or, as
 * long as no epoch was opened by it, in the ring; and for no longer than any answer of a device
 * (CORE_FENCE_ANSWER_MS) while no epoch is open.
 */

#include <stdbool.h>
#include <stdint.h>

#include "clusterd/core/update.h"

struct core;

/* A device's word that the other is off. */
struct solo_proof {
	uint32_t node;			/* 0: there is none */
	uint64_t at_ms;
	uint64_t good_ms;		/* from then on it ages: since an epoch by it was open */
	uint64_t device;
	bool status_only;
	bool used, in_use;		/* an epoch was opened by it; and is open */
	bool told;			/* that is on record */
	uint64_t base;			/* entries up to this one are older than that epoch */
	uint64_t told_ms, told_epoch;
	Wire__AgentReply *reply;
};

struct solo {
	uint64_t begun_ms;		/* this daemon's first step */
	uint64_t seen;			/* nodes in the ring since */
	uint32_t other;			/* who is missing; 0 = nobody that this is about */
	uint64_t since_ms;		/* since when */
	uint64_t ask, device;		/* a call under way; 0 = none is */
	bool status_only;
	bool answered;			/* that ended */
	Wire__AgentReply *reply;	/* like this; NULL: without an answer */
	unsigned attempts;
	uint64_t retry_ms, retry_wall_ms;
	char failed[300];		/* how the last call failed; "" = none did */
	struct solo_proof proof;
	char why[900];			/* why nothing is open, if this is why; or "" */
};

void solo_free(struct solo *solo);
/* An agent's answer; false: to none of these calls. */
bool solo_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply);
/* Once in every step, before the conductor: what is on record about the power comes first. */
void solo_run(struct core *core, struct update *update);

#endif
