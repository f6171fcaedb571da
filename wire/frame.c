/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "wire/check.h"
#include "wire/message.h"
#include "wire/schema.pb-c.h"

enum {
	AT_MAGIC = 0,
	AT_PROTOCOL = 4,
	AT_TYPE = 6,
	AT_LENGTH = 8,
	AT_CRC = 12,
	AT_CLUSTER = 16,
	AT_ROUND_NODE = 32,
	AT_ROUND_SEQUENCE = 36,
	AT_ROUND_BOOT_ID = 40,
	AT_EPOCH = 48,
	AT_BOOT_ID = 56,
	AT_REQUEST = 64,
};
_Static_assert(AT_REQUEST + 8 == FRAME_HEADER_SIZE, "header layout");

static const char magic[4] = { 'C', 'L', 'D', '1' };

static const struct {
	uint16_t type;
	const char *name;
	const ProtobufCMessageDescriptor *body;
	bool always;			/* of FRAME_PROTOCOL_ALWAYS */
} types[] = {
	{ FRAME_SYNC_START, "sync-start", &wire__sync_start__descriptor, true },
	{ FRAME_HELLO, "hello", &wire__hello__descriptor, true },
	{ FRAME_CLOSE, "close", &wire__close__descriptor, true },
	{ FRAME_LOG_CHUNK, "log-chunk", &wire__log_chunk__descriptor, false },
	{ FRAME_SNAP_CHUNK, "snap-chunk", &wire__snap_chunk__descriptor, false },
	{ FRAME_READY, "ready", &wire__ready__descriptor, false },
	{ FRAME_APPEND, "append", &wire__append__descriptor, false },
	{ FRAME_ACK, "ack", &wire__ack__descriptor, false },
	{ FRAME_PROGRESS, "progress", &wire__progress__descriptor, false },
	{ FRAME_REJOIN, "rejoin", &wire__rejoin__descriptor, true },
	{ FRAME_SUPERSEDED, "superseded", &wire__superseded__descriptor, true },
	{ FRAME_AGENT_REQUEST, "agent-request", &wire__agent_request__descriptor, true },
	{ FRAME_AGENT_REPLY, "agent-reply", &wire__agent_reply__descriptor, true },
	{ FRAME_AGENT_NEWS, "agent-news", &wire__agent_news__descriptor, true },
};

const ProtobufCMessageDescriptor *frame_body_descriptor(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return types[i].body;
	return NULL;
}

const char *frame_type_name(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return "unknown";
}

bool frame_type_is_always(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == type)
			return types[i].always;
	return false;
}

/* ---------------------------------------------------------------- little endian */

static void put(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = bytes; i > 0; i--)
		value = value << 8 | at[i - 1];
	return value;
}

/* Of header and body, the checksum's own place taken as zero. */
static uint32_t checksum(const uint8_t *frame, size_t size)
{
	static const uint8_t zero[4];
	uint32_t crc = crc32c(frame, AT_CRC);

	crc = crc32c_extend(crc, zero, sizeof(zero));
	return crc32c_extend(crc, frame + AT_CRC + sizeof(zero), size - AT_CRC - sizeof(zero));
}

static void header_write(uint8_t *at, const struct frame_header *header, size_t length)
{
	memset(at, 0, FRAME_HEADER_SIZE);
	memcpy(at + AT_MAGIC, magic, sizeof(magic));
	put(at + AT_PROTOCOL, header->protocol ? header->protocol : FRAME_PROTOCOL_ALWAYS,
	    2);
	put(at + AT_TYPE, header->type, 2);
	put(at + AT_LENGTH, length, 4);
	memcpy(at + AT_CLUSTER, header->cluster, sizeof(header->cluster));
	put(at + AT_ROUND_NODE, header->round.node, 4);
	put(at + AT_ROUND_SEQUENCE, header->round.sequence, 4);
	put(at + AT_ROUND_BOOT_ID, header->round.boot_id, 8);
	put(at + AT_EPOCH, header->epoch, 8);
	put(at + AT_BOOT_ID, header->boot_id, 8);
	put(at + AT_REQUEST, header->request, 8);
}

