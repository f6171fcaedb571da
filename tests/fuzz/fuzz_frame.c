/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// The frame decoder, and what is done with every message it lets through. The first byte of an
// input chooses: 0 takes the rest as a whole frame, any other as the body of that type, behind
// a header that is right.
//
// Covers: wire/frame.c wire/message.c wire/check.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/crc32c.h"
#include "wire/check.h"
#include "wire/frame.h"
#include "wire/json.h"
#include "wire/message.h"
#include "wire/schema.pb-c.h"

static void check_json(const ProtobufCMessage *body)
{
	_cleanup_(wire_freep) ProtobufCMessage *back = NULL;
	json_t *json = wire_to_json(body, body->n_unknown_fields == 0);
	char why[200] = "";
	int r;

	/* Refused only for an enum that is a number here. */
	r = wire_from_json(json, body->descriptor, &back, why, sizeof(why));
	fuzz_must(r == 0 || strstr(why, "expected a word, got a whole number"), why);
	if (r == 0) {
		json_t *again = wire_to_json(back, body->n_unknown_fields == 0);

		fuzz_must(json_equal(json, again), "another message after JSON");
		json_decref(again);
	}
	json_decref(json);
}

/* What was decoded can be encoded, and is then the same. */
static void check_again(const struct frame_header *header, const ProtobufCMessage *body)
{
	_cleanup_(buf_free) struct buf frame = { 0 };
	struct frame_header again;
	ProtobufCMessage *back = NULL;
	int r;

	fuzz_must(wire_check(body, NULL) == 0, "decoded beyond a limit");
	r = frame_encode(header, body, &frame);
	/* A negative enum may take five bytes coming in and takes ten going out. */
	if (r == -EMSGSIZE && protobuf_c_message_get_packed_size(body) > FRAME_BODY_MAX)
		return;
	fuzz_must(r == 0, "decoded but cannot be encoded");
	r = frame_decode(frame.data, frame.len, &again, &back);
	fuzz_must(r == 0, "cannot be decoded again");
	fuzz_must(again.type == header->type && again.protocol == header->protocol &&
			  again.epoch == header->epoch && again.request == header->request &&
			  again.boot_id == header->boot_id &&
			  memcmp(again.cluster, header->cluster, sizeof(again.cluster)) == 0 &&
			  again.round.node == header->round.node &&
			  again.round.sequence == header->round.sequence &&
			  again.round.boot_id == header->round.boot_id, "another header");
	fuzz_must(wire_equal(body, back), "another body");
	frame_body_free(back);
}

static void try_frame(const uint8_t *data, size_t size)
{
	struct frame_header header = { .type = UINT16_MAX };
	ProtobufCMessage *body = NULL;
	int r = frame_decode(data, size, &header, &body);

	if (r < 0) {
		fuzz_must(!body && header.type == UINT16_MAX, "an output touched on failure");
		fuzz_must(r == -EBADMSG || r == -EPROTONOSUPPORT || r == -EMSGSIZE || r == -ENOMSG,
		     "another error than promised");
		return;
	}
	check_again(&header, body);
	check_json(body);
	frame_body_free(body);
}

static void try_body(uint8_t type, const uint8_t *data, size_t size)
{
	_cleanup_(buf_free) struct buf frame = { 0 };
	const uint8_t start[] = {
		'C', 'L', 'D', '1', FRAME_PROTOCOL_ALWAYS, 0, type, 0,
		(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24),
	};
	uint32_t crc;

	memset(buf_reserve(&frame, FRAME_HEADER_SIZE), 0, FRAME_HEADER_SIZE);
	frame.len = FRAME_HEADER_SIZE;
	memcpy(frame.data, start, sizeof(start));
	buf_append(&frame, data, size);
	crc = crc32c(frame.data, frame.len);
	for (size_t i = 0; i < 4; i++)
		frame.data[12 + i] = (uint8_t)(crc >> (8 * i));
	try_frame(frame.data, frame.len);
}

