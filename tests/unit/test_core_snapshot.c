/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A state is copied bit by bit to others while it goes on changing. */
#include <errno.h>
#include <stdio.h>

#include "clusterd/core/core_private.h"
#include "clusterd/core/state.h"
#include "tests/sim/rng.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

enum { EVENT = WIRE__TABLE__TABLE_EVENT, SETTING = WIRE__TABLE__TABLE_SETTING, ROOM = 600 };

static struct core *new_core(void)
{
	const struct core_config config = { .node = 1, .boot_id = 1, .disk_id = 1,
					    .kernel_boot_id = "k", .random = 1 };

	return core_new(&config);
}

/* An event with a text that names it, or a setting that this version does not know. */
static void put(struct state *state, uint32_t table, uint64_t id, const char *text)
{
	Wire__Event event = WIRE__EVENT__INIT;
	Wire__Setting setting = WIRE__SETTING__INIT;
	struct update update;

	update_init(&update);
	event.id = setting.id = id;
	event.text = setting.value = (char *)text;
	state_put(state, table, id, table == EVENT ? &event.base : &setting.base, &update);
	update_reset(&update);
}

static void del(struct state *state, uint32_t table, uint64_t id)
{
	struct update update;

	update_init(&update);
	state_del(state, table, id, &update);
	update_reset(&update);
}

/* What comes next of the snapshot, as "5 a": the id and the text of an event. "": nothing. */
static const char *next(struct state *state)
{
	static char said[300];
	uint32_t table;
	uint64_t id;
	const struct buf *packed = state_snap_at(state, &table, &id);

	said[0] = '\0';
	if (packed) {
		Wire__Event *event = wire_parse(&wire__event__descriptor, packed->data,
						packed->len);

		CU_ASSERT_EQUAL(table, EVENT);
		snprintf(said, sizeof(said), "%d %s", (int)id, event->text);
		wire_free(event);
		state_snap_next(state);
	}
	return said;
}

static struct state *one_to_five(void)
{
	struct state *state = state_new();

	for (uint64_t id = 10; id <= 50; id += 10)
		put(state, EVENT, id, "was");
	return state;
}

static void test_changes_while_read(void)
{
	struct state *state = one_to_five();

	CU_ASSERT_STRING_EQUAL(next(state), "");
	state_snap_begin(state);
	CU_ASSERT_STRING_EQUAL(next(state), "10 was");
	put(state, EVENT, 10, "is");		/* was read */
	put(state, EVENT, 20, "is");
	CU_ASSERT_EQUAL(state_snap_kept(state) > 0, true);
	put(state, EVENT, 20, "is again");
	put(state, EVENT, 25, "new");
	del(state, EVENT, 30);
	put(state, EVENT, 30, "back");
	del(state, EVENT, 40);
	put(state, EVENT, 60, "new");
	del(state, EVENT, 60);
	put(state, EVENT, 5, "new");
	CU_ASSERT_STRING_EQUAL(next(state), "20 was");
	CU_ASSERT_STRING_EQUAL(next(state), "30 was");
	CU_ASSERT_STRING_EQUAL(next(state), "40 was");
	CU_ASSERT_EQUAL(state_snap_kept(state), 0);
	CU_ASSERT_STRING_EQUAL(next(state), "50 was");
	CU_ASSERT_STRING_EQUAL(next(state), "");
	put(state, EVENT, 50, "is");
	CU_ASSERT_EQUAL(state_snap_kept(state), 0);
	/* And the next one has what is there by then. */
	state_snap_begin(state);
	CU_ASSERT_STRING_EQUAL(next(state), "5 new");
	CU_ASSERT_STRING_EQUAL(next(state), "10 is");
	CU_ASSERT_STRING_EQUAL(next(state), "20 is again");
	CU_ASSERT_STRING_EQUAL(next(state), "25 new");
	CU_ASSERT_STRING_EQUAL(next(state), "30 back");
	CU_ASSERT_STRING_EQUAL(next(state), "50 is");
	CU_ASSERT_STRING_EQUAL(next(state), "");
	state_free(state);
}

