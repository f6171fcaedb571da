/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that does not keep what was put there: records of a node's state, and what it sends. */
#include "tests/sim/world_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/round.h"
#include "clusterd/core/sound.h"
#include "wire/message.h"

enum { BITS_TRIED = 64 };

static void flip(uint8_t *data, size_t size, struct rng *rng)
{
	uint32_t at = rng_below(rng, (uint32_t)size);

	data[at] ^= (uint8_t)(1 << rng_below(rng, 8));
}

/* ---------------------------------------------------------------- a record */

/*
 * Who votes is left as it is: a node that counts by others decides by others, and nobody can tell.
 * So is what no record can be: a daemon that meets it ends.
 */
static bool is_subtle(const struct state *state, const struct voters *before, uint64_t digest)
{
	struct voters voters;

	state_voters(state, &voters);
	return memcmp(&voters, before, sizeof(voters)) == 0 && !state_unsound(state) &&
	       state_digest(state) != digest;
}

static bool turn_bit(struct state *state, uint32_t table, size_t position, struct rng *rng)
{
	_cleanup_(buf_free) struct buf was = { 0 }, is = { 0 };
	uint64_t id, digest = state_digest(state);
	const struct buf *packed = state_packed(state, table, position, &id);
	struct voters voters;
	int r;

	if (packed->len == 0)
		return false;
	state_voters(state, &voters);
	buf_append(&was, packed->data, packed->len);
	buf_append(&is, packed->data, packed->len);
	flip((uint8_t *)is.data, is.len, rng);
	if (state_load(state, table, id, is.data, is.len) == 0 &&
	    is_subtle(state, &voters, digest))
		return true;
	r = state_load(state, table, id, was.data, was.len);
	assert(r == 0);
	return false;
}

/* Of the history alone, if the node acts by the others just now. */
static bool turn_some_bit(struct state *state, bool history, struct rng *rng)
{
	static const uint32_t tables[] = {
		WIRE__TABLE__TABLE_EVENT, WIRE__TABLE__TABLE_NODE, WIRE__TABLE__TABLE_VM,
		WIRE__TABLE__TABLE_VM, WIRE__TABLE__TABLE_OPERATION, WIRE__TABLE__TABLE_FENCE,
		WIRE__TABLE__TABLE_SETTING, WIRE__TABLE__TABLE_VOLUME,
	};

	for (int i = 0; i < BITS_TRIED; i++) {
		uint32_t table = tables[history ? 0 : rng_below(rng, ARRAY_SIZE(tables))];
		size_t n = state_count(state, table);

		if (n && turn_bit(state, table, rng_below(rng, (uint32_t)n), rng))
			return true;
	}
	return false;
}

/* It will have to go with all it has: others must be able to do without. */
static bool may_be_lost(struct machine *machine)
{
	struct truth *truth = machine->world->truth;
	bool was = machine->lost;

	machine->lost = true;
	if (truth_survives(truth) && truth_may_lose(truth))
		return true;
	machine->lost = was;
	return false;
}

void machine_turn(struct machine *machine)
{
	const struct replica_standing *standing = &machine->core->standing;
	bool begun = state_epoch(machine->core->state) == standing->epoch;
	struct rng rng = { machine->turn_draw };
	bool was_lost = machine->lost;

	/* What it has compared with others it acts by, until they compare again. */
	if (!standing->open || !standing->ready || (begun && rng_next(&rng) % 2) ||
	    machine->runs != &version_this)
		return;
	machine->turn_draw = 0;
	if (machine->turned || !may_be_lost(machine))
		return;
	if (!turn_some_bit(machine->core->state, begun, &rng)) {
		machine->lost = was_lost;
		return;
	}
	machine->turned = true;
	machine->turned_epoch = begun ? standing->epoch : 0;
	machine->world->turned_us = machine->world->now_us;
	machine->world->counts.turns++;
	world_tell(machine->world, "n%u: a bit of its memory has turned%s", machine->id,
		   begun ? ", in what is history" : "");
}

/* ---------------------------------------------------------------- a snapshot */

static bool spoil_chunk(Wire__SnapChunk *chunk, struct rng *rng)
{
	Wire__Record *record;

	if (chunk->n_records == 0)
		return false;
	record = chunk->records[rng_below(rng, (uint32_t)chunk->n_records)];
	if (record->body.len == 0)
		return false;
	flip(record->body.data, record->body.len, rng);
	return true;
}

void machine_spoil(struct machine *machine, struct buf *frame)
{
	struct rng rng = { machine->spoil_draw };
	struct buf spoilt = { 0 };
	struct frame_header header;
	ProtobufCMessage *body;

	if (machine->runs != &version_this ||
	    frame_decode(frame->data, frame->len, &header, &body) < 0)
		return;
	if (header.type == FRAME_SNAP_CHUNK && spoil_chunk((Wire__SnapChunk *)body, &rng) &&
	    frame_encode(&header, body, &spoilt) == 0) {
		world_tell(machine->world, "n%u: a bit of the snapshot it sends has turned",
			   machine->id);
		machine->world->counts.turns++;
		machine->spoil_draw = 0;
		buf_free(frame);
		*frame = spoilt;
	}
	frame_body_free(body);
}
