/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volume of a world: the images of guests that are there, and who finds them. */
#include "tests/trace/world_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static char *find(struct world *world, const char *path)
{
	for (size_t i = 0; i < WORLD_IMAGES; i++)
		if (strcmp(world->images[i], path) == 0)
			return world->images[i];
	return NULL;
}

void world_image_put(void *context, const char *path)
{
	struct world *world = context;
	char *image = find(world, path);

	if (!image)
		image = find(world, "");
	assert(image && strlen(path) < sizeof(world->images[0]));
	snprintf(image, sizeof(world->images[0]), "%s", path);
}

bool world_image_has(void *world, const char *path)
{
	return find(world, path);
}

bool world_image_drop(void *world, const char *path)
{
	char *image = find(world, path);

	if (image)
		*image = '\0';
	return image;
}

size_t world_images(const struct world *world)
{
	size_t n = 0;

	for (size_t i = 0; i < WORLD_IMAGES; i++)
		n += world->images[i][0] != '\0';
	return n;
}

void world_lose_volume(struct world *world, unsigned node, bool yes)
{
	host_lose_volume(world->machines[node].host, yes);
}

void world_fail_drops(struct world *world, unsigned node, const char *why)
{
	host_fail(world->machines[node].host, HOST_DROP, why);
}

void world_save_slowly(struct world *world, bool yes)
{
	for (unsigned n = 1; n <= world->nodes; n++)
		host_save_slowly(world->machines[n].host, yes);
}

void world_save_ends(struct world *world, const char *vm)
{
	unsigned node = world_runs(world, vm);

	assert(node);
	host_save_ends(world->machines[node].host, world_vm(world, vm)->id);
}

bool world_is_saving(struct world *world, const char *vm)
{
	unsigned node = world_runs(world, vm);

	return node && host_is_saving(world->machines[node].host, world_vm(world, vm)->id);
}
