/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/message.h"
#include "wire/schema.pb-c.h"

static const struct frame_header sample_header = {
	.type = FRAME_HELLO,
	.cluster = "0123456789abcde",
	.round = { .node = 3, .sequence = 0x01020304, .boot_id = UINT64_MAX },
	.epoch = UINT64_C(0x1122334455667788),
	.boot_id = 5,
	.request = 6,
};

static void sample(struct buf *out)
{
	uint32_t voters[] = { 1, 2, 3 };
	Wire__Hello hello = WIRE__HELLO__INIT;

	hello.promised = 9;
	hello.voters = voters;
	hello.n_voters = ARRAY_SIZE(voters);
	CU_ASSERT_EQUAL_FATAL(frame_encode(&sample_header, &hello.base, out), 0);
}

/* Makes the checksum right again after a frame was changed. */
static void seal(struct buf *frame)
{
	uint32_t crc;

	memset(frame->data + 12, 0, 4);
	crc = crc32c(frame->data, frame->len);
	for (size_t i = 0; i < 4; i++)
		frame->data[12 + i] = (uint8_t)(crc >> (8 * i));
}

static int decode(const struct buf *frame)
{
	struct frame_header header;
	ProtobufCMessage *body = NULL;
	int r = frame_decode(frame->data, frame->len, &header, &body);

	CU_ASSERT_EQUAL(r == 0, body != NULL);
	frame_body_free(body);
	return r;
}

static void test_round_trip(void)
{
	_cleanup_(buf_free) struct buf frame = { 0 };
	struct frame_header header;
	ProtobufCMessage *body;
	const Wire__Hello *hello;

	sample(&frame);
	CU_ASSERT_EQUAL_FATAL(frame_decode(frame.data, frame.len, &header, &body), 0);
	CU_ASSERT_EQUAL(header.protocol, FRAME_PROTOCOL_ALWAYS);
	CU_ASSERT_EQUAL(header.type, FRAME_HELLO);
	CU_ASSERT_EQUAL(memcmp(header.cluster, sample_header.cluster, 16), 0);
	CU_ASSERT_EQUAL(header.round.node, 3);
	CU_ASSERT_EQUAL(header.round.sequence, 0x01020304);
	CU_ASSERT_EQUAL(header.round.boot_id, UINT64_MAX);
	CU_ASSERT_EQUAL(header.epoch, UINT64_C(0x1122334455667788));
	CU_ASSERT_EQUAL(header.boot_id, 5);
	CU_ASSERT_EQUAL(header.request, 6);
	hello = (const Wire__Hello *)body;
	CU_ASSERT_EQUAL(hello->promised, 9);
	CU_ASSERT_EQUAL(hello->n_voters, 3);
	CU_ASSERT_EQUAL(hello->voters[2], 3);
	frame_body_free(body);
}

/* The layout on the wire is a promise to other versions. */
static void test_layout(void)
{
	static const uint8_t wanted[] = {
		'C', 'L', 'D', '1', 1, 0, 2, 0, 7, 0, 0, 0,
	};
	_cleanup_(buf_free) struct buf frame = { 0 };

	sample(&frame);
	CU_ASSERT_EQUAL(frame.len, FRAME_HEADER_SIZE + 7);
	CU_ASSERT_EQUAL(memcmp(frame.data, wanted, sizeof(wanted)), 0);
	CU_ASSERT_EQUAL(memcmp(frame.data + 16, sample_header.cluster, 16), 0);
	CU_ASSERT_EQUAL(frame.data[32], 3);
	CU_ASSERT_EQUAL(memcmp(frame.data + 36, "\x04\x03\x02\x01", 4), 0);
	CU_ASSERT_EQUAL(memcmp(frame.data + 40, "\xff\xff\xff\xff\xff\xff\xff\xff", 8), 0);
	CU_ASSERT_EQUAL(memcmp(frame.data + 48, "\x88\x77\x66\x55\x44\x33\x22\x11", 8), 0);
	CU_ASSERT_EQUAL(frame.data[56], 5);
	CU_ASSERT_EQUAL(frame.data[64], 6);
	seal(&frame);
	CU_ASSERT_EQUAL(decode(&frame), 0);
}

