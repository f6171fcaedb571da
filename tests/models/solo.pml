// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two voters, each with a power switch for the other, and the rule by which one goes on alone.
 *
 * What is committed needs both disks. So each of them has everything, unless the other went on
 * alone meanwhile; and the other does that only after a verified power-off. Hence the rule. A node
 * may shoot, and may open an epoch alone once its shot is verified, if
 *
 *	- it has seen an epoch of both OPEN since its machine was switched on; or
 *	- it is the holder: the last entry of its log is of an epoch that it opened alone, and it has
 *	  promised no later one, so that the other cannot have been in an open epoch since;
 *
 * and the other is not a member, has not been one since the shot was verified, and no round with it
 * has begun since: its switch says off, after the order or without one. All else waits for the other.
 *
 * The log is (epoch, length), as rounds compare it. A promise and what it is about are one write.
 * Orders to a switch are on their way for a while and come to pass although who gave them is dead.
 *
 * Held: an epoch has all that was committed before it; no two nodes are open apart; a guest runs
 * once. `tests/models/run solo` also takes each rule away (-DBUG_…), and wants an error then.
 */
#ifndef BUDGET
#define BUDGET 4			/* faults; shots that hit come on top */
#endif
#ifndef EPOCHS
#define EPOCHS 5
#endif
#ifndef ENTRIES
#define ENTRIES 2
#endif

#define OTHER (1 - n)

byte budget = BUDGET, entries = ENTRIES;
bool link = true;			/* the network between them */

/* A node. Power off leaves what is on disk; the guest dies with the power only. */
bool power[2], up[2], guest[2];
byte epoch[2], length[2], promised[2];	/* on disk */
bool alone_in[2];			/* on disk: this node opened the epoch of its last entry alone */
bool seen_open[2];			/* in this boot of the machine */
bool sees[2];				/* the other is a member of the group, as it was told last */
bool verified[2];			/* the other was seen off, and was no member since */
bool ordered[2];			/* an order to switch the other off is on its way */
bool asks[2];				/* and the daemon that gave it waits for the answer */
mtype = { CLOSED, READY, OPEN, ALONE };
mtype at[2] = CLOSED;

/* The round of both: its epoch, its source's log, and who is in it. */
byte round;				/* 0 = none */
byte round_epoch, round_length;
bool in_round[2];			/* has not left it */
bool was_ready[2];			/* its READY is in the order */

/* The truth: the last entry that was committed. */
byte truth_epoch, truth_length;

#define HAS_ALL(e, l) ((e) > truth_epoch || ((e) == truth_epoch && (l) >= truth_length))
#define REACHES(o) (link && up[o])	/* which is told to nodes some time later */

#ifdef BUG_HOLDER_WHATEVER_PROMISED
#define HOLDER(n) (alone_in[n])
#else
#define HOLDER(n) (alone_in[n] && promised[n] == epoch[n])
#endif

#ifdef BUG_AFTER_ANY_BOOT
#define ENTITLED(n) (true)
#else
#define ENTITLED(n) (seen_open[n] || HOLDER(n))
#endif

/* What only memory of the daemon, or of the machine, knew is gone. */
inline daemon_ends(n)
{
	up[n] = false;
	at[n] = CLOSED;
	in_round[n] = false;
	sees[n] = false;
	verified[n] = false;
	asks[n] = false
}

inline power_off(n)
{
	daemon_ends(n);
	power[n] = false;
	guest[n] = false;
	seen_open[n] = false
}

/* The other is a member: what its switch said of it before says nothing. */
inline forget_proof(n)
{
#ifndef BUG_OLD_PROOF
	verified[n] = false;
#endif
	skip
}