static void test_end_in_the_middle(void)
{
	struct state *state = one_to_five();

	state_snap_begin(state);
	CU_ASSERT_STRING_EQUAL(next(state), "10 was");
	put(state, EVENT, 20, "is");
	state_snap_end(state);
	CU_ASSERT_EQUAL(state_snap_kept(state), 0);
	CU_ASSERT_STRING_EQUAL(next(state), "");
	put(state, EVENT, 30, "is");
	CU_ASSERT_EQUAL(state_snap_kept(state), 0);
	state_snap_begin(state);
	CU_ASSERT_STRING_EQUAL(next(state), "10 was");
	CU_ASSERT_STRING_EQUAL(next(state), "20 is");
	put(state, EVENT, 40, "is");
	/* With a snapshot that was begun, and a record that is kept for it. */
	state_free(state);
}

/* ------------------------------------------------------------------ to another core */

static Wire__SnapChunk *fill(struct core *from, uint32_t seq, bool *more)
{
	Wire__SnapChunk *chunk = wire_new(&wire__snap_chunk__descriptor);

	*more = machine_ops.snap_fill(from, chunk, ROOM);
	chunk->seq = seq;
	chunk->last = !*more;
	return chunk;
}

/* What a disk would have of it is the state that was copied. */
static void expect_disk(const struct update *update, uint64_t digest)
{
	struct core *core = new_core();

	for (size_t i = 0; i < update->persists_n; i++) {
		const struct persist *persist = &update->persists[i];

		if (persist->kind == PERSIST_PUT)
			CU_ASSERT_EQUAL(core_load_record(core, persist->table, persist->id,
							 persist->data.data, persist->data.len),
					0);
	}
	CU_ASSERT_EQUAL(state_digest(core->state), digest);
	core_free(core);
}

static void expect_copy(struct core *to, uint64_t index, uint64_t digest)
{
	struct update update;

	update_init(&update);
	update_persist(&update, PERSIST_WIPE);
	CU_ASSERT_EQUAL(machine_ops.snap_end(to, index, 3, digest, &update), 0);
	CU_ASSERT_EQUAL(state_digest(to->state), digest);
	CU_ASSERT_EQUAL(state_index(to->state), index);
	CU_ASSERT_EQUAL(update.persists[0].kind, PERSIST_WIPE);
	CU_ASSERT_EQUAL(update.persists[update.persists_n - 1].kind, PERSIST_APPLIED);
	expect_disk(&update, digest);
	update_reset(&update);
}

static void change(struct state *state, struct rng *rng)
{
	uint32_t table = rng_below(rng, 2) ? EVENT : SETTING;
	uint64_t id = 100 + rng_below(rng, 300);
	char text[200];

	if (rng_below(rng, 3) == 0) {
		del(state, table, id);
		return;
	}
	snprintf(text, sizeof(text), "%0*d", (int)rng_below(rng, 150) + 1, (int)rng_below(rng, 9));
	put(state, table, id, text);
	state_set_position(state, state_index(state) + 1, 3);
}

/* Two receive the chunks of one, that changes all the while. */
static void test_two_receive(void)
{
	struct rng rng = { 7 };
	struct core *from = new_core(), *one = new_core(), *two = new_core();

	for (unsigned i = 0; i < 1000; i++)
		change(from->state, &rng);
	for (unsigned round = 0; round < 20; round++) {
		uint64_t index = state_index(from->state), digest = state_digest(from->state);
		uint32_t seq = 0;

		machine_ops.snap_begin(from);
		for (bool more = true; more; seq++) {
			Wire__SnapChunk *chunk = fill(from, seq, &more);

			CU_ASSERT_EQUAL(chunk->index, index);
			CU_ASSERT_EQUAL(chunk->digest, digest);
			CU_ASSERT_EQUAL(machine_ops.snap_chunk(one, chunk), 0);
			CU_ASSERT_EQUAL(machine_ops.snap_chunk(two, chunk), 0);
			wire_free(chunk);
			for (uint64_t i = rng_below(&rng, 20); i > 0; i--)
				change(from->state, &rng);
		}
		CU_ASSERT_TRUE(seq > 10);
		CU_ASSERT_NOT_EQUAL(state_digest(from->state), digest);
		expect_copy(one, index, digest);
		expect_copy(two, index, digest);
	}
	core_free(from);
	core_free(one);
	core_free(two);
}

