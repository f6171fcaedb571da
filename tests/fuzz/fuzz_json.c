/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// JSON as anybody may hand it in, into any message of the schema. The first byte chooses which.
//
// Covers: wire/json.c wire/json_in.c wire/check.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "wire/check.h"
#include "wire/json.h"
#include "wire/message.h"
#include "wire/schema.pb-c.h"

const unsigned int fuzz_rounds = 40000;

static const ProtobufCMessageDescriptor *const types[] = {
	&wire__command__descriptor,   &wire__vm__descriptor,	   &wire__node__descriptor,
	&wire__fence__descriptor,     &wire__volume__descriptor,   &wire__hello__descriptor,
	&wire__snap_chunk__descriptor, &wire__agent_news__descriptor,
	&wire__agent_reply__descriptor, &wire__agent_request__descriptor,
	&wire__event__descriptor,     &wire__operation__descriptor,
};

static void check_taken(const ProtobufCMessage *message, bool defaults)
{
	json_t *json = wire_to_json(message, defaults), *same;
	ProtobufCMessage *back = NULL;
	char why[300] = "";

	fuzz_must(json_is_object(json), "no object");
	fuzz_must(wire_check(message, NULL) == 0, "taken beyond a limit");
	fuzz_must(wire_from_json(json, message->descriptor, &back, why, sizeof(why)) == 0, why);
	fuzz_must(wire_equal(message, back), "another message after JSON");
	same = wire_to_json(back, defaults);
	fuzz_must(json_equal(json, same), "the same message, another JSON");
	json_decref(same);
	json_decref(json);
	wire_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(wire_freep) ProtobufCMessage *message = NULL;
	char why[300] = "";
	json_t *json;
	int r;

	if (size < 1)
		return 0;
	json = json_loadb((const char *)data + 1, size - 1, JSON_DECODE_ANY, NULL);
	if (!json)
		return 0;
	r = wire_from_json(json, types[data[0] % ARRAY_SIZE(types)], &message, why, sizeof(why));
	json_decref(json);
	if (r < 0) {
		fuzz_must(r == -EINVAL && !message, "an output touched on failure");
		/* The sentence may be cut for want of room, then mended. */
		fuzz_sentence(why, sizeof(why) - 1, "a refusal");
		return 0;
	}
	check_taken(message, false);
	check_taken(message, true);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
	static const struct {
		uint8_t type;
		const char *json;
	} seeds[] = {
		{ 0, "{\"request\":\"0xff\",\"who\":\"root\",\"vm_want\":{\"name\":\"web1\","
		     "\"wanted\":\"running\",\"force\":true}}" },
		{ 0, "{\"vm_set\":{\"name\":\"a\",\"changes\":[{\"key\":\"prefer\","
		     "\"value\":\"n1\"}]}}" },
		{ 0, "{\"vm_want\":{},\"vm_set\":{}}" },
		{ 1, "{\"id\":7,\"name\":\"web1\",\"xml\":\"<a>\\n</a>\",\"possible_owners\":[1,2],"
		     "\"essence\":{\"disks\":[{\"target\":\"vda\",\"chain\":[\"/a\"]}]}}" },
		{ 2, "{\"id\":1,\"state\":\"daemon-down\",\"facts\":{\"memory_mib\":4096}}" },
		{ 3, "{\"name\":\"f\",\"secret\":\"00\"}" },
		{ 3, "{\"params\":[{\"key\":\"ip\",\"value\":\"h\\u00e9\\u0007\"}],"
		     "\"targets\":null}" },
		{ 5, "{\"voters\":[1,-1,4294967296],\"disk_id\":18446744073709551615}" },
		{ 6, "{\"records\":[{\"table\":\"vm\",\"body\":\"0aG\"}]}" },
		{ 7, "{\"domain\":{\"state\":12},\"unknown\":1}" },
		{ 8, "[1,2.5,\"a\"]" },
	};

	if (n >= ARRAY_SIZE(seeds))
		return false;
	buf_append_byte(out, seeds[n].type);
	buf_append_str(out, seeds[n].json);
	return true;
}
