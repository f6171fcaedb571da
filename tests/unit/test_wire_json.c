/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/message.h"
#include "wire/schema.pb-c.h"

static char *dump(const ProtobufCMessage *message, bool defaults)
{
	json_t *json = wire_to_json(message, defaults);
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	return text;
}

static int load(const char *text, const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
		char *ret_why, size_t size)
{
	json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
	int r;

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	r = wire_from_json(json, type, ret, ret_why, size);
	json_decref(json);
	return r;
}

static void test_out(void)
{
	uint32_t owners[] = { 2, 1 };
	Wire__Holder holder = WIRE__HOLDER__INIT;
	Wire__Holder *holders[] = { &holder };
	Wire__Vm vm = WIRE__VM__INIT;
	_cleanup_(freep) char *text = NULL;

	holder.node = 2;
	holder.incarnation = 7;
	vm.id = 12;
	vm.name = (char *)"web1";
	vm.phase = WIRE__VM__PHASE__RUN;
	vm.priority = WIRE__VM__PRIORITY__HIGH;
	vm.no_ha = true;
	vm.preferred_owners = owners;
	vm.n_preferred_owners = 2;
	vm.maybe = holders;
	vm.n_maybe = 1;
	vm.seen = (Wire__Vm__Seen)9;
	text = dump(&vm.base, false);
	CU_ASSERT_STRING_EQUAL(
		text, "{\"id\":12,\"name\":\"web1\",\"priority\":\"high\",\"no_ha\":true,"
		      "\"preferred_owners\":[2,1],\"maybe\":[{\"node\":2,\"incarnation\":7}],"
		      "\"phase\":\"run\",\"seen\":9}");
}

static void test_defaults(void)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__Holder holder = WIRE__HOLDER__INIT;
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Noop noop = WIRE__NOOP__INIT;
	_cleanup_(freep) char *full = dump(&holder.base, true);
	_cleanup_(freep) char *bare = dump(&holder.base, false);
	_cleanup_(freep) char *absent = dump(&add.base, true);
	_cleanup_(freep) char *oneof = NULL;

	CU_ASSERT_STRING_EQUAL(full, "{\"node\":0,\"incarnation\":0,\"walled\":false}");
	CU_ASSERT_STRING_EQUAL(bare, "{}");
	CU_ASSERT_STRING_EQUAL(absent, "{\"vm\":null}");
	command.body_case = WIRE__COMMAND__BODY_NOOP;
	command.noop = &noop;
	oneof = dump(&command.base, false);
	CU_ASSERT_STRING_EQUAL(oneof, "{\"noop\":{}}");
}

static void test_numbers(void)
{
	Wire__Node node = WIRE__NODE__INIT;
	Wire__Ack ack = WIRE__ACK__INIT;
	_cleanup_(freep) char *named = NULL;
	_cleanup_(freep) char *largest = NULL;
	_cleanup_(freep) char *beyond = NULL;
	_cleanup_(wire_freep) Wire__Node *back = NULL;
	char why[200];

	node.boot_id = 255;
	node.state = WIRE__NODE__STATE__DAEMON_DOWN;
	named = dump(&node.base, false);
	CU_ASSERT_STRING_EQUAL(named,
			       "{\"state\":\"daemon-down\",\"boot_id\":\"0x00000000000000ff\"}");
	CU_ASSERT_EQUAL_FATAL(load(named, &wire__node__descriptor, (ProtobufCMessage **)&back, why,
				   sizeof(why)), 0);
	CU_ASSERT(wire_equal(&node.base, &back->base));
	ack.index = INT64_MAX;
	largest = dump(&ack.base, false);
	CU_ASSERT_STRING_EQUAL(largest, "{\"index\":9223372036854775807}");
	ack.index++;
	beyond = dump(&ack.base, false);
	CU_ASSERT_STRING_EQUAL(beyond, "{\"index\":\"0x8000000000000000\"}");
}

static void test_words(void)
{
	char word[64];
	int value = 4711;

	CU_ASSERT_STRING_EQUAL(wire_enum_word(&wire__table__descriptor, 4, word, sizeof(word)),
			       "vm");
	CU_ASSERT_EQUAL(wire_enum_value(&wire__table__descriptor, "request", &value), 0);
	CU_ASSERT_EQUAL(value, WIRE__TABLE__TABLE_REQUEST);
	CU_ASSERT_PTR_NULL(wire_enum_word(&wire__table__descriptor, 99, word, sizeof(word)));
	CU_ASSERT_EQUAL(wire_enum_value(&wire__table__descriptor, "TABLE_VM", &value), -EINVAL);
	CU_ASSERT_EQUAL(value, WIRE__TABLE__TABLE_REQUEST);
}

