/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/check.h"

static void *take(void *context, size_t size)
{
	return mem_resize(NULL, size ? size : 1, 1);
}

static void give_back(void *context, void *memory)
{
	free(memory);
}

/* Ends the process when memory is out; what it gives can be freed by the default one. */
static ProtobufCAllocator allocator = { take, give_back, NULL };

void *wire_new(const ProtobufCMessageDescriptor *type)
{
	void *message = mem_array(1, type->sizeof_message);

	protobuf_c_message_init(type, message);
	return message;
}

void wire_free(void *message)
{
	if (message)
		protobuf_c_message_free_unpacked(message, &allocator);
}

void wire_pack(const ProtobufCMessage *message, struct buf *out)
{
	size_t size = protobuf_c_message_get_packed_size(message);

	out->len += protobuf_c_message_pack(message, buf_reserve(out, size));
	buf_reserve(out, 0);		/* puts the zero byte behind it */
}

void *wire_parse(const ProtobufCMessageDescriptor *type, const void *data, size_t size)
{
	return protobuf_c_message_unpack(type, &allocator, size, size ? data : (const void *)"");
}

int wire_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t size,
		ProtobufCMessage **ret)
{
	_cleanup_(wire_freep) ProtobufCMessage *message = NULL;
	int r;

	message = wire_parse(type, data, size);
	if (!message)
		return -EBADMSG;
	r = wire_check(message, NULL);
	if (r < 0)
		return r;
	*ret = steal_ptr(message);
	return 0;
}

void *wire_open(const ProtobufCMessageDescriptor *type, const void *data, size_t size)
{
	void *message = wire_parse(type, data, size);

	/* Memory cannot be why: what was packed here unpacks. */
	if (!message)
		abort();
	return message;
}

void *wire_dup(const ProtobufCMessage *message)
{
	_cleanup_(buf_free) struct buf packed = { 0 };

	wire_pack(message, &packed);
	return wire_open(message->descriptor, packed.data, packed.len);
}

bool wire_equal(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	_cleanup_(buf_free) struct buf packed_a = { 0 };
	_cleanup_(buf_free) struct buf packed_b = { 0 };

	if (a->descriptor != b->descriptor)
		return false;
	wire_pack(a, &packed_a);
	wire_pack(b, &packed_b);
	return packed_a.len == packed_b.len &&
	       memcmp(buf_str(&packed_a), buf_str(&packed_b), packed_a.len) == 0;
}

void wire_set(char **field, const char *text)
{
	char *old = *field;

	/* An empty text is the library's own "", which nobody may free. */
	*field = text && *text ? mem_strdup(text) : (char *)protobuf_c_empty_string;
	if (old != (char *)protobuf_c_empty_string)
		free(old);
}