static void header_read(const uint8_t *at, struct frame_header *ret)
{
	*ret = (struct frame_header){
		.protocol = (uint16_t)get(at + AT_PROTOCOL, 2),
		.type = (uint16_t)get(at + AT_TYPE, 2),
		.round = {
			.node = (uint32_t)get(at + AT_ROUND_NODE, 4),
			.sequence = (uint32_t)get(at + AT_ROUND_SEQUENCE, 4),
			.boot_id = get(at + AT_ROUND_BOOT_ID, 8),
		},
		.epoch = get(at + AT_EPOCH, 8),
		.boot_id = get(at + AT_BOOT_ID, 8),
		.request = get(at + AT_REQUEST, 8),
	};
	memcpy(ret->cluster, at + AT_CLUSTER, sizeof(ret->cluster));
}

int frame_encode(const struct frame_header *header, const ProtobufCMessage *body, struct buf *out)
{
	size_t length, start = out->len;
	uint8_t *frame;
	int r;

	assert(body->descriptor == frame_body_descriptor(header->type));
	/* What a receiver would refuse is refused here, where somebody can still tell why. */
	r = wire_check(body, NULL);
	if (r < 0)
		return r;
	length = protobuf_c_message_get_packed_size(body);
	if (length > FRAME_BODY_MAX)
		return -EMSGSIZE;

	header_write(buf_reserve(out, FRAME_HEADER_SIZE + length), header, length);
	out->len += FRAME_HEADER_SIZE;
	wire_pack(body, out);
	frame = out->data + start;
	put(frame + AT_CRC, checksum(frame, FRAME_HEADER_SIZE + length), 4);
	return 0;
}

static bool can_read(uint64_t protocol, uint16_t type)
{
	if (frame_type_is_always(type))
		return protocol == FRAME_PROTOCOL_ALWAYS;
	return protocol >= frame_protocols.min && protocol <= frame_protocols.max;
}

/* Whether these bytes are a whole, undamaged frame of a protocol we speak. */
static int frame_check(const uint8_t *frame, size_t size)
{
	uint64_t length;

	if (size < FRAME_HEADER_SIZE || memcmp(frame + AT_MAGIC, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	/* Before everything that another protocol may have changed. */
	if (!can_read(get(frame + AT_PROTOCOL, 2), (uint16_t)get(frame + AT_TYPE, 2)))
		return -EPROTONOSUPPORT;
	length = get(frame + AT_LENGTH, 4);
	if (length > FRAME_BODY_MAX)
		return -EMSGSIZE;
	if (size != FRAME_HEADER_SIZE + length)
		return -EBADMSG;
	return get(frame + AT_CRC, 4) == checksum(frame, size) ? 0 : -EBADMSG;
}

int frame_decode(const void *data, size_t size, struct frame_header *ret_header,
		 ProtobufCMessage **ret_body)
{
	const ProtobufCMessageDescriptor *type;
	const uint8_t *frame = data;
	ProtobufCMessage *body;
	int r;

	r = frame_check(frame, size);
	if (r < 0)
		return r;
	type = frame_body_descriptor((uint16_t)get(frame + AT_TYPE, 2));
	if (!type)
		return -ENOMSG;
	r = wire_unpack(type, frame + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE, &body);
	if (r < 0)
		return r;
	header_read(frame, ret_header);
	*ret_body = body;
	return 0;
}

size_t frame_first(const void *data, size_t size)
{
	const uint8_t *frame = data;
	uint64_t length;

	if (size <= FRAME_HEADER_SIZE || memcmp(frame + AT_MAGIC, magic, sizeof(magic)) != 0 ||
	    !can_read(get(frame + AT_PROTOCOL, 2), (uint16_t)get(frame + AT_TYPE, 2)))
		return size;
	length = get(frame + AT_LENGTH, 4);
	return length < size - FRAME_HEADER_SIZE ? FRAME_HEADER_SIZE + (size_t)length : size;
}

void frame_body_free(ProtobufCMessage *body)
{
	wire_free(body);
}
