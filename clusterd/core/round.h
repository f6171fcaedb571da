/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_ROUND_H
#define CLUSTERD_CORE_ROUND_H

/*
 * The inside of a replica, shared by the files that make it up and by nobody else:
 *
 *	replica.c	life, frames in and out, standing
 *	round.c		views and rounds, up to the open epoch
 *	decide.c	what follows from the HELLOs of a round
 *	why.c		why nothing is open, in words
 *	sync.c		log and snapshot chunks, from the source to those behind
 *	commit.c	an open epoch: appending, acknowledging, committing, applying
 *	alone.c		going on without the other of two voters
 *	change.c	whose acknowledgements count, as the log changes the voters
 *	log.c		the entries in memory
 */

#include <stdarg.h>

#include "clusterd/core/log.h"
#include "clusterd/core/replica.h"
#include "clusterd/core/sync.h"

/* Epochs and indices beyond this are nonsense; sums of two are still numbers. */
#define ROUND_NUMBER_MAX (UINT64_C(1) << 62)

/* The machine is drawn in round.c. */
enum phase { PHASE_IDLE, PHASE_HELLO, PHASE_WAIT, PHASE_OUT, PHASE_SYNC, PHASE_STORE, PHASE_READY };

/* What a member said of itself in its HELLO. */
struct hello {
	uint64_t boot_id, disk_id;
	uint64_t promised, last_epoch, last_index, applied, first_index;
	uint64_t against;			/* sources whose logs it contradicts */
	/* Changes of voters in its log above what it has applied: the last two, oldest first. */
	struct voters pending[2];
	size_t pending_n;
	uint64_t voters_index;
	uint32_t other_off;			/* of two voters; 0 = not known to be */
	uint16_t proto_min, proto_max;
	uint32_t feature_max, feature_level;
	char version[32];			/* of its program; "" = not told */
};

/* Who of those who were heard can take part together, and in which protocol. */
struct able {
	uint64_t nodes;
	uint16_t protocol;
	uint32_t level;				/* of features, that a member has to know */
};

/*
 * Whose majorities decide: the voters, and, while a change of them is in the log and not known to
 * be committed, the new ones as well.
 */
struct electorate {
	size_t n;				/* 0: nobody knows a cluster */
	struct voters voters[2];		/* the change is the second */
	/* Of these, the ones that take part with the disk they became voters with. */
	uint64_t counted[2];
	/* How many of these decide: a majority of the set, or one of two whose other one is off. */
	size_t needed[2];
};

/* Sets of nodes are bits, node n is bit n - 1; arrays of nodes are indexed the same way. */
struct round {
	enum phase phase;
	struct frame_round id;			/* sequence 0: none in this view yet */
	uint64_t begun_ms;
	bool starting;				/* an own SYNC_START is under way */
	bool closing;				/* this node opened it and has sent its CLOSE */
	bool said_hello;
	uint64_t hello_batch;			/* HELLO when this is on disk */
	uint64_t close_at_ms;			/* opener: a majority answered, the rest is late */
	uint64_t heard;				/* whose HELLO came */
	struct hello hello[REPLICA_NODE_MAX];
	/* As the member knows them that has applied most of all who answered. */
	struct voters voters;
	uint64_t voters_applied;
	uint32_t voters_by;			/* 0 = nobody knows a cluster */

	/* decided by CLOSE, the same on every member */
	struct able able;			/* nodes 0: not closed yet */
	uint64_t nodes;				/* who takes part */
	/* Then it follows the log: of a READY member, all that was delivered. */
	struct electorate electorate;
	uint32_t source;
	uint64_t base, base_epoch;		/* the source's last entry */
	uint64_t epoch;

	const char *contradicted;		/* what speaks against the source's log; static */
	uint64_t ready_batch;			/* READY when this is on disk */
	uint64_t ready;				/* whose READY came */
	bool open;
	uint64_t acked[REPLICA_NODE_MAX];
	uint64_t ack_sent, ack_again_ms;
};

/* An APPEND that waits until this node's log is the source's. */
struct waiting {
	struct buf *commands;
	size_t n, cap, bytes;
};