proctype node(byte n)
{
end:	do
	/* -------- a round of both: the newer log is the source */
	:: atomic { n == 0 && link && sees[0] && sees[1] && promised[0] < EPOCHS &&
		    promised[1] < EPOCHS ->
		round = (promised[0] > promised[1] -> promised[0] : promised[1]) + 1;
		if
		:: epoch[0] > epoch[1] || (epoch[0] == epoch[1] && length[0] >= length[1]) ->
			round_epoch = epoch[0]; round_length = length[0]
		:: else -> round_epoch = epoch[1]; round_length = length[1]
		fi;
		assert(HAS_ALL(round_epoch, round_length));
		at[0] = CLOSED; at[1] = CLOSED;
		in_round[0] = true; in_round[1] = true;		/* until the view changes */
		was_ready[0] = false; was_ready[1] = false;
		forget_proof(0); forget_proof(1)
	   }
	/* READY: promise and log are on disk. */
	:: atomic { up[n] && in_round[n] && at[n] == CLOSED && !was_ready[n] ->
		if
		:: epoch[n] == round_epoch -> skip
		:: else -> alone_in[n] = false
		fi;
		epoch[n] = round_epoch; length[n] = round_length;
		promised[n] = round;
		was_ready[n] = true;
		at[n] = READY;
#ifdef BUG_READY_IS_ENOUGH
		seen_open[n] = true
#endif
	   }
	/* OPEN: both READYs were delivered here, whatever became of the other since. */
	:: atomic { up[n] && in_round[n] && at[n] == READY && was_ready[OTHER] ->
		at[n] = OPEN;
		epoch[n] = round;
		length[n] = length[n] + 1;
		alone_in[n] = false;
		seen_open[n] = true
	   }
	/* An entry that both have on disk is committed. */
	:: atomic { n == 0 && at[0] == OPEN && at[1] == OPEN && in_round[0] && in_round[1] &&
		    entries > 0 ->
		entries--;
		length[0] = length[0] + 1;
		length[1] = length[0];
		truth_epoch = epoch[0]; truth_length = length[0]
	   }
	/* One that only this node has so far is not. */
	:: atomic { at[n] == OPEN && entries > 0 -> entries--; length[n] = length[n] + 1 }
	/* A guest is started where both are open and know of none; or alone, where none can be. */
	:: atomic { at[n] == OPEN && at[OTHER] == OPEN && in_round[n] && in_round[OTHER] &&
		    !guest[0] && !guest[1] -> guest[n] = true }

	/* -------- members come and go: nothing is open in a view that is new */
	:: atomic { up[n] && sees[n] && (!REACHES(OTHER) || (in_round[n] && !in_round[OTHER])) ->
		sees[n] = false; in_round[n] = false; at[n] = CLOSED }
	:: atomic { up[n] && !sees[n] && REACHES(OTHER) ->
		sees[n] = true; at[n] = CLOSED; forget_proof(n) }

	/* -------- alone: the shot, its answer, the epoch */
	:: atomic { up[n] && !sees[n] && at[n] == CLOSED && ENTITLED(n) &&
		    !asks[n] && !verified[n] ->
		ordered[n] = true; asks[n] = true }
	/* The order comes to pass. */
	:: atomic { ordered[n] -> ordered[n] = false; power_off(OTHER) }
	/* It gets lost, or the switch does not work: there is no answer. */
	:: atomic { ordered[n] -> ordered[n] = false }
	:: atomic { up[n] && asks[n] && !power[OTHER] && !ordered[n] ->
		asks[n] = false;
		verified[n] = true }
	:: atomic { up[n] && asks[n] ->
		asks[n] = false;	/* time is over */
#ifdef BUG_TIMEOUT_IS_OFF
		verified[n] = true
#endif
	   }
	:: atomic { up[n] && at[n] == CLOSED && verified[n] && ENTITLED(n) && !sees[n] &&
		    promised[n] < EPOCHS ->
		assert(HAS_ALL(epoch[n], length[n]));
		promised[n] = promised[n] + 1;
		epoch[n] = promised[n];
		length[n] = length[n] + 1;
		alone_in[n] = true;
		at[n] = ALONE;
		assert(at[OTHER] != ALONE);
		truth_epoch = epoch[n]; truth_length = length[n];
		/* It is alone: the guest of the other died with the power. */
		if
		:: !guest[n] -> assert(!guest[OTHER]); guest[n] = true
		:: skip
		fi
	   }
	:: atomic { at[n] == ALONE && entries > 0 ->
		entries--;
		length[n] = length[n] + 1;
		truth_epoch = epoch[n]; truth_length = length[n] }
	/* The guest ends by itself, too. */
	:: atomic { guest[n] -> guest[n] = false }

	/* -------- faults */
	:: atomic { power[n] && budget > 0 -> budget--; power_off(n) }
	:: atomic { up[n] && budget > 0 -> budget--; daemon_ends(n) }
	/* Somebody switches it on, or its clusterd is started again. */
	:: atomic { !power[n] -> power[n] = true; up[n] = true }
	:: atomic { power[n] && !up[n] -> up[n] = true }
	:: atomic { n == 0 && link && budget > 0 -> budget--; link = false }
	:: atomic { n == 0 && !link -> link = true }
	od
}

/* No two are open apart: an epoch of both is dead as soon as one of them is open alone. */
active proctype watch()
{
end:	do
	:: atomic { (at[0] == ALONE && at[1] == ALONE) || (guest[0] && guest[1]) -> assert(false) }
	od
}

init
{
	atomic {
		power[0] = true; power[1] = true; up[0] = true; up[1] = true;
		sees[0] = true; sees[1] = true;
		run node(0); run node(1)
	}
}
