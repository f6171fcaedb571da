/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must never be, looked at after every event. */
#include "tests/trace/world_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/leftover.h"
#include "clusterd/core/record.h"

/* As the node that has applied most has it; NULL if that one is not here. */
static const Wire__Vm *any_record(struct world *world, uint64_t vm)
{
	const Wire__Vm *newest = NULL;
	uint64_t index = 0, known = 0;

	for (unsigned n = 1; n <= world->nodes; n++) {
		const struct core *core = world->machines[n].core;

		if (core && !world->machines[n].spoiled && state_index(core_state(core)) > known)
			known = state_index(core_state(core));
		if (core && !world->machines[n].spoiled &&
		    state_index(core_state(core)) >= index &&
		    state_vm(core_state(core), vm)) {
			index = state_index(core_state(core));
			newest = state_vm(core_state(core), vm);
		}
	}
	for (unsigned n = 1; n <= world->nodes; n++)
		if (world->machines[n].disk.index > known && !world->machines[n].spoiled)
			return NULL;
	return newest;
}

void world_never(const struct world *world, const char *what)
{
	fprintf(stderr, "at %llu ms: %s\nstory so far:\n%s\n", (unsigned long long)world->now_ms,
		what, buf_str(&world->story));
	abort();
}

/* The cluster's id of a guest, also of one that its node has not been told of. */
static uint64_t vm_id(struct world *world, const struct host *host, uint64_t vm)
{
	for (unsigned n = 1; n <= world->nodes; n++) {
		const struct core *core = world->machines[n].core;
		const Wire__Vm *record =
			core ? state_vm_named(core_state(core), host_uuid(host, vm)) : NULL;

		if (record)
			return record->id;
	}
	return vm;
}

static void check_guests(struct world *world)
{
	uint64_t vms[256];
	size_t n = 0;

	for (unsigned node = 1; node <= world->nodes; node++) {
		uint64_t running[256];
		size_t count = host_running(world->machines[node].host, running, 256);

		for (size_t i = 0; i < count; i++) {
			const struct host *host = world->machines[node].host;
			uint64_t vm = vm_id(world, host, running[i]);
			const Wire__Vm *record = any_record(world, vm);

			for (size_t k = 0; k < n; k++)
				if (vms[k] == vm)
					world_never(world, "one VM runs on two nodes");
			if (record && !vm_holds(record, node) &&
			    !host_is_outside(host, running[i]))
				world_never(world, "a VM runs where it may not be held");
			vms[n++] = vm;
		}
	}
}

static void check_states(struct world *world)
{
	for (unsigned a = 1; a <= world->nodes; a++)
		for (unsigned b = a + 1; b <= world->nodes; b++) {
			const struct core *x = world->machines[a].core,
					  *y = world->machines[b].core;

			if (world->machines[a].spoiled || world->machines[b].spoiled)
				continue;
			if (x && y && state_index(core_state(x)) == state_index(core_state(y)) &&
			    state_digest(core_state(x)) != state_digest(core_state(y)))
				world_never(world, "two states differ at one index");
		}
}

static bool is_named(const struct state *state, const Wire__Volume *volume, const char *name)
{
	_cleanup_(freep) char *path = leftover_path(volume, name);

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		if (strcmp(vm->image, path) == 0)
			return true;
	}
	return false;
}

static void check_leftovers(struct world *world)
{
	for (unsigned n = 1; n <= world->nodes; n++) {
		const struct core *core = world->machines[n].core;
		const Wire__Volume *volume =
			core ? state_volume_named(core_state(core), "shared") : NULL;

		for (size_t i = 0; volume && i < volume->n_leftovers; i++)
			if (is_named(core_state(core), volume, volume->leftovers[i]->name))
				world_never(world, "an image is to be removed that a VM needs");
	}
}

void world_check(struct world *world)
{
	check_guests(world);
	check_leftovers(world);
	check_states(world);
}
