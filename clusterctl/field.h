/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Field: what a record of the daemon says, with a harmless answer for what it does not say.
 *
 * A field that is missing or has another type reads as "", 0 or false, like a field of the
 * schema that is not set.
 */
#ifndef CLUSTERCTL_FIELD_H
#define CLUSTERCTL_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

static inline const char *field_text(const json_t *record, const char *name)
{
	const char *text = json_string_value(json_object_get(record, name));

	return text ? text : "";
}

static inline json_int_t field_number(const json_t *record, const char *name)
{
	return json_integer_value(json_object_get(record, name));
}

static inline bool field_true(const json_t *record, const char *name)
{
	return json_is_true(json_object_get(record, name));
}

static inline bool field_is(const json_t *record, const char *name, const char *text)
{
	return strcmp(field_text(record, name), text) == 0;
}

#endif
