/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/sync.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/round.h"
#include "clusterd/core/state.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	CHUNK_MAX = 56 * 1024,			/* bytes of entries */
	CHUNK_ENTRIES_MAX = 1024,
	SNAP_ROOM = FRAME_BODY_MAX - 512,	/* bytes of records */
	ENTRY_OVERHEAD = 40,			/* index, epoch, tags and lengths */
	IN_FLIGHT_MAX = 4,
	SNAP_CHUNKS_MAX = 8192,
};

_Static_assert(WIRE_COMMAND_MAX + ENTRY_OVERHEAD + 64 <= FRAME_BODY_MAX, "any entry fits");
_Static_assert(WIRE_RECORD_MAX + 32 <= SNAP_ROOM, "any record fits");
/* Of any two chunks in a row, the first record of the second did not fit into the first. */
_Static_assert(SNAP_CHUNKS_MAX / 2 >= STATE_BYTES_MAX / SNAP_ROOM + 1, "any state fits");

/* ---------------------------------------------------------------- who needs what */

static bool behind(const struct round *round, uint32_t node)
{
	const struct hello *hello = &round->hello[node - 1];

	return hello->last_index != round->base || hello->last_epoch != round->base_epoch;
}

/* Its state ends below the oldest entry that the source still has. */
static bool needs_snap(const struct round *round, uint32_t node)
{
	return behind(round, node) && round->hello[node - 1].applied + 1 <
				      round->hello[round->source - 1].first_index;
}

static bool anybody_needs_snap(const struct round *round)
{
	for (uint64_t left = round->nodes; left; left &= left - 1)
		if (needs_snap(round, nodes_lowest(left)))
			return true;
	return false;
}

/*
 * The first entry that somebody behind may lack; above the base if nobody does. And the one before
 * it, if it is there, for whoever has applied it to compare.
 */
static uint64_t first_needed(const struct replica *replica)
{
	const struct round *round = &replica->round;
	uint64_t first = round->base + 1, oldest = rlog_first(&replica->log);

	for (uint64_t left = round->nodes; left; left &= left - 1) {
		uint32_t node = nodes_lowest(left);
		uint64_t applied = round->hello[node - 1].applied;

		/* The snapshot is the source's state as it was at HELLO. */
		if (needs_snap(round, node))
			applied = round->hello[round->source - 1].applied;
		if (behind(round, node) && applied + 1 < first)
			first = applied + 1;
	}
	return first <= round->base && first > oldest ? first - 1 : first;
}

uint64_t sync_needs(const struct replica *replica)
{
	return replica->sync.sending ? replica->sync.next : UINT64_MAX;
}

/* ---------------------------------------------------------------- the source */

/* Adds as many entries as fit; the commands stay the log's. */
static void fill_log_chunk(struct replica *replica, Wire__LogChunk *chunk, Wire__Entry *entries)
{
	struct sync *sync = &replica->sync;
	size_t bytes = 0;

	while (sync->next <= replica->round.base && chunk->n_entries < CHUNK_ENTRIES_MAX) {
		const struct rlog_entry *entry = rlog_at(&replica->log, sync->next);
		Wire__Entry *out = &entries[chunk->n_entries];

		bytes += entry->command.len + ENTRY_OVERHEAD;
		if (bytes > CHUNK_MAX && chunk->n_entries > 0)
			break;
		wire__entry__init(out);
		out->index = sync->next++;
		out->epoch = entry->epoch;
		out->command.data = entry->command.data;
		out->command.len = entry->command.len;
		chunk->entries[chunk->n_entries++] = out;
	}
}

static void send_log_chunk(struct replica *replica, struct update *update)
{
	struct sync *sync = &replica->sync;
	Wire__LogChunk chunk = WIRE__LOG_CHUNK__INIT;
	_cleanup_(freep) Wire__Entry *entries = mem_new_array(Wire__Entry, CHUNK_ENTRIES_MAX);
	_cleanup_(freep) Wire__Entry **list = mem_new_array(Wire__Entry *, CHUNK_ENTRIES_MAX);

	chunk.entries = list;
	fill_log_chunk(replica, &chunk, entries);
	chunk.seq = sync->next_seq++;
	chunk.last = sync->next > replica->round.base;
	replica_send(replica, FRAME_LOG_CHUNK, &chunk.base, update);
}

