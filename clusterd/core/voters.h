/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_VOTERS_H
#define CLUSTERD_CORE_VOTERS_H

/*
 * Voters are the nodes whose disks decide what is committed. The log itself changes them: a
 * VotersSet names the entry that chose the voters which it replaces (`after`), and counts only if
 * they are still the last ones chosen below it. It counts from the moment it is in a log: the entry
 * itself and all above it need a majority of the old voters and one of the new ones, until it is
 * committed; then the new ones are alone (joint consensus, Ongaro 2014 §4.3, in one entry).
 *
 * Who proposes a change has applied the one before. So a second one in a log proves that the first
 * is committed, and never more than two sets of voters have a say.
 *
 * A voter is a node with the disk it became one with. With another disk it has forgotten what it
 * acknowledged, and is no voter until a change names that disk.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VOTERS_MAX = 16 };

struct voters {
	uint64_t index;			/* log entry that chose them; 0: the first one */
	size_t n;			/* 0: none are known */
	uint32_t nodes[VOTERS_MAX];	/* ascending, 1 … 64 */
	uint64_t disks[VOTERS_MAX];	/* 0: has never taken part */
};

/* False, and no change, if these are no voters: too many, not ascending, not a disk for each. */
bool voters_fill(struct voters *voters, uint64_t index, const uint32_t *nodes, size_t n,
		 const uint64_t *disks, size_t disks_n);
/* Every voter has taken part. */
bool voters_known(const struct voters *voters);
/* Bit n - 1: node n is one. */
uint64_t voters_nodes(const struct voters *voters);
/* Of two, the other one; 0: they are not two, or this is none of them. */
uint32_t voters_other(const struct voters *voters, uint32_t node);
size_t voters_majority(const struct voters *voters);

/*
 * Whether a packed command is a change of voters, whatever its base; then they are filled in, with
 * no index. One with a request id is none: apply would answer a repeat without looking at it. Of
 * what is not known here, in it or around it, nothing follows, at no feature level.
 */
bool voters_read(const void *command, size_t size, struct voters *ret_voters, uint64_t *ret_base);

#endif
