/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_GENESIS_H
#define CLUSTERD_SHELL_GENESIS_H

/*
 * Genesis is the birth of a cluster: the first entry of its log, written once on one node
 * by `clusterd --init`. All other nodes begin empty and learn.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/shell/store.h"
#include "wire/schema.pb-c.h"

enum { GENESIS_NODES_MAX = 64, GENESIS_VOTERS_MAX = 5 };

struct genesis_node {
	uint32_t id;
	char name[64], address[256], domain[64];
	bool learner, witness;
};

struct genesis {
	const char *name;
	struct genesis_node nodes[GENESIS_NODES_MAX];
	size_t nodes_n;
};

/* "ID=NAME,ADDRESS[,domain=X][,learner][,witness]". -EINVAL with a sentence. */
int genesis_add_node(struct genesis *genesis, const char *text, char *ret_why, size_t size);

/*
 * Who votes: 1, 3 or 5 of those that are no learners, lowest ids first; ascending. -EINVAL with
 * a sentence if all are learners.
 */
int genesis_voters(const struct genesis *genesis, uint32_t voters[GENESIS_VOTERS_MAX],
		   size_t *ret_n, char *ret_why, size_t size);

/*
 * Two may vote. One of them does alone until each has a fence device that was tested: then both do
 * (core/elect.h).
 */
bool genesis_is_of_two(const struct genesis *genesis);

/* The command of entry 1; free with wire_free(). uuid: of the new cluster. */
int genesis_command(const struct genesis *genesis, const char *uuid, uint64_t wall_ms,
		    Wire__Command **ret, char *ret_why, size_t size);

/* Writes it, or nothing. -EEXIST: the store has entries or records. A sentence for each failure. */
int genesis_write(const struct genesis *genesis, struct store *store, char *ret_why, size_t size);

#endif
