/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_FEATURE_H
#define CLUSTERD_CORE_FEATURE_H

/*
 * A feature is something that apply does otherwise than an older version of clusterd would. Its
 * value is the cluster's feature level from which on it does: a committed number that only an
 * administrator raises (apply_feature.c), once all nodes know the new one. Below it, every version
 * does what the oldest does, so nodes of several versions stay equal, and an older version may
 * still come back. It never falls.
 *
 * To add one: a line in the enum, which is a level of its own, or that of other features which are
 * not released yet; `max` in feature_table.c; there a line for each new field and each new value
 * of an enum of the schema that apply is to read; and `if (apply_has(apply, FEATURE_X))` around
 * what is new. Whatever in a command is above the level is refused, the same on all members,
 * whether a version knows it or not; so a record never holds what one of them does not know. Only
 * a change of voters is taken at every level, by what all versions know of it (voters.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/state.h"

enum feature {
	FEATURE_FIRST = 1,	/* all that the first version could do */
};

/* What is younger than FEATURE_FIRST in the schema, and its level. */
struct feature_field {
	const ProtobufCMessageDescriptor *message;
	uint32_t number;
	uint32_t level;
};
struct feature_value {
	const ProtobufCEnumDescriptor *type;
	int value;
	uint32_t level;
};

struct feature_table {
	uint32_t max;			/* the highest level that this program knows */
	const struct feature_field *fields;
	size_t fields_n;
	const struct feature_value *values;
	size_t values_n;
};
extern const struct feature_table feature_table;

/* The level of a state; 0 if it has no cluster. */
uint32_t feature_level(const struct state *state);
/* The highest level that a node's daemon has told to know; 0: it has told nothing yet. */
uint32_t feature_known_by(const Wire__Node *node);
/* The highest level that all nodes know, by what they told last; 0 without a cluster. */
uint32_t feature_possible(const struct state *state);

/* The lowest level at which all of it is known; UINT32_MAX: part of it is not known here at all. */
uint32_t feature_needed(const ProtobufCMessage *message);
/*
 * Empties what is above the level or not known here, as an older version would have left it. The
 * message must be one that was unpacked (wire/message.h).
 */
void feature_strip(ProtobufCMessage *message, uint32_t level);

#endif
