/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/check.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "wire/schema.pb-c.h"

enum { FIELD_NUMBER_MAX = (1 << 29) - 1 };	/* of the protobuf encoding */

struct limit {
	const char *message;		/* NULL: every message with such a field */
	const char *field;
	size_t size;			/* bytes of a string or byte string; 0 = default */
	size_t count;			/* elements of a list; 0 = default */
	bool lines;			/* line breaks and tabs are fine */
};

/*
 * The first row that fits holds. A limit may be raised in a later version only together
 * with the protocol number (protocol.c): an older one would refuse the frame and lose its
 * round. What of it gets into a record waits for a feature level as well.
 */
static const struct limit limits[] = {
	{ "Vm", "xml", WIRE_XML_MAX, 0, true },
	{ "VmEdit", "xml", WIRE_XML_MAX, 0, true },
	{ "VmLive", "xml", WIRE_XML_MAX, 0, true },
	{ "DomStart", "xml", WIRE_XML_MAX, 0, true },
	{ "DomRestore", "xml", WIRE_XML_MAX, 0, true },
	{ "DomainNews", "live_xml", WIRE_XML_MAX, 0, true },
	{ "AgentReply", "xml", WIRE_XML_MAX, 0, true },

	{ "Append", "command", WIRE_COMMAND_MAX, 0, false },
	{ "Entry", "command", WIRE_COMMAND_MAX, 0, false },
	{ "Record", "body", WIRE_RECORD_MAX, 0, false },
	{ "LogChunk", "entries", 0, 4096, false },
	{ "SnapChunk", "records", 0, 4096, false },

	{ "Fence", "secret", WIRE_SECRET_MAX, 0, false },
	{ "FenceCall", "secret", WIRE_SECRET_MAX, 0, false },

	{ "Disk", "source", WIRE_PATH_MAX, 0, false },
	{ "Disk", "chain", WIRE_PATH_MAX, 0, false },
	{ "Essence", "devices", 512, 256, false },
	{ "Essence", "local_state", WIRE_PATH_MAX, 0, false },
	{ NULL, "image", WIRE_PATH_MAX, 0, false },
	{ "Volume", "target", WIRE_PATH_MAX, 0, false },
	{ "Volume", "leftovers", 0, 256, false },
	{ "NodeFacts", "emulator", WIRE_PATH_MAX, 0, false },
	{ "DomMigrate", "shared_paths", WIRE_PATH_MAX, 0, false },
	{ NULL, "path", WIRE_PATH_MAX, 0, false },

	{ "Watch", "domains", 0, 1024, false },
	{ "FenceTarget", "told", 0, 4, false },
	{ "Hello", "pending", 0, 2, false },

	{ NULL, "name", WIRE_NAME_MAX, 0, false },
	{ NULL, "node_name", WIRE_NAME_MAX, 0, false },

	{ NULL, "text", WIRE_TEXT_MAX, 0, true },
	{ NULL, "reason", WIRE_TEXT_MAX, 0, true },
	{ NULL, "detail", WIRE_TEXT_MAX, 0, true },
	{ "Vm", "changed_outside", WIRE_TEXT_MAX, 0, true },
	{ "VmLive", "difference", WIRE_TEXT_MAX, 0, true },
	{ "Fence", "test_result", WIRE_TEXT_MAX, 0, true },
	{ "NodeFacts", "agent_reason", WIRE_TEXT_MAX, 0, true },
};

static const struct limit plain;

/* What is within this is within all of them: most fields are short, and need not be looked up. */
static const struct limit strictest = { NULL, NULL, WIRE_NAME_MAX, 4, false };

static const struct limit *limit_find(const ProtobufCMessageDescriptor *type, const char *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct limit *limit = &limits[i];

		if (limit->field[0] == field[0] && strcmp(limit->field, field) == 0 &&
		    (!limit->message || strcmp(limit->message, type->short_name) == 0))
			return limit;
	}
	return &plain;
}

static size_t limit_size(const struct limit *limit)
{
	return limit->size ? limit->size : WIRE_STRING_MAX;
}

static size_t limit_count(const struct limit *limit)
{
	return limit->count ? limit->count : WIRE_LIST_MAX;
}

/* The bytes of the character at text[0] if it is well formed within size, else 0. */
static size_t character(const unsigned char *text, size_t size, uint32_t *ret_code)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t need = text[0] < 0x80 ? 1 : text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2 :
		      text[0] < 0xf0 ? 3 : text[0] < 0xf8 ? 4 : 0;
	uint32_t code = need == 1 ? text[0] : text[0] & (0x7fu >> need);

	if (need == 0 || need > size)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < lowest[need] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return need;
}

/* Eight bytes that are printable ASCII? All of them at once: definitions are long. */
static bool is_plain(const unsigned char *text)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
	uint64_t eight, too_low, too_high;

	memcpy(&eight, text, sizeof(eight));
	too_high = eight | (eight + ones);
	too_low = ~((eight | high) - ones * 0x20);
	return ((too_low | too_high) & high) == 0;
}

/* As many as there are, up to eight. */
static bool starts_plain(const unsigned char *text, size_t size)
{
	unsigned char eight[sizeof(uint64_t)];

	if (size >= sizeof(eight))
		return is_plain(text);
	memset(eight, ' ', sizeof(eight));
	memcpy(eight, text, size);
	return is_plain(eight);
}

