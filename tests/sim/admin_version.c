/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Administrators who raise the feature level, or ask for what only a higher one knows. */
#include <stdio.h>

#include "base/mem.h"
#include "tests/sim/admin_private.h"
#include "wire/message.h"

static Wire__Command *raise_level(struct world *world, struct rng *rng)
{
	Wire__FeatureRaise *raise = wire_new(&wire__feature_raise__descriptor);
	char name[16];

	raise->level = world->config.next->level;
	if (rng_below(rng, 3) == 0) {
		snprintf(name, sizeof(name), "n%u", 1 + rng_below(rng, world->nodes));
		raise->leave_behind = mem_new_array(char *, 1);
		raise->n_leave_behind = 1;
		raise->leave_behind[0] = mem_strdup(name);
	}
	return COMMAND(FEATURE_RAISE, raise);
}

void admin_upgrade(struct world *world, uint32_t node, uint64_t draw)
{
	struct rng rng = { draw };
	char name[16], note[24];

	if (rng_below(&rng, 2)) {
		admin_command(world, node, raise_level(world, &rng), false);
		return;
	}
	snprintf(name, sizeof(name), "vm%u", 1 + rng_below(&rng, world->admin->vms));
	snprintf(note, sizeof(note), "note %u", rng_below(&rng, 1000));
	admin_command(world, node, admin_set_vm(name, "note", note), false);
}
