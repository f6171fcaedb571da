/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What a store holds, damaged: it is refused, or is a state that a core can go on with, alone as a
// new cluster, too. An input is a script (fuzz.h): what is changed on a good disk, how it goes on,
// then what is committed after that.
//
// Covers: clusterd/core/state.c clusterd/core/core.c clusterd/core/log.c clusterd/core/replica.c
// clusterd/core/force.c clusterd/core/apply_force.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/force.h"
#include "tests/fuzz/commands.h"
#include "tests/fuzz/member.h"
#include "wire/check.h"
#include "wire/message.h"

const unsigned int fuzz_rounds = 600;

enum {
	CHANGES_MAX = 12, COMMITS_MAX = 12, TABLES = WIRE__TABLE__TABLE_REQUEST + 1, FORCED = 2,
	TURNS = 8, WHY_SIZE = 700,
};

static void put(struct disk *disk, uint32_t table, uint64_t id, const void *data, size_t size)
{
	struct persist persist = { .kind = PERSIST_PUT, .table = table, .id = id };

	buf_append(&persist.data, data, size);
	disk_write(disk, &persist);
	buf_free(&persist.data);
}

/* Some record that is there. False: the table has none. */
static bool choose(struct disk *disk, struct fuzz_in *in, uint32_t *table, uint64_t *id,
		   struct buf **record)
{
	size_t count;

	*table = fuzz_below(in, TABLES);
	count = idmap_count(&disk->records[*table]);
	if (count == 0)
		return false;
	*record = idmap_at(&disk->records[*table], fuzz_byte(in) % count, id);
	return true;
}

static void change_byte(struct disk *disk, struct fuzz_in *in)
{
	struct buf *record;
	uint32_t table;
	uint64_t id;

	if (choose(disk, in, &table, &id, &record) && record->len > 0) {
		size_t at = (fuzz_byte(in) | (size_t)fuzz_byte(in) << 8) % record->len;

		record->data[at] ^= fuzz_byte(in);
	}
}

/* A field that is told once more holds what was told last. */
static void add_field(struct disk *disk, struct fuzz_in *in)
{
	struct buf *record;
	uint32_t table;
	uint64_t id;

	if (choose(disk, in, &table, &id, &record)) {
		struct fuzz_in block = fuzz_block(in);

		buf_append(record, block.data, block.size);
	}
}

static void add_number(struct disk *disk, struct fuzz_in *in)
{
	uint32_t table;
	uint64_t id, number;
	struct buf *record;
	uint8_t field;

	if (!choose(disk, in, &table, &id, &record))
		return;
	field = fuzz_byte(in) % 64;
	number = fuzz_number(in);
	/* A protobuf varint, of a field with a number of one or two bytes. */
	if (field >= 16)
		buf_append_byte(record, (uint8_t)(0x80 | (field << 3 & 0x78)));
	buf_append_byte(record, (uint8_t)(field >= 16 ? field >> 4 : field << 3));
	for (; number >= 0x80; number >>= 7)
		buf_append_byte(record, (uint8_t)(0x80 | (number & 0x7f)));
	buf_append_byte(record, (uint8_t)number);
}

static void add_record(struct disk *disk, struct fuzz_in *in)
{
	uint32_t table = fuzz_below(in, TABLES);
	uint64_t id = fuzz_number(in);
	struct fuzz_in block = fuzz_block(in);

	put(disk, table, id, block.data, block.size);
}

static void copy_record(struct disk *disk, struct fuzz_in *in)
{
	_cleanup_(buf_free) struct buf copy = { 0 };
	struct buf *record;
	uint32_t table;
	uint64_t id;

	if (!choose(disk, in, &table, &id, &record))
		return;
	buf_append(&copy, record->data, record->len);
	put(disk, fuzz_below(in, 2) ? table : fuzz_below(in, TABLES), fuzz_number(in), copy.data,
	    copy.len);
}

static void drop_record(struct disk *disk, struct fuzz_in *in)
{
	struct persist persist = { .kind = PERSIST_DEL };
	struct buf *record;

	if (choose(disk, in, &persist.table, &persist.id, &record))
		disk_write(disk, &persist);
}

static void change_position(struct disk *disk, struct fuzz_in *in)
{
	uint64_t *const of[] = { &disk->index, &disk->epoch, &disk->promised };

	*of[fuzz_below(in, 3)] = fuzz_number(in);
}

static void add_entry(struct disk *disk, struct fuzz_in *in)
{
	struct persist persist = { .kind = PERSIST_APPEND };
	uint8_t how = fuzz_byte(in);
	struct fuzz_in block;

	persist.index = how & 1 ? fuzz_number(in) :
				  disk->index + 1 + idmap_count(&disk->entries);
	persist.epoch = how & 2 ? fuzz_number(in) : disk->epoch;
	block = fuzz_block(in);
	buf_append(&persist.data, block.data, block.size);
	disk_write(disk, &persist);
	buf_free(&persist.data);
}

static void (*const changes[])(struct disk *disk, struct fuzz_in *in) = {
	change_byte, add_field, add_number, add_record, copy_record, drop_record,
	change_position, add_entry,
};