/* False: those behind cannot be helped. They stay behind, and say so. */
static bool send_snap_chunk(struct replica *replica, struct update *update)
{
	const struct replica_config *config = &replica->config;
	struct sync *sync = &replica->sync;
	_cleanup_(wire_freep) Wire__SnapChunk *chunk = wire_new(&wire__snap_chunk__descriptor);

	if (sync->next_snap == SNAP_CHUNKS_MAX)
		return false;
	sync->snapping = config->ops->snap_fill(config->above, chunk, SNAP_ROOM);
	chunk->seq = sync->next_snap++;
	chunk->last = !sync->snapping;
	replica_send(replica, FRAME_SNAP_CHUNK, &chunk->base, update);
	return true;
}

/* Sends on, as far as what was sent before has been delivered. */
static void pump(struct replica *replica, struct update *update)
{
	struct sync *sync = &replica->sync;

	while (sync->sending && sync->in_flight < IN_FLIGHT_MAX) {
		if (sync->snapping) {
			sync->sending = send_snap_chunk(replica, update);
		} else if (sync->next <= replica->round.base) {
			send_log_chunk(replica, update);
		} else {
			sync->sending = false;
			break;
		}
		sync->in_flight++;
	}
}

void sync_begin(struct replica *replica, struct update *update)
{
	const struct round *round = &replica->round;
	struct sync *sync = &replica->sync;

	sync->want_snap = needs_snap(round, replica->config.node);
	if (round->source != replica->config.node)
		return;
	sync->next = first_needed(replica);
	/* Below what is held only if a HELLO contradicts itself; nobody can be helped then. */
	if (sync->next < rlog_first(&replica->log))
		return;
	if (anybody_needs_snap(round)) {
		replica->config.ops->snap_begin(replica->config.above);
		sync->snapping = true;
	}
	sync->sending = true;
	pump(replica, update);
}

void sync_end(struct replica *replica)
{
	replica->config.ops->snap_drop(replica->config.above);
	replica->sync = (struct sync){ 0 };
}

/* Own chunk, back in the total order: room for another one. */
static void delivered_back(struct replica *replica, struct update *update)
{
	if (replica->sync.in_flight > 0)
		replica->sync.in_flight--;
	pump(replica, update);
}

/* ---------------------------------------------------------------- those behind */

static void lose(struct replica *replica, uint64_t now_ms)
{
	replica->refused++;
	replica->sync.lost = true;
	round_progress(replica, now_ms);
}

/* Whether a chunk is for this node; the source's own tells it to send on. */
static bool for_me(struct replica *replica, const struct delivery *delivery)
{
	const struct round *round = &replica->round;

	if (delivery->sender != round->source) {
		replica->refused++;
		return false;
	}
	round_progress(replica, delivery->now_ms);
	if (delivery->sender == replica->config.node)
		delivered_back(replica, delivery->update);
	return round->phase == PHASE_SYNC && delivery->sender != replica->config.node &&
	       !replica->sync.lost && !round->contradicted;
}

static void finish_if_equal(struct replica *replica, const struct delivery *delivery)
{
	const struct round *round = &replica->round;
	const struct rlog *log = &replica->log;

	if (rlog_last(log) == round->base && rlog_epoch(log, round->base) == round->base_epoch)
		round_synced(replica, delivery->now_ms, delivery->update);
}

/* An entry where this node has one already. 1: it is that one; 0: its place is free now. */
static int compare_entry(struct replica *replica, const Wire__Entry *entry,
			 const struct delivery *delivery)
{
	const struct rlog_entry *own = rlog_at(&replica->log, entry->index);
	uint64_t epoch = rlog_epoch(&replica->log, entry->index);

	/* Trimmed already; of the last one that was, the epoch may be known. */
	if (!own && (epoch == 0 || epoch == entry->epoch))
		return 1;
	if (!own) {
		round_contradict(replica, "this node has applied an entry that is another there",
				 delivery);
		return -EBADMSG;
	}
	if (own->epoch == entry->epoch) {
		if (own->command.len == entry->command.len &&
		    memcmp(own->command.data, entry->command.data, own->command.len) == 0)
			return 1;
		round_contradict(replica, "an entry has other content here", delivery);
		return -EBADMSG;
	}
	if (entry->index <= replica_applied(replica)) {
		round_contradict(replica, "this node has applied an entry that is another there",
				 delivery);
		return -EBADMSG;
	}
	/* It was never committed, and neither was anything above it. */
	rlog_cut(&replica->log, entry->index - 1, delivery->update);
	return 0;
}

