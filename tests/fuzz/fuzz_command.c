/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// Entries of the log as they may come from a disk or another member, and what applying them does
// to the records. An input is a list of blocks, each a packed command. The log leaps to a Force
// that has a boot id, as in the store of who wrote it; one without came as all others do.
//
// Covers: wire/command.c clusterd/core/apply.c clusterd/core/apply_node.c clusterd/core/apply_vm.c
// clusterd/core/apply_vm_set.c clusterd/core/apply_vm_want.c clusterd/core/apply_vm_report.c
// clusterd/core/apply_fence.c clusterd/core/apply_fence_device.c clusterd/core/apply_possession.c
// clusterd/core/apply_misc.c clusterd/core/apply_voters.c clusterd/core/apply_force.c
// clusterd/core/record.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/apply.h"
#include "clusterd/core/force.h"
#include "clusterd/core/record.h"
#include "tests/fuzz/commands.h"
#include "wire/check.h"
#include "wire/command.h"

const unsigned int fuzz_rounds = 1500;

enum { COMMANDS_MAX = 40 };

/* What can be unpacked can be packed, and is then the same. */
static void check_again(const Wire__Command *command)
{
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Command *again = NULL;
	const char *field = "untouched";
	int r = wire_command_pack(command, &packed, &field);

	fuzz_must(wire_check(&command->base, NULL) == 0, "unpacked beyond a limit");
	fuzz_must(*wire_command_name(command), "a command without a name");
	/* A negative enum may take five bytes coming in and takes ten going out. */
	if (r == -EMSGSIZE && protobuf_c_message_get_packed_size(&command->base) > WIRE_COMMAND_MAX)
		return;
	fuzz_must(r == 0, "unpacked but cannot be packed");
	fuzz_must(wire_command_unpack(packed.data, packed.len, &again) == 0,
		  "cannot be unpacked again");
	fuzz_must(wire_equal(&command->base, &again->base), "another command");
	wire_free(again);
}

/* How far the log goes on to it. */
static uint64_t check_unpack(const struct fuzz_in *block)
{
	Wire__Command *command = NULL;
	int r = wire_command_unpack(block->data, block->size, &command);
	bool leaps;

	if (r == 0) {
		check_again(command);
		leaps = command->body_case == WIRE__COMMAND__BODY_FORCE && command->boot_id != 0;
		wire_free(command);
		return leaps ? FORCE_JUMP : 1;
	}
	fuzz_must(r == -EBADMSG || r == -EMSGSIZE, "another error than promised");
	fuzz_must(!command, "an output touched on failure");
	return 1;
}

/* A member whose records are those that an update writes: the others' disks. */
static void follow(struct state *copy, const struct update *update)
{
	struct update unused;

	update_init(&unused);
	for (size_t i = 0; i < update->persists_n; i++) {
		const struct persist *persist = &update->persists[i];

		if (persist->kind == PERSIST_PUT)
			fuzz_must(state_load(copy, persist->table, persist->id, persist->data.data,
					     persist->data.len) == 0,
				  "a record that is written cannot be loaded");
		else if (persist->kind == PERSIST_DEL)
			state_del(copy, persist->table, persist->id, &unused);
		fuzz_must(persist->data.len <= WIRE_RECORD_MAX, "a record beyond its limit");
	}
	update_reset(&unused);
}

static void apply(struct state *state, struct state *copy, const Wire__Entry *entry)
{
	Wire__Verdict *verdict = NULL;
	struct update update;
	uint64_t request = 0, before = state_digest(state);

	update_init(&update);
	apply_entry(state, entry, &update, &verdict, &request);
	fuzz_must(verdict, "no verdict");
	fuzz_must(wire_check(&verdict->base, NULL) == 0, "a verdict beyond a limit");
	if (verdict->code != WIRE__VERDICT__CODE__OK)
		fuzz_sentence(verdict->text, WIRE_TEXT_MAX, "a refusal");
	if (state_digest(state) != before)
		fuzz_must(update.persists_n > 1, "changed without a write");
	follow(copy, &update);
	fuzz_must(state_digest(state) == state_digest(copy), "records differ from what is written");
	fuzz_must(update.frames_n == 0 && update.asks_n == 0, "applying has an effect outside");
	wire_free(verdict);
	update_reset(&update);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct state *state = state_new(), *copy = state_new();

	commands_base(state);
	commands_base(copy);
	for (uint64_t i = 0; in.size > 0 && i < COMMANDS_MAX; i++) {
		struct fuzz_in block = fuzz_block(&in);
		Wire__Entry entry = WIRE__ENTRY__INIT;

		entry.index = state_index(state) + check_unpack(&block);
		entry.epoch = 2;
		entry.command.data = (uint8_t *)block.data;
		entry.command.len = block.size;
		apply(state, copy, &entry);
		fuzz_must(state_index(state) == entry.index, "another position");
	}
	state_free(state);
	state_free(copy);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
	return commands_story(n, out);
}