/* The round ends before the last chunk: the next one begins with nothing of it. */
static void test_dropped_on_both_sides(void)
{
	struct rng rng = { 8 };
	struct core *from = new_core(), *to = new_core();
	struct update update;
	Wire__SnapChunk *chunk;
	uint32_t seq = 0;
	bool more;

	for (unsigned i = 0; i < 1000; i++)
		change(from->state, &rng);
	machine_ops.snap_begin(from);
	chunk = fill(from, 0, &more);
	CU_ASSERT_EQUAL(machine_ops.snap_chunk(to, chunk), 0);
	for (unsigned i = 0; i < 100; i++)
		change(from->state, &rng);
	CU_ASSERT_TRUE(state_snap_kept(from->state) > 0);
	machine_ops.snap_drop(from);
	machine_ops.snap_drop(to);
	CU_ASSERT_EQUAL(state_snap_kept(from->state), 0);
	CU_ASSERT_EQUAL(to->incoming_puts.persists_n, 0);
	/* What belonged to the one that was dropped is none of the next one. */
	chunk->seq = 1;
	CU_ASSERT_EQUAL(machine_ops.snap_chunk(to, chunk), -EBADMSG);
	wire_free(chunk);
	update_init(&update);
	machine_clear_away(to, &update);
	CU_ASSERT_PTR_NULL(to->pile);
	machine_ops.snap_begin(from);
	for (more = true; more; wire_free(chunk)) {
		chunk = fill(from, seq++, &more);
		CU_ASSERT_EQUAL(machine_ops.snap_chunk(to, chunk), 0);
	}
	expect_copy(to, state_index(from->state), state_digest(from->state));
	core_free(from);
	core_free(to);
}

/* A digest that is not the copy's: nothing is changed, and nothing stays. */
static void test_other_digest(void)
{
	struct core *from = new_core(), *to = new_core();
	struct update update;
	Wire__SnapChunk *chunk;
	uint64_t before;
	bool more;

	put(from->state, EVENT, 1, "there");
	put(to->state, EVENT, 1, "here");
	before = state_digest(to->state);
	machine_ops.snap_begin(from);
	chunk = fill(from, 0, &more);
	CU_ASSERT_EQUAL(machine_ops.snap_chunk(to, chunk), 0);
	update_init(&update);
	CU_ASSERT_EQUAL(machine_ops.snap_end(to, 9, 3, chunk->digest + 1, &update), -EBADMSG);
	wire_free(chunk);
	CU_ASSERT_EQUAL(update.persists_n, 0);
	CU_ASSERT_EQUAL(to->incoming_puts.persists_n, 0);
	CU_ASSERT_PTR_NULL(to->incoming);
	CU_ASSERT_EQUAL(state_digest(to->state), before);
	core_free(from);
	core_free(to);
}

/* States that nobody needs go so much at a time, the last one on the pile with the rest. */
static void test_cleared_bit_by_bit(void)
{
	struct state *pile = NULL;
	unsigned turns = 1;

	state_discard(&pile, NULL);
	CU_ASSERT_PTR_NULL(pile);
	CU_ASSERT_TRUE(state_clear_away(&pile, 1));
	state_discard(&pile, one_to_five());
	state_discard(&pile, one_to_five());
	while (!state_clear_away(&pile, 1))
		turns++;
	CU_ASSERT_EQUAL(turns, 10);
	CU_ASSERT_PTR_NULL(pile);
}

UNIT_MAIN("core/snapshot",
	  { "what changes before it was read is kept", test_changes_while_read },
	  { "it ends in the middle", test_end_in_the_middle },
	  { "two receive it", test_two_receive },
	  { "dropped on both sides", test_dropped_on_both_sides },
	  { "another digest", test_other_digest },
	  { "cleared away bit by bit", test_cleared_bit_by_bit })