static int take_entry(struct replica *replica, const Wire__Entry *entry,
		      const struct delivery *delivery)
{
	const struct round *round = &replica->round;
	struct rlog *log = &replica->log;

	if (entry->index == 0 || entry->index > round->base || entry->epoch == 0 ||
	    entry->epoch > round->base_epoch || entry->command.len == 0 ||
	    entry->index > rlog_last(log) + 1)
		return -EBADMSG;
	if (entry->index <= rlog_last(log)) {
		int r = compare_entry(replica, entry, delivery);

		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (entry->epoch < rlog_epoch(log, rlog_last(log)))
		return -EBADMSG;
	rlog_append(log, entry->epoch, entry->command.data, entry->command.len, replica->batch,
		    delivery->update);
	return 0;
}

void sync_take_log(struct replica *replica, const struct delivery *delivery)
{
	const Wire__LogChunk *chunk = (const Wire__LogChunk *)delivery->body;
	struct sync *sync = &replica->sync;

	if (!for_me(replica, delivery))
		return;
	if (sync->want_snap || chunk->seq != sync->log_seq++) {
		lose(replica, delivery->now_ms);
		return;
	}
	for (size_t i = 0; i < chunk->n_entries; i++) {
		if (take_entry(replica, chunk->entries[i], delivery) < 0) {
			lose(replica, delivery->now_ms);
			return;
		}
	}
	finish_if_equal(replica, delivery);
	if (chunk->last && replica->round.phase == PHASE_SYNC)
		lose(replica, delivery->now_ms);
}

static bool snap_fits(const struct replica *replica, const Wire__SnapChunk *chunk)
{
	const struct round *round = &replica->round;
	const struct sync *sync = &replica->sync;

	if (chunk->seq != sync->snap_seq || chunk->seq >= SNAP_CHUNKS_MAX)
		return false;
	if (chunk->seq > 0)
		return chunk->index == sync->snap_index && chunk->epoch == sync->snap_epoch &&
		       chunk->digest == sync->snap_digest;
	return chunk->index > replica_applied(replica) && chunk->index <= round->base &&
	       chunk->epoch > 0 && chunk->epoch <= round->base_epoch &&
	       chunk->index == round->hello[round->source - 1].applied;
}

/* The snapshot is whole: it becomes the state, in one transaction with what stays of the log. */
static void swap_in(struct replica *replica, const struct delivery *delivery)
{
	const struct replica_config *config = &replica->config;
	struct sync *sync = &replica->sync;

	size_t before = delivery->update->persists_n;

	update_persist(delivery->update, PERSIST_WIPE);
	if (config->ops->snap_end(config->above, sync->snap_index, sync->snap_epoch,
				  sync->snap_digest, delivery->update) < 0) {
		/* Nothing here is wrong for it, and another source may be better. */
		delivery->update->persists_n = before;
		lose(replica, delivery->now_ms);
		return;
	}
	rlog_restart(&replica->log, sync->snap_index, sync->snap_epoch, replica->batch,
		     delivery->update);
	if (replica->committed < sync->snap_index)
		replica->committed = sync->snap_index;
	alone_forget(replica, delivery->update);
	sync->want_snap = false;
	finish_if_equal(replica, delivery);
}

void sync_take_snap(struct replica *replica, const struct delivery *delivery)
{
	const Wire__SnapChunk *chunk = (const Wire__SnapChunk *)delivery->body;
	const struct replica_config *config = &replica->config;
	struct sync *sync = &replica->sync;

	if (!for_me(replica, delivery) || !sync->want_snap)
		return;
	if (!snap_fits(replica, chunk)) {
		lose(replica, delivery->now_ms);
		return;
	}
	if (chunk->seq == 0) {
		sync->snap_index = chunk->index;
		sync->snap_epoch = chunk->epoch;
		sync->snap_digest = chunk->digest;
	}
	sync->snap_seq++;
	if (config->ops->snap_chunk(config->above, chunk) < 0)
		lose(replica, delivery->now_ms);
	else if (chunk->last)
		swap_in(replica, delivery);
}