struct replica {
	struct replica_config config;
	struct rlog log;
	uint64_t promised, committed;
	uint64_t alone, alone_voters;		/* the last epoch opened alone, by which voters */
	uint64_t together, together_voters;	/* boot in which one of both was seen open */
	uint32_t other_off;			/* of two voters; 0 = not known to be */
	uint64_t batch;				/* number of the next batch of persists */
	uint64_t durable;			/* batches up to this one are on disk */

	uint64_t members, ring;
	uint32_t stranger;			/* a member with an id beyond the limit; 0 = none */
	uint64_t foreigners;			/* members of another cluster */
	uint64_t superseders;			/* of those: of one forced from this one */
	uint32_t sequence;			/* of the last round started here */
	uint64_t restart_at_ms;			/* somebody asked for a new round */
	uint64_t retry_at_ms;			/* then do not wait any longer */
	unsigned int retries;
	uint64_t against;			/* sources whose logs this one contradicts */
	struct round round;
	struct sync sync;
	struct waiting waiting;

	bool gone;				/* told to leave: does nothing more */
	uint64_t refused;
	char *why;
};

/* A delivered frame that has passed the checks every frame must pass. */
struct delivery {
	uint64_t now_ms;
	uint32_t sender;
	const struct frame_header *header;
	const ProtobufCMessage *body;
	struct update *update;
};

static inline uint64_t node_bit(uint32_t node)
{
	return UINT64_C(1) << (node - 1);
}

static inline size_t nodes_count(uint64_t nodes)
{
	return (size_t)__builtin_popcountll(nodes);
}

/* 0 for none. */
static inline uint32_t nodes_lowest(uint64_t nodes)
{
	return nodes ? (uint32_t)__builtin_ctzll(nodes) + 1 : 0;
}

/* ---------------------------------------------------------------- replica.c */

/* Encodes a frame of this round. Errors as of frame_encode(). */
int replica_encode(const struct replica *replica, uint16_t type, uint64_t request,
		   const ProtobufCMessage *body, struct buf *ret_frame);
/* The same, into the update, for a body that is known to be within its limits. */
void replica_send(struct replica *replica, uint16_t type, const ProtobufCMessage *body,
		  struct update *update);
/* And of another round. */
void replica_send_as(struct replica *replica, uint16_t type, const struct frame_round *round,
		     const ProtobufCMessage *body, struct update *update);
uint64_t replica_applied(const struct replica *replica);
/* The node cannot go on with what it has: why is static. */
void replica_leave(struct replica *replica, enum leave leave, const char *why,
		   struct update *update);

/* ---------------------------------------------------------------- round.c */

bool round_same(const struct frame_round *a, const struct frame_round *b);
void round_view(struct replica *replica, const struct event *event, struct update *update);
/* Begins a round. */
void round_start(struct replica *replica, struct update *update);
void round_persisted(struct replica *replica, uint64_t now_ms, struct update *update);
void round_tick(struct replica *replica, uint64_t now_ms, struct update *update);
/* The next time at which round_tick() has something to do; 0 = none. */
uint64_t round_wake_ms(const struct replica *replica);
void round_take_start(struct replica *replica, const struct delivery *delivery);
void round_take_hello(struct replica *replica, const struct delivery *delivery);
void round_take_close(struct replica *replica, const struct delivery *delivery);
void round_take_ready(struct replica *replica, const struct delivery *delivery);
void round_take_rejoin(struct replica *replica, const struct delivery *delivery);
/*
 * The sender goes on with a cluster that was forced from this one. What that has started since,
 * this one cannot know: it rests for as long as the sender is a member.
 */
void round_take_superseded(struct replica *replica, const struct delivery *delivery);
/*
 * This node holds what the source's log excludes: some disk was turned back. Which of the two
 * is right, only a majority can tell. If the epoch opens without this node, it starts over; if it
 * does not, the next round knows who contradicts whom, and may take another source. All such
 * sources are remembered until this log is a source's: else two of them would alternate for ever.
 */
void round_contradict(struct replica *replica, const char *what, const struct delivery *delivery);
/* The log is the source's now. */
void round_synced(struct replica *replica, uint64_t now_ms, struct update *update);
/* The round moves on: wait anew before giving up on it. */
void round_progress(struct replica *replica, uint64_t now_ms);
/* Members that are in the ring too: others are ghosts, of which CPG has not let go. */
uint64_t round_awaited(const struct replica *replica);

