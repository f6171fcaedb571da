/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

enum { BUCKETS_MIN = 64 };

struct name {
	struct name *next;		/* in the same bucket */
	const char *text;
	uint64_t hash, id;
};

static uint64_t hash_of(const char *text)
{
	return digest_bytes(text, strlen(text));
}

static struct name **bucket_of(const struct names *names, uint64_t hash)
{
	return &names->buckets[hash & (names->buckets_n - 1)];
}

static void put(struct names *names, struct name *name)
{
	struct name **bucket = bucket_of(names, name->hash);

	name->next = *bucket;
	*bucket = name;
}

static void grow(struct names *names)
{
	struct names old = *names;

	names->buckets_n = old.buckets_n ? old.buckets_n * 2 : BUCKETS_MIN;
	names->buckets = mem_new_array(struct name *, names->buckets_n);
	for (size_t i = 0; i < old.buckets_n; i++)
		for (struct name *name = old.buckets[i], *next; name; name = next) {
			next = name->next;
			put(names, name);
		}
	free(old.buckets);
}

void names_add(struct names *names, const char *text, uint64_t id)
{
	struct name *name = mem_new(struct name);

	if (names->n == names->buckets_n)
		grow(names);
	*name = (struct name){ .text = text, .hash = hash_of(text), .id = id };
	put(names, name);
	names->n++;
}

void names_remove(struct names *names, const char *text, uint64_t id)
{
	struct name **at = names->n ? bucket_of(names, hash_of(text)) : NULL;

	for (; at && *at; at = &(*at)->next) {
		struct name *name = *at;

		if (name->id != id || strcmp(name->text, text) != 0)
			continue;
		*at = name->next;
		free(name);
		names->n--;
		return;
	}
}

bool names_find(const struct names *names, const char *text, uint64_t *ret_id)
{
	uint64_t hash = hash_of(text);
	const struct name *found = NULL, *name = names->n ? *bucket_of(names, hash) : NULL;

	for (; name; name = name->next)
		if (name->hash == hash && (!found || name->id < found->id) &&
		    strcmp(name->text, text) == 0)
			found = name;
	if (found)
		*ret_id = found->id;
	return found != NULL;
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->buckets_n; i++)
		for (struct name *name = names->buckets[i], *next; name; name = next) {
			next = name->next;
			free(name);
		}
	free(names->buckets);
	*names = (struct names){ 0 };
}
