/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

/*
 * What is done with messages of the schema whatever their type: pack, unpack, copy, free.
 * All of them live in memory from malloc, so they may be freed with wire_free() as with
 * the generated functions; where memory cannot be had, the process ends (base/mem.h),
 * because a message that looks bad to one member only would part its state from the
 * others'.
 */

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/cleanup.h"

/* An empty message of that type. */
void *wire_new(const ProtobufCMessageDescriptor *type);
/* NULL is fine. */
void wire_free(void *message);
static inline void wire_freep(void *message)
{
	wire_free(*(void **)message);
}

/* A copy of everything, fields this version does not know included. */
void *wire_dup(const ProtobufCMessage *message);

/* What was packed from such a message, or passed its check: without another one. */
void *wire_open(const ProtobufCMessageDescriptor *type, const void *data, size_t size);

/* Appends the packed message. No limit is checked. */
void wire_pack(const ProtobufCMessage *message, struct buf *out);

/* The message in these bytes, whatever its limits; NULL: not one of that type. */
void *wire_parse(const ProtobufCMessageDescriptor *type, const void *data, size_t size);

/*
 * -EBADMSG: not a message of that type, or text that is not clean; -EMSGSIZE: beyond a
 * limit of wire/check.h.
 */
int wire_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
		ProtobufCMessage **ret);

/* Same type and same packed bytes. */
bool wire_equal(const ProtobufCMessage *a, const ProtobufCMessage *b);

/* Sets a text field; what it held is freed. NULL is "". Not for the elements of a list. */
void wire_set(char **field, const char *text);

#endif