bool wire_text_ok(const char *text, size_t size, bool lines)
{
	const unsigned char *at = (const unsigned char *)text;

	for (size_t n; size > 0; at += n, size -= n) {
		uint32_t code;

		n = size < sizeof(uint64_t) ? size : sizeof(uint64_t);
		if (starts_plain(at, n))
			continue;
		n = character(at, size, &code);
		if (n == 0)
			return false;
		if (lines && (code == '\n' || code == '\t'))
			continue;
		/* C1 too: a terminal may take U+009B for the start of a control sequence. */
		if (code < 0x20 || (code >= 0x7f && code < 0xa0))
			return false;
	}
	return true;
}

size_t wire_text_fit(const char *text, size_t max)
{
	size_t size = strnlen(text, max + 1);

	if (size <= max)
		return size;
	size = max;
	while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	return size;
}

void wire_text_mend(char *text)
{
	size_t size = strlen(text);

	if (wire_text_ok(text, size, true))
		return;
	for (size_t n; size > 0; text += n, size -= n) {
		uint32_t code;

		n = character((const unsigned char *)text, size, &code);
		if (n == 0 || !wire_text_ok(text, n, true)) {
			n = n ? n : 1;
			memset(text, ' ', n);
		}
	}
}

void wire_text_line(char *text)
{
	wire_text_mend(text);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
}

/* ---------------------------------------------------------------- the walk */

static int check_message(const ProtobufCMessage *message, unsigned int depth,
			 const char **ret_field);

static int check_string(const char *text, const struct limit *limit)
{
	size_t max = limit_size(limit);
	size_t size;

	if (!text)
		return 0;
	size = strnlen(text, max + 1);
	if (size > max)
		return -EMSGSIZE;
	return wire_text_ok(text, size, limit->lines) ? 0 : -EBADMSG;
}

static int check_enum(const ProtobufCFieldDescriptor *field, int value)
{
	if (field->descriptor != &wire__table__descriptor)
		return 0;
	return protobuf_c_enum_descriptor_get_value(field->descriptor, value) ? 0 : -EBADMSG;
}

/* One value of a field; member points to where the message keeps it. */
static int check_value(const ProtobufCFieldDescriptor *field, const struct limit *limit,
		       const void *member, unsigned int depth, const char **ret_field)
{
	const ProtobufCMessage *child;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return check_string(*(char *const *)member, limit);
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)member)->len <= limit_size(limit) ?
			0 : -EMSGSIZE;
	case PROTOBUF_C_TYPE_ENUM:
		return check_enum(field, *(const int *)member);
	case PROTOBUF_C_TYPE_MESSAGE:
		child = *(ProtobufCMessage *const *)member;
		return child ? check_message(child, depth + 1, ret_field) : 0;
	default:
		return 0;
	}
}

static size_t value_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	default:
		return 0;		/* numbers have nothing to check */
	}
}

static int check_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		       unsigned int depth, const char **ret_field)
{
	const char *base = (const char *)message;
	const char *member = base + field->offset;
	size_t count = 1, step = value_size(field);

	if (step == 0 && field->label != PROTOBUF_C_LABEL_REPEATED)
		return 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
	    *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id)
		return 0;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		count = *(const size_t *)(const void *)(base + field->quantifier_offset);
		member = *(const char *const *)(const void *)member;
		if (count > limit_count(&strictest) &&
		    count > limit_count(limit_find(message->descriptor, field->name)))
			return -EMSGSIZE;
	}
	if (step == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		int r = check_value(field, &strictest, member + i * step, depth, ret_field);

		if (r < 0 && field->type != PROTOBUF_C_TYPE_MESSAGE)
			r = check_value(field, limit_find(message->descriptor, field->name),
					member + i * step, depth, ret_field);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * The library lets through field numbers that the encoding does not have, and then cannot
 * read what it packed itself.
 */
static int check_unknown(const ProtobufCMessage *message)
{
	for (unsigned int i = 0; i < message->n_unknown_fields; i++)
		if (message->unknown_fields[i].tag < 1 ||
		    message->unknown_fields[i].tag > FIELD_NUMBER_MAX)
			return -EBADMSG;
	return 0;
}

static int check_message(const ProtobufCMessage *message, unsigned int depth,
			 const char **ret_field)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	assert(type && type->magic == PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC);
	if (depth > WIRE_DEPTH_MAX)
		return -EMSGSIZE;
	if (check_unknown(message) < 0) {
		*ret_field = "unknown";
		return -EBADMSG;
	}
	for (unsigned int i = 0; i < type->n_fields; i++) {
		int r = check_field(message, &type->fields[i], depth, ret_field);

		if (r < 0) {
			/* The innermost field that failed has set it already. */
			if (!*ret_field)
				*ret_field = type->fields[i].name;
			return r;
		}
	}
	return 0;
}

int wire_check(const ProtobufCMessage *message, const char **ret_field)
{
	const char *field = NULL;
	int r = check_message(message, 1, &field);

	if (r < 0 && ret_field)
		*ret_field = field;
	return r;
}

static const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *type,
						  const char *field)
{
	return protobuf_c_message_descriptor_get_field_by_name(type, field);
}

size_t wire_field_max(const ProtobufCMessageDescriptor *type, const char *field)
{
	const ProtobufCFieldDescriptor *found = field_find(type, field);

	if (!found || (found->type != PROTOBUF_C_TYPE_STRING &&
		       found->type != PROTOBUF_C_TYPE_BYTES))
		return 0;
	return limit_size(limit_find(type, field));
}

size_t wire_list_max(const ProtobufCMessageDescriptor *type, const char *field)
{
	const ProtobufCFieldDescriptor *found = field_find(type, field);

	if (!found || found->label != PROTOBUF_C_LABEL_REPEATED)
		return 0;
	return limit_count(limit_find(type, field));
}
