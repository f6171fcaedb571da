/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/toy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "wire/command.h"

enum { TABLE = WIRE__TABLE__TABLE_EVENT };

static const char uuid[] = "0c0c0c0c-0c0c-4c0c-8c0c-0c0c0c0c0c0c";

struct toy *toy_new(void)
{
	return mem_new(struct toy);
}

static void command_free(void *value)
{
	struct toy_command *command = value;

	buf_free(&command->packed);
	free(command);
}

void toy_free(struct toy *toy)
{
	if (!toy)
		return;
	toy_free(toy->incoming);
	idmap_free(&toy->commands, command_free);
	free(toy);
}

uint64_t toy_digest(const struct buf *command)
{
	return digest_bytes(command->data, command->len);
}

/* ---------------------------------------------------------------- what commands mean */

static void begin(struct toy *toy, const Wire__Genesis *genesis)
{
	uint64_t disks[VOTERS_MAX];
	bool fits;

	assert(genesis->n_nodes <= VOTERS_MAX);
	for (size_t i = 0; i < genesis->n_nodes; i++)
		disks[i] = genesis->nodes[i]->disk_id;
	fits = voters_fill(&toy->voters, 0, genesis->cluster->voters, genesis->cluster->n_voters,
			   disks, genesis->n_nodes);
	assert(fits);
}

static void join(struct toy *toy, uint32_t node, uint64_t disk)
{
	for (size_t i = 0; i < toy->voters.n; i++)
		if (toy->voters.nodes[i] == node && toy->voters.disks[i] == 0)
			toy->voters.disks[i] = disk;
}

static void carry_out(struct toy *toy, uint64_t index, const Wire__Command *command)
{
	const Wire__VotersSet *set = command->voters_set;

	if (command->body_case == WIRE__COMMAND__BODY_GENESIS)
		begin(toy, command->genesis);
	else if (command->body_case == WIRE__COMMAND__BODY_NODE_REPORT)
		join(toy, command->node, command->node_report->disk_id);
	else if (command->body_case == WIRE__COMMAND__BODY_VOTERS_SET &&
		 set->after == toy->voters.index)
		voters_fill(&toy->voters, index, set->voters, set->n_voters, set->disks,
			    set->n_disks);
}

static void add(struct toy *toy, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	struct toy_command *own = mem_new(struct toy_command);
	Wire__Command *command = NULL;
	uint64_t running = digest_start();

	own->epoch = epoch;
	buf_append(&own->packed, data, size);
	own->digest = toy_digest(&own->packed);
	running = digest_add_u64(running, index);
	running = digest_add_u64(running, own->digest);
	toy->digest = digest_set_add(toy->digest, digest_finish(running));
	assert(!idmap_put(&toy->commands, index, own));
	toy->index = index;
	toy->epoch = epoch;
	if (wire_command_unpack(data, size, &command) == 0)
		carry_out(toy, index, command);
	wire_free(command);
}

/* A record: eight bytes of epoch, lowest first, and the command. */
static void record_write(const struct toy_command *command, struct buf *out)
{
	for (unsigned int i = 0; i < 8; i++)
		buf_append_byte(out, (uint8_t)(command->epoch >> 8 * i));
	buf_append(out, command->packed.data, command->packed.len);
}

static int record_take(struct toy *toy, uint64_t id, const uint8_t *data, size_t size)
{
	uint64_t epoch = 0;

	if (size < 8 || id != toy->index + 1)
		return -EBADMSG;
	for (unsigned int i = 0; i < 8; i++)
		epoch |= (uint64_t)data[i] << 8 * i;
	add(toy, id, epoch, data + 8, size - 8);
	return 0;
}

static void persist_command(const struct toy *toy, uint64_t index, struct update *update)
{
	struct persist *persist = update_persist(update, PERSIST_PUT);

	persist->table = TABLE;
	persist->id = index;
	record_write(idmap_get(&toy->commands, index), &persist->data);
}

static void persist_applied(const struct toy *toy, struct update *update)
{
	struct persist *persist = update_persist(update, PERSIST_APPLIED);

	persist->value = persist->index = toy->index;
	persist->epoch = toy->epoch;
}

/* A moment later than it was applied, as a core does (behind.h). */
static void persist_new(struct toy *toy, struct update *update)
{
	while (toy->written < toy->index)
		persist_command(toy, ++toy->written, update);
	persist_applied(toy, update);
}

/* ---------------------------------------------------------------- ops */

static void on_apply(void *above, const Wire__Entry *entry, struct update *update)
{
	struct toy *toy = above;
	const struct toy_command *command;

	assert(entry->index == toy->index + 1);
	add(toy, entry->index, entry->epoch, entry->command.data, entry->command.len);
	if (toy->index - toy->written > toy->behind)
		persist_new(toy, update);
	command = idmap_get(&toy->commands, entry->index);
	if (toy->applied)
		toy->applied(toy->context, toy, entry->index, entry->epoch, command->digest);
}

static void on_voters(void *above, struct voters *ret_voters)
{
	*ret_voters = ((const struct toy *)above)->voters;
}

static uint64_t on_written(void *above)
{
	return ((const struct toy *)above)->written;
}

static void on_position(void *above, uint64_t *ret_index, uint64_t *ret_epoch)
{
	const struct toy *toy = above;

	*ret_index = toy->index;
	*ret_epoch = toy->epoch;
}

static bool on_cluster(void *above, uint8_t ret_uuid[16])
{
	const struct toy *toy = above;

	if (toy->voters.n == 0)
		return false;
	memset(ret_uuid, 12, 16);
	return true;
}

