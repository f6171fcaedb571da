/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_TRUTH_PRIVATE_H
#define TESTS_SIM_TRUTH_PRIVATE_H

/*
 * What the files of the truth share:
 *
 *	truth.c		the log and the states
 *	truth_disks.c	what the disks hold, if everything else were gone
 *	truth_alone.c	two voters, of which one goes on alone
 *	truth_guests.c	guests, their disks, and the images of their memory
 *	truth_asks.c	what nodes want done, and what they say is done
 *	truth_records.c	VMs on record, and what is believed of them
 *	truth_lies.c	who is proven off, and by whose device
 */

#include "tests/sim/truth.h"
#include "tests/sim/world_private.h"

enum {
	TRUTH_IMAGES = 256,
	TURNED_US = 60000000,	/* a snapshot of a state that has turned is over by then */
	LONG_US = 5000000,	/* what has been so for so long is known to all whom it concerns */
};

/* An entry that was applied somewhere. */
struct entry {
	uint64_t epoch, state;
	struct buf command;
	uint64_t learned_us;
	Wire__Verdict__Code verdict;
};

/* A node said READY, and by then had on disk what that says. */
struct said_ready {
	struct frame_round round;
	uint64_t epoch;
	uint32_t node;
	uint64_t boot_id, disk;		/* of its daemon; the disk it had then */
};

struct guest_truth {
	char uuid[40];
	uint64_t disk;		/* stamp of what was written last */
	uint64_t runs;		/* bit n-1: on node n */
	uint64_t outside;	/* of those, the ones that were not the cluster's meanwhile */
	Wire__Vm__Phase phase;	/* as it is on record */
	uint64_t held;		/* may have it, as is on record */
	uint64_t stray;		/* in any form, on node n, which is proven off and ran on */
};

/* Of a node. */
struct lie {
	uint64_t proven;	/* as it is on record */
	bool up;
	uint64_t answered_us;	/* another machine's device called it off last */
	bool told;		/* it is proven off, and has run on since */
	uint64_t heard;		/* the entry by which it was up again; 0 = none yet */
	bool known;		/* and that the device is not its own */
	uint64_t by;		/* that device */
};

struct image {
	char path[200];
	uint64_t memory;
	bool consumed;
};

struct truth {
	struct world *world;
	const struct version *version;	/* that knows the most: only that can follow the log */
	struct state *state;
	struct entry *entries;	/* entry i has index i + 1 */
	size_t n, cap;
	struct idmap requests;	/* by request: index of its entry */
	struct idmap epochs;	/* by epoch: struct frame_round of who opened it */
	uint64_t last_epoch;
	struct voters voters_before;	/* whom the present ones replaced; n 0: nobody */
	uint64_t seen_index[WORLD_NODES + 1], seen_epoch[WORLD_NODES + 1];
	uint64_t ready_us[WORLD_NODES + 1];	/* since when it is READY; 0 = it is not */
	struct frame_round ready_round[WORLD_NODES + 1];	/* in which round it was, last */
	struct said_ready *said;	/* of epochs that may be opened still */
	size_t said_n, said_cap;
	/* In which boot it saw an epoch open, with both of two voters; the last it opened alone. */
	unsigned together[WORLD_NODES + 1];
	uint64_t together_voters[WORLD_NODES + 1];
	unsigned met[WORLD_NODES + 1];		/* in which boot the other one was then */
	uint64_t alone[WORLD_NODES + 1];
	struct lie lies[WORLD_NODES + 1];
	struct guest_truth guests[WORLD_VMS];
	size_t guests_n;
	uint64_t last_stamp;
	struct image images[TRUTH_IMAGES];
	uint64_t looked;	/* events at the last look at everything */
};

/* Voters with the disk that they became voters with: bit n-1 = node n. */
uint64_t truth_countable(const struct truth *truth);
/* A majority that came back would know all that is committed, and of each epoch. */
void truth_check_disks(struct truth *truth);
/* Two voters: who is alone in an open epoch, or may come to be, has all, and is the only one. */
void truth_check_alone(struct truth *truth, const struct machine *machine);
/* One of two voters asks a power device, in no epoch. */
void truth_check_shot(struct truth *truth, const struct machine *machine, const struct ask *ask);
/* Each guest runs where the log lets it. */
void truth_check_guests(struct truth *truth);
struct guest_truth *truth_guest(struct truth *truth, const char *uuid);
/* An entry was applied: nobody begins with what another may have, and what it says is so. */
void truth_check_records(struct truth *truth, const Wire__Entry *entry,
			 const Wire__Verdict *verdict);
/* An entry was applied: whom it takes for dead is. */
void truth_check_proofs(struct truth *truth);

#endif
