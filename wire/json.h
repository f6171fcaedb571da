/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

/*
 * Messages of the schema as JSON and back, driven by the generated descriptors: a new
 * field needs no line of code here. This is what operators and clusterctl see.
 *
 *   names          as in the schema
 *   numbers        integers; 64-bit values that are only names of something (boot ids,
 *                  digests, request ids) and whatever does not fit into a signed 64-bit
 *                  integer: strings "0x" and 16 hex digits
 *   enums          lower case with '-': "daemon-down"; a value this version does not know
 *                  is its number
 *   bytes          lower-case hex; secrets are left out always, and refused on the way in
 *   oneof          the member that is set
 */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"

/* A new object. defaults: fields that hold zero, nothing or no element are there too. */
json_t *wire_to_json(const ProtobufCMessage *message, bool defaults);

/*
 * -EINVAL with a sentence in ret_why, one clean line whatever it quotes: an unknown key (with
 * the nearest known one), a wrong type, a value out of range, two members of one oneof, a
 * secret, beyond a limit of wire/check.h. null is the same as leaving the key out. Free with
 * wire_free().
 */
int wire_from_json(const json_t *json, const ProtobufCMessageDescriptor *type,
		   ProtobufCMessage **ret, char *ret_why, size_t size);

/* "daemon-down" for a value of an enum; NULL if it is unknown. Writes to out. */
const char *wire_enum_word(const ProtobufCEnumDescriptor *type, int value, char *out, size_t size);
/* -EINVAL if no value has that word. */
int wire_enum_value(const ProtobufCEnumDescriptor *type, const char *word, int *ret);
/* Appends what is wrong with such a word, of which field, and what it can be (base/nearest.h). */
void wire_enum_explain(const ProtobufCEnumDescriptor *type, const char *field, const char *word,
		       struct buf *out);

#endif