/* Each single byte that is changed, and each length but the right one, is noticed. */
static void test_damage(void)
{
	_cleanup_(buf_free) struct buf frame = { 0 };

	sample(&frame);
	for (size_t i = 0; i < frame.len; i++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			frame.data[i] ^= (uint8_t)(1u << bit);
			CU_ASSERT(decode(&frame) < 0);
			frame.data[i] ^= (uint8_t)(1u << bit);
		}
	CU_ASSERT_EQUAL(decode(&frame), 0);
	buf_append_byte(&frame, 0);
	CU_ASSERT_EQUAL(decode(&frame), -EBADMSG);
	while (frame.len > 0) {
		buf_truncate(&frame, frame.len - 1);
		if (frame.len != FRAME_HEADER_SIZE + 7)
			CU_ASSERT_EQUAL(decode(&frame), -EBADMSG);
	}
}

static void test_refusals(void)
{
	static const struct {
		size_t at;
		uint8_t value;
		int r;
	} cases[] = {
		{ 0, 'X', -EBADMSG },			/* magic */
		{ 4, 0, -EPROTONOSUPPORT },
		{ 4, FRAME_PROTOCOL_ALWAYS + 1, -EPROTONOSUPPORT },
		{ 6, 31, -ENOMSG },
		{ 6, 0, -ENOMSG },
		{ 8, 6, -EBADMSG },			/* length */
		{ 10, 1, -EMSGSIZE },
		{ FRAME_HEADER_SIZE, 0xff, -EBADMSG },	/* the body is no message */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(buf_free) struct buf frame = { 0 };

		sample(&frame);
		frame.data[cases[i].at] = cases[i].value;
		seal(&frame);
		CU_ASSERT_EQUAL(decode(&frame), cases[i].r);
		if (decode(&frame) != cases[i].r)
			printf("case %zu: %d\n", i, decode(&frame));
	}
}

/* What passes the checksum but not the limits of wire/check.h. */
static void test_limits(void)
{
	_cleanup_(buf_free) struct buf frame = { 0 };
	_cleanup_(buf_free) struct buf body = { 0 };
	struct frame_header header = { .type = FRAME_AGENT_REPLY };
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;
	Wire__AgentReply none = WIRE__AGENT_REPLY__INIT;

	reply.text = (char *)"\x1b]0;";
	CU_ASSERT_EQUAL(frame_encode(&header, &reply.base, &frame), -EBADMSG);
	CU_ASSERT_EQUAL(frame.len, 0);
	CU_ASSERT_EQUAL(frame_encode(&header, &none.base, &frame), 0);
	wire_pack(&reply.base, &body);
	buf_append(&frame, body.data, body.len);
	frame.data[8] = (uint8_t)body.len;
	seal(&frame);
	CU_ASSERT_EQUAL(decode(&frame), -EBADMSG);
}

static void test_too_large(void)
{
	_cleanup_(buf_free) struct buf frame = { 0 };
	struct frame_header header = { .type = FRAME_SNAP_CHUNK };
	Wire__SnapChunk chunk = WIRE__SNAP_CHUNK__INIT;
	Wire__Record records[2] = { WIRE__RECORD__INIT, WIRE__RECORD__INIT };
	Wire__Record *list[] = { &records[0], &records[1] };
	static uint8_t data[40 * 1024];

	for (size_t i = 0; i < 2; i++)
		records[i].body = (ProtobufCBinaryData){ .len = 28 * 1024, .data = data };
	chunk.records = list;
	chunk.n_records = 2;
	CU_ASSERT_EQUAL(frame_encode(&header, &chunk.base, &frame), 0);
	CU_ASSERT_EQUAL(decode(&frame), 0);
	buf_reset(&frame);
	records[1].body.len = 40 * 1024;
	CU_ASSERT_EQUAL(frame_encode(&header, &chunk.base, &frame), -EMSGSIZE);
	CU_ASSERT_EQUAL(frame.len, 0);
}