/* ---------------------------------------------------------------- decide.c */

/* Whether a HELLO makes sense at all. */
bool round_hello_fits(const Wire__Hello *body);
/* Takes the voters from a HELLO, unless somebody who applied more has told of them. */
void round_learn_voters(struct round *round, uint32_t node, const Wire__Hello *body);
/*
 * Versions may differ. A member must know the feature level that anybody here has applied: it
 * would apply entries otherwise than the rest. Of these, who has a protocol in common takes part;
 * where there is none common to all, the one with most voters goes on, and if that leaves a choice,
 * with most nodes, and then the highest. Whoever is left out waits for another view.
 */
struct able round_able(const struct round *round);
/* Voters that answered and can take part, with the disk they became voters with. */
uint64_t round_counted(const struct round *round, const struct voters *voters);
/* Whose majorities decide, if the log is this node's; by the HELLOs so far. */
void round_electorate(const struct round *round, uint32_t source, struct electorate *ret);
/* The nodes have a majority of each set of voters. */
bool electorate_has(const struct electorate *electorate, uint64_t nodes);
/* The same if the newest log that was told of so far is the source's. */
void round_electorate_so_far(const struct round *round, struct electorate *ret);
/* Those who answered decide something, by what they told so far. */
bool round_quorate(const struct round *round);
/* The same at CLOSE; and then who takes part, the source, its last entry, the epoch. */
bool round_decide(struct round *round);

/* ---------------------------------------------------------------- alone.c */

/* May this voter go on alone, once the other one is off (replica.h)? */
bool alone_entitled(const struct replica *replica);
/* Decided by CLOSE: the epoch is of one of two voters, whose other one is off. */
bool alone_in(const struct round *round);
/* The epoch is promised: it is on record if this node opens it alone. */
void alone_promised(struct replica *replica, struct update *update);
/* Notes that an epoch of both voters is open, in this boot of the machine. */
void alone_note_together(struct replica *replica, struct update *update);
/* A snapshot takes the place of log and state: what was said of these is no more. */
void alone_forget(struct replica *replica, struct update *update);
/* A round that waits may go on by what is known now. */
void alone_start_again(struct replica *replica, struct update *update);
/* In PHASE_WAIT: see replica_standing. */
uint32_t alone_awaited(const struct replica *replica);

/* ---------------------------------------------------------------- change.c */

/* The last two changes of voters that are in this node's log above its state; returns how many. */
size_t change_pending(const struct replica *replica, struct voters ret_pending[2]);
/* An entry was appended in the open epoch. */
void change_appended(struct replica *replica, uint64_t index, const void *command, size_t size);
/* What the electorate has committed by its acknowledgements, which may change it in turn. */
uint64_t change_committable(const struct round *round);
/* Entries up to this one are committed. True: the electorate is another one now. */
bool change_settle(struct round *round, uint64_t committed);
/* Whether a command may be proposed: all but changes of voters that cannot be right now. */
bool change_timely(const struct replica *replica, const struct buf *command);

/* ---------------------------------------------------------------- why.c */

void round_why(const struct replica *replica, char *ret_why, size_t size);
/* What of a node's version keeps it out of the round, and what to do; there: "there", "here". */
void round_say_left_out(const struct round *round, uint32_t node, const char *there,
			struct buf *text);

/* ---------------------------------------------------------------- commit.c */

/* The epoch is open: its first entry is the same NOOP on every member. */
void commit_open(struct replica *replica, struct update *update);
/* Appends what waited for the log to be the source's. */
void commit_flush(struct replica *replica, struct update *update);
void commit_forget(struct replica *replica);
/* Acknowledges what is on disk. */
void commit_persisted(struct replica *replica, uint64_t now_ms, struct update *update);
void commit_tick(struct replica *replica, uint64_t now_ms, struct update *update);
/* Looks for newly committed entries and applies them. */
void commit_advance(struct replica *replica, struct update *update);
void commit_take_append(struct replica *replica, const struct delivery *delivery);
void commit_take_ack(struct replica *replica, const struct delivery *delivery);

#endif