/* A command that was applied is never another one: nothing has to be kept. */
static void on_snap_begin(void *above)
{
	struct toy *toy = above;

	toy->snap.next = 1;
	toy->snap.index = toy->index;
	toy->snap.epoch = toy->epoch;
	toy->snap.digest = toy->digest;
}

static bool on_snap_fill(void *above, Wire__SnapChunk *chunk, size_t room)
{
	struct toy *toy = above;

	assert(toy->snap.index > 0);
	chunk->index = toy->snap.index;
	chunk->epoch = toy->snap.epoch;
	chunk->digest = toy->snap.digest;
	for (; toy->snap.next <= toy->snap.index; toy->snap.next++) {
		const struct toy_command *command = idmap_get(&toy->commands, toy->snap.next);
		_cleanup_(buf_free) struct buf body = { 0 };
		Wire__Record *record;

		/* A few to a chunk, so that even a small state is cut up. */
		if (chunk->n_records == 8 || command->packed.len + 8 + 32 > room)
			return true;
		room -= command->packed.len + 8 + 32;
		record = wire_new(&wire__record__descriptor);
		record->table = (Wire__Table)TABLE;
		record->id = toy->snap.next;
		record_write(command, &body);
		record->body.data = mem_dup(body.data, body.len);
		record->body.len = body.len;
		chunk->records = mem_resize(chunk->records, chunk->n_records + 1,
					    sizeof(*chunk->records));
		chunk->records[chunk->n_records++] = record;
	}
	return false;
}

static void on_snap_drop(void *above)
{
	struct toy *toy = above;

	toy_free(steal_ptr(toy->incoming));
	toy->snap.index = 0;
}

static int on_snap_chunk(void *above, const Wire__SnapChunk *chunk)
{
	struct toy *toy = above;
	int r = 0;

	if (chunk->seq == 0) {
		toy_free(toy->incoming);
		toy->incoming = toy_new();
	}
	for (size_t i = 0; i < chunk->n_records && r == 0; i++)
		r = record_take(toy->incoming, chunk->records[i]->id, chunk->records[i]->body.data,
				chunk->records[i]->body.len);
	return r;
}

static int on_snap_end(void *above, uint64_t index, uint64_t epoch, uint64_t digest,
		       struct update *update)
{
	struct toy *toy = above;
	struct toy *incoming = steal_ptr(toy->incoming);
	struct toy old = *toy;

	if (incoming->digest != digest || incoming->index != index || incoming->epoch != epoch) {
		toy_free(incoming);
		return -EBADMSG;
	}
	/* They change places; what watches the toy stays with it. */
	incoming->applied = toy->applied;
	incoming->context = toy->context;
	incoming->behind = toy->behind;
	*toy = *incoming;
	*incoming = old;
	toy_free(incoming);
	toy->written = 0;
	persist_new(toy, update);
	return 0;
}

static uint32_t on_level(void *above)
{
	return 0;
}

const struct replica_ops toy_ops = {
	.level = on_level,
	.apply = on_apply,
	.voters = on_voters,
	.position = on_position,
	.written = on_written,
	.cluster = on_cluster,
	.snap_fill = on_snap_fill,
	.snap_begin = on_snap_begin,
	.snap_chunk = on_snap_chunk,
	.snap_end = on_snap_end,
	.snap_drop = on_snap_drop,
};

/* ---------------------------------------------------------------- disks */

void toy_load(struct toy *toy, const struct disk *disk)
{
	const struct buf *record;

	idmap_each(&disk->records[TABLE], i, record) {
		int r = record_take(toy, i + 1, record->data, record->len);

		assert(r == 0);
	}
	toy->written = toy->index;
	assert(toy->index == disk->applied && toy->epoch == disk->applied_epoch);
}

void toy_genesis(uint32_t voters, const uint64_t *disks, struct buf *ret_command)
{
	Wire__Command *command = wire_new(&wire__command__descriptor);
	Wire__Genesis *genesis = wire_new(&wire__genesis__descriptor);
	Wire__Cluster *cluster = wire_new(&wire__cluster__descriptor);
	int r;

	cluster->id = 1;
	cluster->uuid = mem_strdup(uuid);
	cluster->voters = mem_new_array(uint32_t, voters);
	genesis->nodes = mem_new_array(Wire__Node *, voters);
	for (uint32_t i = 0; i < voters; i++) {
		cluster->voters[cluster->n_voters++] = i + 1;
		genesis->nodes[genesis->n_nodes] = wire_new(&wire__node__descriptor);
		genesis->nodes[genesis->n_nodes]->id = i + 1;
		genesis->nodes[genesis->n_nodes++]->disk_id = disks ? disks[i] : 0;
	}
	genesis->cluster = cluster;
	command->body_case = WIRE__COMMAND__BODY_GENESIS;
	command->genesis = genesis;
	r = wire_command_pack(command, ret_command, NULL);
	assert(r == 0);
	wire_free(command);
}

void toy_install(struct disk *disk, const struct buf *genesis)
{
	struct toy *toy = toy_new();
	struct update update;
	struct persist *persist;

	update_init(&update);
	update.persist_seq = 1;
	persist = update_persist(&update, PERSIST_APPEND);
	persist->index = persist->epoch = 1;
	buf_append(&persist->data, genesis->data, genesis->len);
	add(toy, 1, 1, genesis->data, genesis->len);
	persist_command(toy, 1, &update);
	persist_applied(toy, &update);
	disk_submit(disk, &update);
	disk_sync(disk, 1);
	update_reset(&update);
	toy_free(toy);
}
