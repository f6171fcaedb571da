/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guests, their disks, and the images of their memory. */
#include "tests/sim/truth_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "clusterd/core/look.h"
#include "clusterd/core/record.h"
#include "clusterd/core/round.h"

static void truth_check_held(struct truth *truth, struct guest_truth *guest)
{
	const Wire__Vm *vm = state_vm_named(truth->state, guest->uuid);

	if (!vm || vm->unmanaged)
		guest->outside |= guest->runs;
	else if (vm->look)
		/* Since it is the cluster's again, nobody has looked there. */
		guest->outside |= guest->runs & look_missing(truth->state, vm);
	for (uint64_t left = guest->runs; left; left &= left - 1)
		if (vm && vm_holds(vm, nodes_lowest(left)))
			guest->outside &= ~(left & -left);
		else if (!(guest->outside & left & -left))
			world_fail(truth->world, "%s runs on n%u, and the log does not know that "
				   "it may", vm->name, nodes_lowest(left));
}

void truth_check_guests(struct truth *truth)
{
	for (size_t i = 0; i < truth->guests_n; i++)
		if (truth->guests[i].runs)
			truth_check_held(truth, &truth->guests[i]);
}

/* ---------------------------------------------------------------- guests */

struct guest_truth *truth_guest(struct truth *truth, const char *uuid)
{
	struct guest_truth *guest;

	for (size_t i = 0; i < truth->guests_n; i++)
		if (strcmp(truth->guests[i].uuid, uuid) == 0)
			return &truth->guests[i];
	assert(truth->guests_n < WORLD_VMS);
	guest = &truth->guests[truth->guests_n++];
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", uuid);
	guest->disk = ++truth->last_stamp;
	return guest;
}

uint64_t truth_disk(struct truth *truth, const char *uuid)
{
	return truth_guest(truth, uuid)->disk;
}

uint64_t truth_runs(struct truth *truth, uint32_t node, const char *uuid, uint64_t memory)
{
	struct guest_truth *guest = truth_guest(truth, uuid);

	/* Nobody can hold it to anything. */
	if (guest->stray & node_bit(node))
		return ++truth->last_stamp;
	if (guest->runs)
		world_fail(truth->world, "%s runs on n%u and on n%u", uuid,
			   nodes_lowest(guest->runs), node);
	if (memory != guest->disk)
		world_fail(truth->world, "%s runs on n%u with memory that is older than its disk",
			   uuid, node);
	guest->runs |= node_bit(node);
	guest->disk = ++truth->last_stamp;
	truth_check_held(truth, guest);
	return guest->disk;
}

void truth_rests(struct truth *truth, uint32_t node, const char *uuid)
{
	struct guest_truth *guest = truth_guest(truth, uuid);

	guest->runs &= ~node_bit(node);
	guest->outside &= ~node_bit(node);
}

/* ---------------------------------------------------------------- images */

static struct image *image_of(const struct truth *truth, const char *path)
{
	for (size_t i = 0; i < TRUTH_IMAGES; i++)
		if (strcmp(truth->images[i].path, path) == 0)
			return (struct image *)&truth->images[i];
	return NULL;
}

void truth_image_put(struct truth *truth, const char *path, uint64_t memory)
{
	struct image *image = image_of(truth, path);

	if (!image)
		image = image_of(truth, "");
	if (!image) {
		world_fail(truth->world, "images are left over on the volume, %d of them",
			   TRUTH_IMAGES);
		return;
	}
	snprintf(image->path, sizeof(image->path), "%s", path);
	image->memory = memory;
	image->consumed = false;
}

uint64_t truth_image(const struct truth *truth, const char *path, bool *ret_consumed)
{
	const struct image *image = *path ? image_of(truth, path) : NULL;

	*ret_consumed = image && image->consumed;
	return image ? image->memory : 0;
}

void truth_image_consume(struct truth *truth, const char *path)
{
	struct image *image = image_of(truth, path);

	if (image)
		image->consumed = true;
}

bool truth_image_drop(struct truth *truth, const char *path)
{
	struct image *image = *path ? image_of(truth, path) : NULL;

	if (image)
		*image = (struct image){ 0 };
	return image;
}
