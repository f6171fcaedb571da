/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/json.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "wire/json_field.h"

enum { WORD_MAX = 64 };

/* 64-bit values that name something: nobody counts with them, and half exceed a JSON integer. */
static const char *const opaque[] = { "boot_id", "digest", "disk_id", "request" };

static const struct {
	const char *message, *field;
} secrets[] = {
	{ "Fence", "secret" },
	{ "FenceCall", "secret" },
};

static bool is_opaque(const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(opaque); i++)
		if (strcmp(opaque[i], field->name) == 0)
			return true;
	return false;
}

bool json_field_is_secret(const ProtobufCMessageDescriptor *type,
			  const ProtobufCFieldDescriptor *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		if (strcmp(secrets[i].message, type->short_name) == 0 &&
		    strcmp(secrets[i].field, field->name) == 0)
			return true;
	return false;
}

/* ---------------------------------------------------------------- enums */

/* TABLE_VM of enum Table is "vm": what all values begin with says nothing. */
static size_t common_prefix(const ProtobufCEnumDescriptor *type)
{
	size_t n = strlen(type->short_name);

	for (unsigned int i = 0; i < type->n_values; i++) {
		const char *name = type->values[i].name;

		if (strncasecmp(name, type->short_name, n) != 0 || name[n] != '_')
			return 0;
	}
	return n + 1;
}

const char *wire_enum_word(const ProtobufCEnumDescriptor *type, int value, char *out, size_t size)
{
	const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
	const char *name;
	size_t n;

	if (!found || size == 0)
		return NULL;
	name = found->name + common_prefix(type);
	for (n = 0; name[n] && n + 1 < size; n++)
		out[n] = name[n] == '_' ? '-' : (char)tolower((unsigned char)name[n]);
	out[n] = 0;
	return out;
}

int wire_enum_value(const ProtobufCEnumDescriptor *type, const char *word, int *ret)
{
	char known[WORD_MAX];

	for (unsigned int i = 0; i < type->n_values; i++) {
		int value = type->values[i].value;

		if (wire_enum_word(type, value, known, sizeof(known)) && strcmp(known, word) == 0) {
			*ret = value;
			return 0;
		}
	}
	return -EINVAL;
}

void wire_enum_explain(const ProtobufCEnumDescriptor *type, const char *field, const char *word,
		       struct buf *out)
{
	_cleanup_(freep) char *texts = mem_new_array(char, (size_t)type->n_values * WORD_MAX);
	_cleanup_(freep) const char **words = mem_new_array(const char *, type->n_values);

	for (unsigned int i = 0; i < type->n_values; i++)
		words[i] = wire_enum_word(type, type->values[i].value,
					  texts + (size_t)i * WORD_MAX, WORD_MAX);
	nearest_explain(field, word, words, type->n_values, out);
}

/* ---------------------------------------------------------------- out */

/* jansson answers NULL for want of memory, and nobody here could go on without it. */
static json_t *need(json_t *json)
{
	if (!json)
		abort();
	return json;
}

static json_t *u64_to_json(uint64_t value, bool as_name)
{
	char hex[2 + 16 + 1];

	if (!as_name && value <= INT64_MAX)
		return need(json_integer((json_int_t)value));
	snprintf(hex, sizeof(hex), "0x%016" PRIx64, value);
	return need(json_string(hex));
}

static json_t *bytes_to_json(const ProtobufCBinaryData *bytes)
{
	static const char digits[] = "0123456789abcdef";
	_cleanup_(buf_free) struct buf hex = { 0 };

	for (size_t i = 0; i < bytes->len; i++) {
		buf_append_byte(&hex, (uint8_t)digits[bytes->data[i] >> 4]);
		buf_append_byte(&hex, (uint8_t)digits[bytes->data[i] & 15]);
	}
	return need(json_string(buf_str(&hex)));
}

static json_t *string_to_json(const char *text)
{
	json_t *json = json_string(text ? text : "");

	/* Only text that never passed wire_check() can be refused. */
	return json ? json : need(json_string("(not UTF-8)"));
}

static json_t *enum_to_json(const ProtobufCEnumDescriptor *type, int value)
{
	char word[WORD_MAX];

	return wire_enum_word(type, value, word, sizeof(word)) ? need(json_string(word)) :
								  need(json_integer(value));
}

static json_t *value_to_json(const ProtobufCFieldDescriptor *field, const void *member,
			     bool defaults)
{
	const ProtobufCMessage *child;

	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return need(json_boolean(*(const protobuf_c_boolean *)member));
	case PROTOBUF_C_TYPE_UINT32:
		return need(json_integer(*(const uint32_t *)member));
	case PROTOBUF_C_TYPE_UINT64:
		return u64_to_json(*(const uint64_t *)member, is_opaque(field));
	case PROTOBUF_C_TYPE_ENUM:
		return enum_to_json(field->descriptor, *(const int *)member);
	case PROTOBUF_C_TYPE_STRING:
		return string_to_json(*(char *const *)member);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_to_json(member);
	case PROTOBUF_C_TYPE_MESSAGE:
		child = *(ProtobufCMessage *const *)member;
		return child ? wire_to_json(child, defaults) : need(json_null());
	default:
		assert(!"a field type the schema does not use");
		abort();
	}
}

size_t json_field_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT32:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_UINT64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		assert(!"a field type the schema does not use");
		abort();
	}
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *member)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return !*(const protobuf_c_boolean *)member;
	case PROTOBUF_C_TYPE_UINT32:
		return *(const uint32_t *)member == 0;
	case PROTOBUF_C_TYPE_UINT64:
		return *(const uint64_t *)member == 0;
	case PROTOBUF_C_TYPE_ENUM:
		return *(const int *)member == 0;
	case PROTOBUF_C_TYPE_STRING:
		return !*(char *const *)member || !**(char *const *)member;
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)member)->len == 0;
	default:
		return !*(void *const *)member;
	}
}

static json_t *list_to_json(const ProtobufCFieldDescriptor *field, const char *first, size_t n,
			    bool defaults)
{
	json_t *list = need(json_array());

	for (size_t i = 0; i < n; i++) {
		const char *member = first + i * json_field_size(field);

		if (json_array_append_new(list, value_to_json(field, member, defaults)) < 0)
			abort();
	}
	return list;
}

/* NULL if the field is to be left out. */
static json_t *field_to_json(const ProtobufCMessage *message,
			     const ProtobufCFieldDescriptor *field, bool defaults)
{
	const char *base = (const char *)message;
	const void *member = base + field->offset;
	const void *quantifier = base + field->quantifier_offset;

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t n = *(const size_t *)quantifier;

		return n == 0 && !defaults ?
			NULL : list_to_json(field, *(char *const *)member, n, defaults);
	}
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)quantifier == field->id ?
			value_to_json(field, member, defaults) : NULL;
	return !defaults && is_default(field, member) ?
		NULL : value_to_json(field, member, defaults);
}

json_t *wire_to_json(const ProtobufCMessage *message, bool defaults)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	json_t *object = need(json_object());

	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		json_t *value = json_field_is_secret(type, field) ?
			NULL : field_to_json(message, field, defaults);

		if (value && json_object_set_new(object, field->name, value) < 0)
			abort();
	}
	return object;
}