static void test_secrets(void)
{
	static uint8_t data[] = { 0xde, 0xad };
	Wire__Entry entry = WIRE__ENTRY__INIT;
	Wire__FenceCall call = WIRE__FENCE_CALL__INIT;
	Wire__Fence fence = WIRE__FENCE__INIT;
	_cleanup_(freep) char *fence_text = NULL;
	_cleanup_(freep) char *call_text = NULL;
	_cleanup_(freep) char *entry_text = NULL;

	entry.command = fence.secret = call.secret = (ProtobufCBinaryData){ 2, data };
	fence.name = (char *)"bmc1";
	fence_text = dump(&fence.base, true);
	call_text = dump(&call.base, true);
	entry_text = dump(&entry.base, false);
	CU_ASSERT_PTR_NULL(strstr(fence_text, "secret"));
	CU_ASSERT_PTR_NULL(strstr(fence_text, "dead"));
	CU_ASSERT_PTR_NULL(strstr(call_text, "secret"));
	CU_ASSERT_STRING_EQUAL(entry_text, "{\"command\":\"dead\"}");
}

/* Everything that is taken comes out the same. */
static void test_round_trip(void)
{
	static const struct {
		const ProtobufCMessageDescriptor *type;
		const char *text;
	} cases[] = {
		{ &wire__vm__descriptor,
		  "{\"name\":\"web1\",\"essence\":{\"memory_mib\":512,"
		  "\"disks\":[{\"target\":\"vda\","
		  "\"readonly\":true,\"chain\":[\"/a\",\"/b\"]}],\"devices\":[\"\",\"x\"]},"
		  "\"possible_owners\":[1,4294967295],\"phase\":\"resuming\"}" },
		{ &wire__command__descriptor,
		  "{\"who\":\"root via n1\",\"vm_move\":{\"name\":\"web1\",\"how\":\"quick\"}}" },
		{ &wire__record__descriptor,
		  "{\"table\":\"operation\",\"id\":9007199254740993,\"body\":\"00ff10\"}" },
		{ &wire__domain_news__descriptor, "{\"cause\":\"guest-shutdown\",\"job\":true}" },
		{ &wire__noop__descriptor, "{}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(wire_freep) ProtobufCMessage *message = NULL;
		_cleanup_(freep) char *text = NULL;
		char why[200] = "";
		int r = load(cases[i].text, cases[i].type, &message, why, sizeof(why));

		if (r < 0)
			printf("case %zu: %s\n", i, why);
		CU_ASSERT_EQUAL_FATAL(r, 0);
		text = dump(message, false);
		CU_ASSERT_STRING_EQUAL(text, cases[i].text);
	}
}

static void test_null(void)
{
	_cleanup_(wire_freep) ProtobufCMessage *message = NULL;
	_cleanup_(freep) char *text = NULL;
	char why[200];

	CU_ASSERT_EQUAL_FATAL(load("{\"name\":null,\"essence\":null,\"maybe\":null,\"id\":1}",
				   &wire__vm__descriptor, &message, why, sizeof(why)), 0);
	text = dump(message, false);
	CU_ASSERT_STRING_EQUAL(text, "{\"id\":1}");
}

static void test_refused(void)
{
	static const struct {
		const ProtobufCMessageDescriptor *type;
		const char *text, *why;
	} cases[] = {
		{ &wire__vm__descriptor, "{\"nmae\":\"x\"}",
		  "unknown key \"nmae\"; did you mean \"name\"?" },
		{ &wire__vm__descriptor, "{\"prefered_owners\":[]}",
		  "unknown key \"prefered_owners\"; did you mean \"preferred_owners\"?" },
		{ &wire__vm__descriptor, "{\"qqqqqq\":1}", "unknown key \"qqqqqq\"" },
		{ &wire__vm__descriptor, "{\"q\\n\\u007f\\u0007\":1}", "unknown key \"q   \"" },
		{ &wire__vm__descriptor, "{\"essence\":{\"disks\":[{},{\"sorce\":\"x\"}]}}",
		  "essence.disks[1]: unknown key \"sorce\"; did you mean \"source\"?" },
		{ &wire__vm__descriptor, "{\"name\":5}",
		  "name: expected a text, got a whole number" },
		{ &wire__vm__descriptor, "{\"id\":1.5}",
		  "id: expected a whole number, got a number with a fraction" },
		{ &wire__vm__descriptor, "{\"id\":-1}", "id: -1 is below 0" },
		{ &wire__vm__descriptor, "{\"id\":\"12\"}",
		  "id: a number as text is \"0x\" and 1 to 16 hex digits" },
		{ &wire__vm__descriptor, "{\"id\":\"0x\"}",
		  "id: a number as text is \"0x\" and 1 to 16 hex digits" },
		{ &wire__vm__descriptor, "{\"owner\":4294967296}",
		  "owner: 4294967296 is above 4294967295" },
		{ &wire__vm__descriptor, "{\"owner\":\"0x1\"}",
		  "owner: expected a whole number, got a text" },
		{ &wire__vm__descriptor, "{\"no_ha\":1}",
		  "no_ha: expected true or false, got a whole number" },
		{ &wire__vm__descriptor, "{\"priority\":\"hihg\"}",
		  "priority: it is medium, high or low, not 'hihg'; did you mean 'high'?" },
		{ &wire__vm__descriptor, "{\"priority\":\"urgent\"}",
		  "priority: it is medium, high or low, not 'urgent'" },
		{ &wire__vm__descriptor, "{\"priority\":1}",
		  "priority: expected a word, got a whole number" },
		{ &wire__vm__descriptor, "{\"maybe\":{}}",
		  "maybe: expected a list, got an object" },
		{ &wire__vm__descriptor, "{\"maybe\":[null]}",
		  "maybe[0]: expected an object, got null" },
		{ &wire__essence__descriptor, "{\"devices\":[\"x\",3]}",
		  "devices[1]: expected a text, got a whole number" },
		{ &wire__vm__descriptor, "[]", "expected an object, got a list" },
		{ &wire__vm__descriptor, "{\"name\":\"a\\u0000b\"}",
		  "name: a text must not hold a zero byte" },
		{ &wire__vm__descriptor, "{\"name\":\"a\\nb\"}", "name holds control characters" },
		{ &wire__vm__descriptor,
		  "{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\"}",
		  "name is longer than allowed" },
		{ &wire__command__descriptor, "{\"noop\":{},\"note\":{}}",
		  "note: cannot be given together with \"noop\"" },
		{ &wire__record__descriptor, "{\"body\":\"abc\"}",
		  "body: bytes need two hex digits each" },
		{ &wire__record__descriptor, "{\"body\":\"abxc\"}",
		  "body: not a hex digit at position 3" },
		{ &wire__command__descriptor, "{\"fence_add\":{\"fence\":{\"secret\":\"00\"}}}",
		  "fence_add.fence.secret: a secret is not taken here" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ProtobufCMessage *message = NULL;
		char why[200] = "";
		int r = load(cases[i].text, cases[i].type, &message, why, sizeof(why));

		CU_ASSERT_EQUAL(r, -EINVAL);
		CU_ASSERT_PTR_NULL(message);
		CU_ASSERT_STRING_EQUAL(why, cases[i].why);
		if (strcmp(why, cases[i].why) != 0)
			printf("case %zu: %s\n", i, why);
	}
}

static void test_long_list(void)
{
	json_t *json = json_object(), *list = json_array();
	ProtobufCMessage *message;
	char why[200];

	for (int i = 0; i < 65; i++)
		json_array_append_new(list, json_integer(i));
	json_object_set_new(json, "possible_owners", list);
	CU_ASSERT_EQUAL(wire_from_json(json, &wire__vm__descriptor, &message, why, sizeof(why)),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "possible_owners: more than 64 elements");
	json_decref(json);
}

/* A sentence that does not fit is cut, not written past its end. */
static void test_short_why(void)
{
	ProtobufCMessage *message;
	char why[8] = "xxxxxxx";

	CU_ASSERT_EQUAL(load("[]", &wire__vm__descriptor, &message, why, sizeof(why)), -EINVAL);
	CU_ASSERT_STRING_EQUAL(why, "expecte");
}

UNIT_MAIN("wire/json", { "out", test_out }, { "defaults", test_defaults },
	  { "numbers", test_numbers }, { "words", test_words }, { "secrets", test_secrets },
	  { "round_trip", test_round_trip }, { "null", test_null }, { "refused", test_refused },
	  { "long_list", test_long_list }, { "short_why", test_short_why })