const unsigned int fuzz_rounds = 30000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 2 * FRAME_BODY_MAX)
		return 0;
	if (data[0] == 0)
		try_frame(data + 1, size - 1);
	else
		try_body(data[0], data + 1, size - 1);
	return 0;
}

/* ---------------------------------------------------------------- seeds */

static const struct {
	uint8_t type;
	const char *json;
} seeds[] = {
	{ FRAME_SYNC_START, "{}" },
	{ FRAME_HELLO, "{\"proto_min\":1,\"promised\":3,\"voters\":[1,2,3],\"disk_id\":\"0xff\"}" },
	{ FRAME_LOG_CHUNK,
	  "{\"entries\":[{\"index\":1,\"epoch\":1,\"command\":\"5200\"},{\"index\":2}],"
	  "\"last\":true}" },
	{ FRAME_SNAP_CHUNK,
	  "{\"seq\":1,\"records\":[{\"table\":\"vm\",\"id\":7,\"body\":\"0a0b\"},"
	  "{\"table\":\"node\"}],"
	  "\"digest\":\"0x8000000000000000\"}" },
	{ FRAME_APPEND, "{\"command\":\"00ff\"}" },
	{ FRAME_ACK, "{\"index\":4}" },
	{ FRAME_REJOIN, "{}" },
	{ FRAME_SUPERSEDED, "{}" },
	{ FRAME_PROGRESS,
	  "{\"domain\":{\"vm\":3,\"uuid\":\"u\",\"name\":\"n\"},\"total\":5,\"pass\":2}" },
	{ FRAME_AGENT_REQUEST,
	  "{\"deadline_ms\":5000,\"domain\":{\"vm\":3,\"name\":\"web1\",\"generation\":9},"
	  "\"start\":{\"xml\":\"<domain>\\n</domain>\",\"disks\":[{\"target\":\"vda\","
	  "\"chain\":[\"/a\",\"\"]}]}}" },
	{ FRAME_AGENT_REQUEST,
	  "{\"watch\":{\"domains\":[{\"vm\":1},{\"vm\":2}],\"volumes\":[{\"name\":\"data1\"}]}}" },
	{ FRAME_AGENT_REQUEST, "{\"fence\":{\"action\":\"status\",\"agent\":\"fence_ipmilan\","
			       "\"params\":[{\"key\":\"ip\",\"value\":\"10.0.0.1\"}]}}" },
	{ FRAME_AGENT_REPLY,
	  "{\"code\":\"ran-on\",\"text\":\"late\",\"domain\":{\"state\":\"paused\"},"
	  "\"marks\":[{\"what\":\"go\",\"at_ms\":5}]}" },
	{ FRAME_AGENT_NEWS,
	  "{\"domain\":{\"state\":\"running\",\"cause\":\"crashed\",\"live\":{\"memory_mib\":512,"
	  "\"disks\":[{\"target\":\"vda\",\"source\":\"/v/a.raw\"}],\"nics\":[{\"mac\":\"52\"}],"
	  "\"devices\":[\"serial pty\"]},\"live_xml\":\"<domain/>\"}}" },
	{ FRAME_AGENT_NEWS, "{\"facts\":{\"memory_mib\":1,\"bridges\":[\"br0\"],\"kvm\":true}}" },
};

bool fuzz_seed(unsigned int n, struct buf *out)
{
	_cleanup_(wire_freep) ProtobufCMessage *body = NULL;
	struct frame_header header = { .epoch = 3, .request = n };
	unsigned int which = n / 2;
	char why[200];
	json_t *json;

	if (which >= ARRAY_SIZE(seeds))
		return false;
	header.type = seeds[which].type;
	json = json_loads(seeds[which].json, 0, NULL);
	fuzz_must(json && wire_from_json(json, frame_body_descriptor(header.type), &body, why,
				    sizeof(why)) == 0, seeds[which].json);
	json_decref(json);
	/* Each as a whole frame and as a body. */
	buf_append_byte(out, n % 2 ? seeds[which].type : 0);
	if (n % 2)
		wire_pack(body, out);
	else
		fuzz_must(frame_encode(&header, body, out) == 0, seeds[which].json);
	return true;
}