/* A later version's fields come out again as they went in. */
static void test_unknown_fields(void)
{
	static const char later[] = "\xf2\x7f\x05later";	/* field 2046 */
	struct frame_header header = { .type = FRAME_ACK };
	_cleanup_(buf_free) struct buf frame = { 0 };
	_cleanup_(buf_free) struct buf again = { 0 };
	Wire__Ack ack = WIRE__ACK__INIT;
	ProtobufCMessage *body, *copy;

	ack.index = 3;
	CU_ASSERT_EQUAL(frame_encode(&header, &ack.base, &frame), 0);
	buf_append(&frame, later, sizeof(later) - 1);
	frame.data[8] = (uint8_t)(frame.data[8] + sizeof(later) - 1);
	seal(&frame);
	CU_ASSERT_EQUAL_FATAL(frame_decode(frame.data, frame.len, &header, &body), 0);
	CU_ASSERT_EQUAL(body->n_unknown_fields, 1);
	copy = wire_dup(body);
	CU_ASSERT_EQUAL(frame_encode(&header, copy, &again), 0);
	CU_ASSERT_EQUAL_FATAL(again.len, frame.len);
	CU_ASSERT_EQUAL(memcmp(again.data, frame.data, frame.len), 0);
	frame_body_free(body);
	frame_body_free(copy);
}

static void test_types(void)
{
	CU_ASSERT_PTR_EQUAL(frame_body_descriptor(FRAME_ACK), &wire__ack__descriptor);
	CU_ASSERT_PTR_EQUAL(frame_body_descriptor(FRAME_AGENT_NEWS), &wire__agent_news__descriptor);
	CU_ASSERT_PTR_NULL(frame_body_descriptor(0));
	CU_ASSERT_PTR_NULL(frame_body_descriptor(UINT16_MAX));
	for (uint16_t type = FRAME_SYNC_START; type <= FRAME_PROGRESS; type++)
		CU_ASSERT_PTR_NOT_NULL(frame_body_descriptor(type));
	CU_ASSERT_STRING_EQUAL(frame_type_name(FRAME_SNAP_CHUNK), "snap-chunk");
	CU_ASSERT_STRING_EQUAL(frame_type_name(99), "unknown");
}

static void encode_wrong_type(void *context)
{
	struct frame_header header = { .type = FRAME_ACK };
	Wire__Ready ready = WIRE__READY__INIT;
	struct buf frame = { 0 };

	frame_encode(&header, &ready.base, &frame);
}

static void test_wrong_type(void)
{
	CU_ASSERT_TRUE(unit_aborts(encode_wrong_type, NULL));
}

/* Several in a message: each is found, and what is none is left whole to the decoder. */
static void test_several(void)
{
	_cleanup_(buf_free) struct buf one = { 0 }, all = { 0 };
	Wire__Ready ready = WIRE__READY__INIT;
	struct frame_header header = { .type = FRAME_READY };

	sample(&one);
	buf_append(&all, one.data, one.len);
	CU_ASSERT_EQUAL(frame_first(all.data, all.len), one.len);
	CU_ASSERT_EQUAL(frame_encode(&header, &ready.base, &all), 0);
	CU_ASSERT_EQUAL(all.len, one.len + FRAME_HEADER_SIZE);
	CU_ASSERT_EQUAL(frame_first(all.data, all.len), one.len);
	CU_ASSERT_EQUAL(frame_first(all.data + one.len, FRAME_HEADER_SIZE), FRAME_HEADER_SIZE);
	for (size_t size = 0; size <= one.len; size++)
		CU_ASSERT_EQUAL(frame_first(all.data, size), size);
	/* A length beyond the end, whatever there is to it. */
	memset(all.data + 8, 0xff, 4);
	CU_ASSERT_EQUAL(frame_first(all.data, all.len), all.len);
	/* Of another protocol, where a length may stand elsewhere. */
	memcpy(all.data, one.data, one.len);
	all.data[6] = FRAME_APPEND;
	all.data[4] = 99;
	CU_ASSERT_EQUAL(frame_first(all.data, all.len), all.len);
	all.data[4] = FRAME_PROTOCOL_ALWAYS;
	CU_ASSERT_EQUAL(frame_first(all.data, all.len), one.len);
	all.data[0] = 'X';
	CU_ASSERT_EQUAL(frame_first(all.data, all.len), all.len);
}

UNIT_MAIN("wire/frame", { "round_trip", test_round_trip }, { "layout", test_layout },
	  { "damage", test_damage }, { "refusals", test_refusals }, { "limits", test_limits },
	  { "too_large", test_too_large }, { "unknown_fields", test_unknown_fields },
	  { "types", test_types }, { "wrong_type", test_wrong_type }, { "several", test_several })
