/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/store_load.h"

static int load_record(void *context, uint32_t table, uint64_t id, const void *data, size_t size)
{
	/* Whether one that cannot be read is damaged, core_load_done knows. */
	core_load_record(context, table, id, data, size);
	return 0;
}

static int load_entry(void *context, uint64_t index, uint64_t epoch, const void *data, size_t size)
{
	return core_load_entry(context, index, epoch, data, size);
}

int store_load(struct store *store, struct core *core)
{
	uint64_t index, epoch, boot, voters;
	int error;

	core_load_promise(core, store_promised(store));
	store_alone(store, &epoch, &voters);
	core_load_alone(core, epoch, voters);
	store_together(store, &boot, &voters);
	core_load_together(core, boot, voters);
	store_applied(store, &index, &epoch);
	core_load_applied(core, index, epoch);
	error = store_each_record(store, load_record, core);
	if (!error)
		error = store_each_entry(store, load_entry, core);
	return error ? error : core_load_done(core);
}
