/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_TRUTH_H
#define TESTS_SIM_TRUTH_H

/*
 * The truth is what no node knows and all of them must not contradict. Held after every event:
 *
 *	- an entry that was applied anywhere is at its index for ever, even if all power
 *	  fails now and just a majority of voters comes back; a command that was acknowledged
 *	  is such an entry;
 *	- states at the same index are the same, and are what the log says;
 *	  A node whose memory has turned a bit of it, or has that from another, does nothing by
 *	  it, if it was not compared with others yet; and the cluster finds it;
 *	- an epoch is opened by one round, by the READY of a majority of those who vote, each
 *	  with promise and log on the disk it votes with; and has all that was committed
 *	  before it;
 *	- nobody begins with a VM that another node may have, and what is believed of one that it
 *	  is gone, complete or not saved is so;
 *	- a guest runs once, where the log lets it, and never with memory that is older than
 *	  its disk: each time a guest begins to run its disk gets a new stamp, which it and
 *	  what is made of its memory carry on; whoever runs with another one would destroy
 *	  data;
 *	- nothing is asked of hypervisors and power devices but what is committed, and by a
 *	  node that is READY in an open epoch; no power is cut by a node that sees the other in
 *	  the ring, nor more often than the budget allows; and nothing at all by a node that
 *	  was removed, as it knows; a witness starts no guest;
 *	- who is proven off was off since its device was asked; a device of another machine that
 *	  called one off which ran on is believed no more once that one is heard of again, and
 *	  then each guest runs once again, whatever ran twice meanwhile;
 *	- of two voters, one that opens an epoch without the other, or asks for its power in none,
 *	  has all that was committed, and is the one that the rule allows it (core/replica.h); the
 *	  other is in no open epoch then.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/update.h"
#include "clusterd/core/state.h"

struct disk;
struct machine;
struct truth;
struct world;

struct truth *truth_new(struct world *world);
void truth_free(struct truth *truth);

/* Entry 1, as it was made before anybody ran. */
void truth_genesis(struct truth *truth, const struct update *update);
/* A daemon has taken an event, or has just been loaded. */
void truth_step(struct truth *truth, struct machine *machine);
void truth_daemon_started(struct truth *truth, struct machine *machine);
/* Something was taken from a disk. */
void truth_disk_changed(struct truth *truth, const struct machine *machine);
/* If the mains failed now, and a majority of voters came back: would anything be lost? */
bool truth_survives(struct truth *truth);
/*
 * Are disks missing of no more than a minority of any voters that have or may get a say? More than
 * that nobody could mend.
 */
bool truth_may_lose(const struct truth *truth);
/*
 * Has that disk nothing that was told of and is not decided yet? What it acknowledged may still be
 * committed, and a round that counts on its promise may still open an epoch.
 */
bool truth_is_settled(const struct truth *truth, const struct disk *disk);
/* Does it know who votes? One from before may think that it is enough alone. */
bool truth_knows_voters(const struct truth *truth, const struct disk *disk);
/*
 * Has a majority of the voters on disk that they are the voters? Until then those before are
 * needed, though the change is committed: nobody who is left might know that it is.
 */
bool truth_voters_stand(const struct truth *truth);
/* Everything that is looked at only now and then. */
void truth_all(struct truth *truth);
/* What is committed; NULL before there is anything. */
const struct state *truth_state(const struct truth *truth);

/* What a node wants done. */
void truth_asked(struct truth *truth, struct machine *machine, const struct ask *ask);
/* The power of a node is cut, by order of another one. */
void truth_cut(struct truth *truth, const struct machine *executor, uint32_t node);
/* An administrator was told that it is done. */
void truth_acknowledged(struct truth *truth, const struct machine *machine, uint64_t request,
			const Wire__Verdict *verdict);

/* Has the node applied the entry of that request? */
bool truth_is_known(const struct truth *truth, uint32_t node, uint64_t request);

/* The stamp of a guest's disk, by its uuid. */
uint64_t truth_disk(struct truth *truth, const char *uuid);
/* A guest begins to run there, with a memory that has that stamp. Returns its new one. */
uint64_t truth_runs(struct truth *truth, uint32_t node, const char *uuid, uint64_t memory);
/* It runs no more. */
void truth_rests(struct truth *truth, uint32_t node, const char *uuid);
/* A process of a guest begins to be there, whatever it does; and is there no more. */
void truth_begins(struct truth *truth, uint32_t node, const char *uuid);
void truth_ends(struct truth *truth, uint32_t node, const char *uuid);
/* The device of another machine has said of that node that it is off. */
void truth_called_off(struct truth *truth, uint32_t node);
void truth_power_off(struct truth *truth, uint32_t node);
/* After everything was mended: nobody has a guest from before it was called off. */
void truth_check_strays(struct truth *truth);

/* Images of guests on the volume: by path; consumed ones were restored. */
void truth_image_put(struct truth *truth, const char *path, uint64_t memory);
/* Its stamp; 0: there is none. */
uint64_t truth_image(const struct truth *truth, const char *path, bool *ret_consumed);
void truth_image_consume(struct truth *truth, const char *path);
bool truth_image_drop(struct truth *truth, const char *path);

#endif
