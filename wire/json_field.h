/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WIRE_JSON_FIELD_H
#define WIRE_JSON_FIELD_H

/*
 * What both directions of wire/json.h ask about a field of the schema. For use there only.
 */

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

/* Never shown and never taken. */
bool json_field_is_secret(const ProtobufCMessageDescriptor *type,
			  const ProtobufCFieldDescriptor *field);

/* Bytes of one value in its message, or of one element of its list. */
size_t json_field_size(const ProtobufCFieldDescriptor *field);

#endif
