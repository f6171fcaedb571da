/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/idmap.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_CAP = 8 };

size_t idmap_lower_bound(const struct idmap *map, uint64_t id)
{
	size_t low = 0, high = map->count;

	if (high == 0 || id <= map->slots[0].id)
		return 0;
	/* Ids mostly grow: a new one belongs behind the last. */
	if (map->slots[high - 1].id < id)
		return high;
	/* And mostly without a gap: then this is its place. No id is further behind than that. */
	low = id - map->slots[0].id;
	if (low < high && map->slots[low].id == id)
		return low;
	high = low < high ? low : high;
	low = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->slots[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The slot of id, NULL if there is none; its position, or where it would go, in *ret_index. */
static struct idmap_slot *find(const struct idmap *map, uint64_t id, size_t *ret_index)
{
	size_t index = idmap_lower_bound(map, id);

	*ret_index = index;
	if (index < map->count && map->slots[index].id == id)
		return &map->slots[index];
	return NULL;
}

void *idmap_get(const struct idmap *map, uint64_t id)
{
	size_t index;
	const struct idmap_slot *slot = find(map, id, &index);

	return slot ? slot->value : NULL;
}

/* For one more behind the last; room in front, left by removed ones, is used first. */
static void make_room(struct idmap *map)
{
	struct idmap_slot *base;

	if (map->front + map->count < map->cap)
		return;
	base = map->slots ? map->slots - map->front : NULL;
	if (map->front > map->cap / 2) {
		memmove(base, map->slots, map->count * sizeof(*base));
		map->front = 0;
	} else {
		map->cap = map->cap ? map->cap * 2 : SMALLEST_CAP;
		base = mem_resize(base, map->cap, sizeof(*base));
	}
	map->slots = base + map->front;
}

void *idmap_put(struct idmap *map, uint64_t id, void *value)
{
	size_t index;
	struct idmap_slot *slot = find(map, id, &index);
	void *replaced;

	assert(value);
	if (slot) {
		replaced = slot->value;
		slot->value = value;
		return replaced;
	}
	make_room(map);
	slot = &map->slots[index];
	memmove(slot + 1, slot, (map->count - index) * sizeof(*slot));
	*slot = (struct idmap_slot){ .id = id, .value = value };
	map->count++;
	return NULL;
}

void *idmap_remove(struct idmap *map, uint64_t id)
{
	size_t index;
	struct idmap_slot *slot = find(map, id, &index);
	void *removed;

	if (!slot)
		return NULL;
	removed = slot->value;
	map->count--;
	if (index == 0) {
		map->slots++;
		map->front++;
	} else {
		memmove(slot, slot + 1, (map->count - index) * sizeof(*slot));
	}
	return removed;
}

size_t idmap_count(const struct idmap *map)
{
	return map->count;
}

void *idmap_at(const struct idmap *map, size_t index, uint64_t *ret_id)
{
	assert(index < map->count);
	if (ret_id)
		*ret_id = map->slots[index].id;
	return map->slots[index].value;
}

void idmap_free(struct idmap *map, void (*destroy)(void *value))
{
	if (destroy)
		for (size_t i = 0; i < map->count; i++)
			destroy(map->slots[i].value);
	if (map->slots)
		free(map->slots - map->front);
	*map = (struct idmap){ 0 };
}
