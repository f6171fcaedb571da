/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Idmap: pointers by number, always in order of the number.
 *
 * A sorted array. Every walk over it has the same order on every node, which a hash table would not
 * give; the counts of a cluster are small, ids mostly grow (adding at the end is free of search and
 * move, and so is removing the first, as of what is forgotten in turn) and reading is far more
 * frequent than changing. A value type: { 0 } is an empty map that
 * owns nothing. The map never owns its values; who keeps objects in it passes their destructor to
 * idmap_free().
 */
#ifndef BASE_IDMAP_H
#define BASE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap_slot {
	uint64_t id;
	void *value;
};

struct idmap {
	struct idmap_slot *slots; /* ascending by id, no id twice */
	size_t count;
	size_t cap;		  /* with those in front */
	size_t front;		  /* free ones before slots[0] */
};

/* The value of id, NULL if there is none. */
void *idmap_get(const struct idmap *map, uint64_t id);

/* Sets the value of id, not NULL. Returns the one it replaces, NULL if the id is new. */
void *idmap_put(struct idmap *map, uint64_t id, void *value);

/* Takes id out and returns its value, NULL if there was none. */
void *idmap_remove(struct idmap *map, uint64_t id);

size_t idmap_count(const struct idmap *map);

/* The value at a position in order of ids; index < count. ret_id may be NULL. */
void *idmap_at(const struct idmap *map, size_t index, uint64_t *ret_id);

/* The position of the first id that is not below id; count if all are below. */
size_t idmap_lower_bound(const struct idmap *map, uint64_t id);

/* Walks all values in order of ids. Nothing may be put or removed inside. */
#define idmap_each(map, index, variable)                                                           \
	for (size_t index = 0;                                                                     \
	     index < (map)->count && ((variable) = (map)->slots[index].value, 1); index++)

/* Empties the map, with destroy() for each value in order of ids where it is not NULL. */
void idmap_free(struct idmap *map, void (*destroy)(void *value));

#endif
