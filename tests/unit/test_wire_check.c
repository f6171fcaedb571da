/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/message.h"
#include "wire/schema.pb-c.h"

/* n times the same character. */
static char *times(char c, size_t n)
{
	char *text = mem_array(n + 1, 1);

	memset(text, c, n);
	return text;
}

static void expect(const ProtobufCMessage *message, int wanted, const char *wanted_field)
{
	const char *field = "untouched";
	int r = wire_check(message, &field);

	if (r != wanted || strcmp(field, wanted_field) != 0)
		printf("%s: %d %s, not %d %s\n", message->descriptor->short_name, r, field, wanted,
		       wanted_field);
	CU_ASSERT_EQUAL(r, wanted);
	CU_ASSERT_STRING_EQUAL(field, wanted_field);
}

static void test_text(void)
{
	static const struct {
		const char *text;
		bool plain, lines;
	} cases[] = {
		{ "", true, true },
		{ "web1", true, true },
		{ "a\nb\tc", false, true },
		{ "a\rb", false, false },
		{ "\x1b[31m", false, false },
		{ "\x7f", false, false },
		{ "\xc2\x9b", false, false },		/* C1 */
		{ "\xc2\xa0", true, true },
		{ "gr\xc3\xbc\xc3\x9f", true, true },
		{ "\xe2\x82\xac", true, true },
		{ "\xf0\x9f\x90\xa7", true, true },
		{ "\xf4\x8f\xbf\xbf", true, true },	/* the highest there is */
		{ "\xf4\x90\x80\x80", false, false },
		{ "\xf8\x88\x80\x80\x80", false, false },
		{ "\xc0\xaf", false, false },		/* not the shortest form */
		{ "\xe0\x80\xaf", false, false },
		{ "\xf0\x80\x80\xaf", false, false },
		{ "\xed\xa0\x80", false, false },	/* surrogate */
		{ "\x80", false, false },
		{ "\xc3", false, false },		/* cut off */
		{ "\xe2\x82", false, false },
		{ "\xe2\x82x", false, false },
		{ "\xff", false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = strlen(cases[i].text);

		if (wire_text_ok(cases[i].text, n, false) != cases[i].plain)
			printf("case %zu\n", i);
		CU_ASSERT_EQUAL(wire_text_ok(cases[i].text, n, false), cases[i].plain);
		CU_ASSERT_EQUAL(wire_text_ok(cases[i].text, n, true), cases[i].lines);
	}
	CU_ASSERT_FALSE(wire_text_ok("a\0b", 3, true));
}

static void test_mend(void)
{
	static const struct {
		const char *text, *mended;
	} cases[] = {
		{ "", "" },
		{ "web\n\t1 \xe2\x82\xac", "web\n\t1 \xe2\x82\xac" },
		{ "a\xe2\x82", "a  " },
		{ "a\xe2\x82'; b", "a  '; b" },
		{ "\x82\xac\x1b[1m\x7f", "   [1m " },
		{ "a\xc2\x9b\xc3\xa4", "a  \xc3\xa4" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[32];

		snprintf(text, sizeof(text), "%s", cases[i].text);
		wire_text_mend(text);
		CU_ASSERT_STRING_EQUAL(text, cases[i].mended);
	}
	{
		char text[] = "a\tb\nc\x7f\xe2\x82";

		wire_text_line(text);
		CU_ASSERT_STRING_EQUAL(text, "a b c   ");
	}
}

static void test_fit(void)
{
	CU_ASSERT_EQUAL(wire_text_fit("web1", 10), 4);
	CU_ASSERT_EQUAL(wire_text_fit("web1", 4), 4);
	CU_ASSERT_EQUAL(wire_text_fit("web1", 3), 3);
	CU_ASSERT_EQUAL(wire_text_fit("a\xe2\x82\xac", 4), 4);
	CU_ASSERT_EQUAL(wire_text_fit("a\xe2\x82\xac", 3), 1);
	CU_ASSERT_EQUAL(wire_text_fit("a\xe2\x82\xac", 2), 1);
	CU_ASSERT_EQUAL(wire_text_fit("\xe2\x82\xac", 2), 0);
	CU_ASSERT_EQUAL(wire_text_fit("", 0), 0);
}

/* For a text field of a message: the longest that is fine, and one more. */
static void string_limit(const ProtobufCMessageDescriptor *type, const char *name, size_t max)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(type, name);
	_cleanup_(wire_freep) ProtobufCMessage *message = wire_new(type);
	char **member = (char **)(void *)((char *)message + field->offset);

	CU_ASSERT_EQUAL(wire_field_max(type, name), max);
	*member = times('x', max);
	expect(message, 0, "untouched");
	free(*member);
	*member = times('x', max + 1);
	expect(message, -EMSGSIZE, name);
}

static void test_strings(void)
{
	static const struct {
		const ProtobufCMessageDescriptor *type;
		const char *field;
		size_t max;
	} cases[] = {
		{ &wire__vm__descriptor, "name", 63 },
		{ &wire__vm__descriptor, "xml", 48 * 1024 },
		{ &wire__vm__descriptor, "image", 1024 },
		{ &wire__vm_move__descriptor, "image", 1024 },
		{ &wire__vm__descriptor, "detail", 1000 },
		{ &wire__vm__descriptor, "seen_reason", 255 },
		{ &wire__vm_edit__descriptor, "xml", 48 * 1024 },
		{ &wire__vm_live__descriptor, "xml", 48 * 1024 },
		{ &wire__dom_start__descriptor, "xml", 48 * 1024 },
		{ &wire__dom_restore__descriptor, "xml", 48 * 1024 },
		{ &wire__domain_news__descriptor, "live_xml", 48 * 1024 },
		{ &wire__agent_reply__descriptor, "xml", 48 * 1024 },
		{ &wire__agent_reply__descriptor, "text", 1000 },
		{ &wire__disk__descriptor, "source", 1024 },
		{ &wire__disk__descriptor, "target", 255 },
		{ &wire__event__descriptor, "text", 1000 },
		{ &wire__verdict__descriptor, "text", 1000 },
		{ &wire__param__descriptor, "value", 255 },
		{ &wire__dom_save__descriptor, "path", 1024 },
		{ &wire__volume__descriptor, "target", 1024 },
		{ &wire__command__descriptor, "who", 255 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		string_limit(cases[i].type, cases[i].field, cases[i].max);
	CU_ASSERT_EQUAL(wire_field_max(&wire__vm__descriptor, "nonsense"), 0);
	CU_ASSERT_EQUAL(wire_field_max(&wire__vm__descriptor, "owner"), 0);
	CU_ASSERT_EQUAL(wire_list_max(&wire__vm__descriptor, "owner"), 0);
}

static void test_bytes(void)
{
	static uint8_t data[60 * 1024];
	Wire__Fence fence = WIRE__FENCE__INIT;
	Wire__Append append = WIRE__APPEND__INIT;
	Wire__Record record = WIRE__RECORD__INIT;

	fence.secret = (ProtobufCBinaryData){ .len = 4096, .data = data };
	expect(&fence.base, 0, "untouched");
	fence.secret.len = 4097;
	expect(&fence.base, -EMSGSIZE, "secret");
	append.command = (ProtobufCBinaryData){ .len = WIRE_COMMAND_MAX, .data = data };
	expect(&append.base, 0, "untouched");
	append.command.len++;
	expect(&append.base, -EMSGSIZE, "command");
	record.body = (ProtobufCBinaryData){ .len = WIRE_RECORD_MAX, .data = data };
	expect(&record.base, 0, "untouched");
	record.body.len++;
	expect(&record.base, -EMSGSIZE, "body");
}

static void test_lists(void)
{
	uint32_t numbers[65] = { 0 };
	char *texts[257];
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__Essence essence = WIRE__ESSENCE__INIT;
	_cleanup_(freep) char *long_line = times('x', 513);

	vm.possible_owners = numbers;
	vm.n_possible_owners = 64;
	expect(&vm.base, 0, "untouched");
	vm.n_possible_owners = 65;
	expect(&vm.base, -EMSGSIZE, "possible_owners");
	vm.n_possible_owners = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		texts[i] = long_line + 1;
	vm.essence = &essence;
	essence.devices = texts;
	essence.n_devices = 256;
	expect(&vm.base, 0, "untouched");
	essence.n_devices = 257;
	expect(&vm.base, -EMSGSIZE, "devices");
	essence.n_devices = 3;
	texts[2] = long_line;
	expect(&vm.base, -EMSGSIZE, "devices");
	texts[2] = (char *)"tab\t";
	expect(&vm.base, -EBADMSG, "devices");
	CU_ASSERT_EQUAL(wire_list_max(&wire__watch__descriptor, "domains"), 1024);
	CU_ASSERT_EQUAL(wire_list_max(&wire__snap_chunk__descriptor, "records"), 4096);
	CU_ASSERT_EQUAL(wire_list_max(&wire__log_chunk__descriptor, "entries"), 4096);
}

static void test_control(void)
{
	Wire__Vm vm = WIRE__VM__INIT;

	vm.xml = (char *)"<domain>\n\t<name/>\n</domain>";
	expect(&vm.base, 0, "untouched");
	vm.name = (char *)"web\n1";
	expect(&vm.base, -EBADMSG, "name");
	vm.name = NULL;
	expect(&vm.base, 0, "untouched");
}

/* Only the member that is set counts: the others share its memory. */
static void test_oneof(void)
{
	Wire__VmAdd add = WIRE__VM_ADD__INIT;
	Wire__Vm vm = WIRE__VM__INIT;
	Wire__Command command = WIRE__COMMAND__INIT;

	command.body_case = WIRE__COMMAND__BODY_VM_ADD;
	command.vm_add = &add;
	add.vm = &vm;
	expect(&command.base, 0, "untouched");
	vm.name = (char *)"\x01";
	expect(&command.base, -EBADMSG, "name");
	command.body_case = WIRE__COMMAND__BODY__NOT_SET;
	expect(&command.base, 0, "untouched");
}

static void test_enums(void)
{
	Wire__Record record = WIRE__RECORD__INIT;
	Wire__Vm vm = WIRE__VM__INIT;

	record.table = WIRE__TABLE__TABLE_REQUEST;
	expect(&record.base, 0, "untouched");
	record.table = (Wire__Table)99;
	expect(&record.base, -EBADMSG, "table");
	vm.phase = (Wire__Vm__Phase)99;
	expect(&vm.base, 0, "untouched");
}

static unsigned int depth_of(const ProtobufCMessageDescriptor *type)
{
	unsigned int deepest = 0;

	for (unsigned int i = 0; i < type->n_fields; i++)
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
			unsigned int depth = depth_of(type->fields[i].descriptor);

			deepest = depth > deepest ? depth : deepest;
		}
	return deepest + 1;
}

/* The decoder of the library recurses: the schema itself must be shallow. */
static void test_depth(void)
{
	CU_ASSERT(depth_of(&wire__command__descriptor) <= WIRE_DEPTH_MAX);
	CU_ASSERT(depth_of(&wire__agent_request__descriptor) <= WIRE_DEPTH_MAX);
	CU_ASSERT(depth_of(&wire__agent_reply__descriptor) <= WIRE_DEPTH_MAX);
	CU_ASSERT(depth_of(&wire__snap_chunk__descriptor) <= WIRE_DEPTH_MAX);
}

/* Each byte at each place of a text that is long enough to be looked at in pieces. */
static void test_long_text(void)
{
	for (size_t at = 0; at < 19; at++)
		for (unsigned byte = 0; byte < 256; byte++) {
			char text[] = "a definition ~ of it";
			bool plain = byte >= 0x20 && byte < 0x7f;
			bool line = byte == '\n' || byte == '\t';

			text[at] = (char)byte;
			CU_ASSERT_EQUAL(wire_text_ok(text, 20, false), plain);
			CU_ASSERT_EQUAL(wire_text_ok(text, 20, true), plain || line);
		}
}

UNIT_MAIN("wire/check", { "text", test_text }, { "long text", test_long_text },
	  { "fit", test_fit }, { "mend", test_mend },
	  { "strings", test_strings }, { "bytes", test_bytes }, { "lists", test_lists },
	  { "control", test_control }, { "oneof", test_oneof }, { "enums", test_enums },
	  { "depth", test_depth })