/* As a new cluster of one node, if that can be; what was written for it is one that begins. */
static void force(struct member *member, bool restore)
{
	const struct force_order order = { "10000000-0000-4000-8000-000000000000", "root(0)", 9000,
					   7, restore };
	struct core_standing standing;
	struct update update;
	char why[WHY_SIZE] = "";
	int r;

	update_init(&update);
	r = core_force(member->core, &order, &update, why, sizeof(why));
	if (r < 0) {
		fuzz_sentence(why, sizeof(why) - 1, "why it cannot be forced");
		fuzz_must(update.persists_n == 0, "it is refused and written");
	}
	for (size_t i = 0; i < update.persists_n; i++)
		disk_write(&member->disk, &update.persists[i]);
	update_reset(&update);
	fuzz_must(member_start(member) == 0, "it cannot read what it wrote");
	if (r < 0)
		return;
	member_view(member, 2, 2, false);
	for (int i = 0; i < TURNS; i++) {
		member_echo(member);
		member_persist(member);
	}
	core_standing(member->core, &standing);
	fuzz_must(standing.open, "it does not go on alone");
}

/* It takes part, applies, and decides what to do, all from what it was told is true. */
static void go_on(struct member *member, struct fuzz_in *in)
{
	struct event up = { .kind = EVENT_AGENT_UP };
	uint8_t how = fuzz_byte(in);

	if (how % 4 == FORCED)
		force(member, how & 4);
	member_open(member, how & 1);
	member_agree(member);
	member_take(member, &up);
	for (int i = 0; i < COMMITS_MAX && in->size > 0 && !member->gone; i++) {
		struct fuzz_in block = fuzz_block(in);

		member_commit(member, block.data, block.size);
		member_tick(member, 1000);
	}
	member_tick(member, 60000);
	member_view(member, 2, 2, false);
	member_check(member);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct member member;
	int changes_n, r;

	member_init(&member, MEMBER_SELF, fuzz_below(&in, 16) == 15);
	changes_n = fuzz_below(&in, CHANGES_MAX);
	for (int i = 0; i < changes_n; i++)
		changes[fuzz_below(&in, ARRAY_SIZE(changes))](&member.disk, &in);
	r = member_start(&member);
	fuzz_must(r == 0 || r == -EBADMSG || r == -EPROTO, "another error than promised");
	if (r == 0) {
		member_check(&member);
		go_on(&member, &in);
	}
	member_free(&member);
	return 0;
}

/* Numbers in records that no apply would have written there, two at a time. */
static const struct {
	uint8_t table, field, number, more_field, more_number;
} numbers[] = {
	{ WIRE__TABLE__TABLE_VM, 23, 2, 20, 0 },   /* runs nowhere */
	{ WIRE__TABLE__TABLE_VM, 23, 99, 20, 2 },  /* in a phase that there is not */
	{ WIRE__TABLE__TABLE_VM, 23, 4, 25, 0 },   /* moves to nobody */
	{ WIRE__TABLE__TABLE_VM, 20, 100, 11, 99 }, /* is that of no node */
	{ WIRE__TABLE__TABLE_VM, 1, 77, 6, 50 },   /* has another id */
	{ WIRE__TABLE__TABLE_VM, 26, 5, 23, 8 },   /* saves without an image */
	{ WIRE__TABLE__TABLE_NODE, 1, 0, 6, 40 },
	{ WIRE__TABLE__TABLE_NODE, 1, 0xc0, 10, 0xc0 },
	{ WIRE__TABLE__TABLE_NODE, 16, 0xc0, 17, 0xc1 },
	{ WIRE__TABLE__TABLE_CLUSTER, 4, 0, 7, 0xc0 },
	{ WIRE__TABLE__TABLE_FENCE, 7, 0xc5, 10, 0xc0 },
	{ WIRE__TABLE__TABLE_OPERATION, 2, 9, 4, 0xc0 },
};

static void put_number(uint8_t table, uint8_t which, uint8_t field, uint8_t number, struct buf *out)
{
	const uint8_t change[] = { 2, table, which, field, number };

	buf_append(out, change, sizeof(change));
}

static void numbers_seed(unsigned int n, struct buf *out)
{
	buf_append_byte(out, 6);
	for (uint8_t which = 0; which < 3; which++) {
		put_number(numbers[n].table, which, numbers[n].field, numbers[n].number, out);
		put_number(numbers[n].table, which, numbers[n].more_field, numbers[n].more_number,
			   out);
	}
	buf_append_byte(out, 1 + n % 2);
	commands_put("{'vm_set':{'name':'web1','changes':[{'key':'ha','value':'no'}]}}", out);
	commands_put("{'vm_set':{'name':'db','changes':[{'key':'prefer','value':'n2'}]}}", out);
	commands_story(n % 5, out);
}

static void change_seed(unsigned int n, struct buf *out)
{
	static const uint8_t how[] = { 4, 0, 3, 1, 4, 2, 0, 3 };

	buf_append_byte(out, 1);
	buf_append_byte(out, (uint8_t)n);
	if (n == 7) {
		buf_append_byte(out, 0);
		commands_put("{'noop':{'epoch':2}}", out);
	} else
		buf_append(out, how, sizeof(how));
	commands_put("{'noop':{'epoch':2}}", out);
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
	size_t after = n;

	buf_append_byte(out, 0);
	if (n < ARRAY_SIZE(changes)) {
		change_seed(n, out);
		return true;
	}
	after -= ARRAY_SIZE(changes);
	if (after < ARRAY_SIZE(numbers)) {
		numbers_seed(after, out);
		return true;
	}
	after -= ARRAY_SIZE(numbers);
	buf_append_byte(out, 0);
	buf_append_byte(out, after % 4);
	return commands_story(after / 4, out);
}
