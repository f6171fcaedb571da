/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "wire/check.h"
#include "wire/json_field.h"
#include "wire/message.h"

/* Where in the input we are, for sentences; and where they go. */
struct place {
	const struct place *up;
	const char *key;		/* NULL at the top and for an element */
	size_t element;
	struct buf *why;
};

static void place_name(const struct place *place, struct buf *out)
{
	if (place->up)
		place_name(place->up, out);
	if (place->key)
		buf_printf(out, "%s%.64s", out->len ? "." : "", place->key);
	else if (place->up)
		buf_printf(out, "[%zu]", place->element);
}

static int __attribute__((format(printf, 2, 3)))
complain(const struct place *place, const char *format, ...)
{
	_cleanup_(buf_free) struct buf name = { 0 };
	va_list args;

	place_name(place, &name);
	buf_reset(place->why);
	if (name.len)
		buf_printf(place->why, "%s: ", buf_str(&name));
	va_start(args, format);
	buf_vprintf(place->why, format, args);
	va_end(args);
	return -EINVAL;
}

static const char *kind(const json_t *json)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a text",
		[JSON_INTEGER] = "a whole number", [JSON_REAL] = "a number with a fraction",
		[JSON_TRUE] = "true", [JSON_FALSE] = "false", [JSON_NULL] = "null",
	};

	return names[json_typeof(json)];
}

static int wrong_type(const struct place *place, const char *wanted, const json_t *got)
{
	return complain(place, "expected %s, got %s", wanted, kind(got));
}

static int unknown_key(const struct place *place, const ProtobufCMessageDescriptor *type,
		       const char *key)
{
	_cleanup_(freep) const char **names = mem_new_array(const char *, type->n_fields);
	const char *near;
	size_t n = 0;

	for (unsigned int i = 0; i < type->n_fields; i++)
		if (!json_field_is_secret(type, &type->fields[i]))
			names[n++] = type->fields[i].name;
	near = nearest_word(key, names, n);
	if (near)
		return complain(place, "unknown key \"%.64s\"; did you mean \"%s\"?", key, near);
	return complain(place, "unknown key \"%.64s\"", key);
}

static int unknown_word(const struct place *place, const ProtobufCEnumDescriptor *type,
			const char *word)
{
	_cleanup_(buf_free) struct buf why = { 0 };

	wire_enum_explain(type, "it", word, &why);
	return complain(place, "%s", buf_str(&why));
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "0x" and 1 to 16 hex digits. */
static int u64_from_hex(const char *text, uint64_t *ret)
{
	size_t n = strlen(text);
	uint64_t value = 0;

	if (n < 3 || n > 18 || text[0] != '0' || text[1] != 'x')
		return -EINVAL;
	for (size_t i = 2; i < n; i++) {
		if (digit(text[i]) < 0)
			return -EINVAL;
		value = value << 4 | (uint64_t)digit(text[i]);
	}
	*ret = value;
	return 0;
}

static int number_from_json(const struct place *place, const json_t *json, uint64_t max,
			    uint64_t *ret)
{
	json_int_t value;

	if (max == UINT64_MAX && json_is_string(json)) {
		if (u64_from_hex(json_string_value(json), ret) < 0)
			return complain(place, "a number as text is \"0x\" and 1 to 16 hex digits");
		return 0;
	}
	if (!json_is_integer(json))
		return wrong_type(place, "a whole number", json);
	value = json_integer_value(json);
	if (value < 0)
		return complain(place, "%" JSON_INTEGER_FORMAT " is below 0", value);
	if ((uint64_t)value > max)
		return complain(place, "%" JSON_INTEGER_FORMAT " is above %" PRIu64, value, max);
	*ret = (uint64_t)value;
	return 0;
}

static int string_from_json(const struct place *place, const json_t *json, char **ret)
{
	const char *text;

	if (!json_is_string(json))
		return wrong_type(place, "a text", json);
	text = json_string_value(json);
	if (strlen(text) != json_string_length(json))
		return complain(place, "a text must not hold a zero byte");
	/* Memory of its own even if empty: what a list holds is freed without a look. */
	if (*ret != (const char *)protobuf_c_empty_string)
		free(*ret);
	*ret = mem_strdup(text);
	return 0;
}

static int bytes_from_json(const struct place *place, const json_t *json, ProtobufCBinaryData *ret)
{
	_cleanup_(freep) uint8_t *data = NULL;
	const char *hex;
	size_t n;

	if (!json_is_string(json))
		return wrong_type(place, "bytes as hex digits", json);
	hex = json_string_value(json);
	n = json_string_length(json);
	if (n % 2)
		return complain(place, "bytes need two hex digits each");
	data = mem_array(n / 2 + 1, 1);
	for (size_t i = 0; i < n; i++) {
		if (digit(hex[i]) < 0)
			return complain(place, "not a hex digit at position %zu", i + 1);
		data[i / 2] = (uint8_t)(data[i / 2] << 4 | digit(hex[i]));
	}
	ret->len = n / 2;
	ret->data = steal_ptr(data);
	return 0;
}

static int enum_from_json(const struct place *place, const json_t *json,
			  const ProtobufCEnumDescriptor *type, int *ret)
{
	if (!json_is_string(json))
		return wrong_type(place, "a word", json);
	if (wire_enum_value(type, json_string_value(json), ret) < 0)
		return unknown_word(place, type, json_string_value(json));
	return 0;
}

static int message_from_json(const struct place *place, const json_t *json,
			     const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret);

/* member is where the value goes; it holds the field's default before. */
static int value_from_json(const struct place *place, const json_t *json,
			   const ProtobufCFieldDescriptor *field, void *member)
{
	uint64_t number = 0;
	int r;

	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(json))
			return wrong_type(place, "true or false", json);
		*(protobuf_c_boolean *)member = json_is_true(json);
		return 0;
	case PROTOBUF_C_TYPE_UINT32:
		r = number_from_json(place, json, UINT32_MAX, &number);
		*(uint32_t *)member = (uint32_t)number;
		return r;
	case PROTOBUF_C_TYPE_UINT64:
		return number_from_json(place, json, UINT64_MAX, member);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_from_json(place, json, field->descriptor, member);
	case PROTOBUF_C_TYPE_STRING:
		return string_from_json(place, json, member);
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_from_json(place, json, member);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_from_json(place, json, field->descriptor, member);
	default:
		assert(!"a field type the schema does not use");
		abort();
	}
}

static int list_from_json(const struct place *place, const json_t *json,
			  const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
	char *base = (char *)message;
	size_t *count = (size_t *)(void *)(base + field->quantifier_offset);
	void **list = (void **)(void *)(base + field->offset);
	size_t max = wire_list_max(message->descriptor, field->name);

	if (!json_is_array(json))
		return wrong_type(place, "a list", json);
	if (json_array_size(json) > max)
		return complain(place, "more than %zu elements", max);
	if (json_array_size(json) == 0)
		return 0;
	*list = mem_array(json_array_size(json), json_field_size(field));
	for (size_t i = 0; i < json_array_size(json); i++) {
		struct place here = { .up = place, .element = i, .why = place->why };
		char *member = (char *)*list + i * json_field_size(field);
		int r;

		/* Whatever comes of it, it is freed with the list: zero is nothing to free. */
		*count = i + 1;
		r = value_from_json(&here, json_array_get(json, i), field, member);
		if (r < 0)
			return r;
	}
	return 0;
}

static int oneof_from_json(const struct place *place, const json_t *json,
			   const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
	char *base = (char *)message;
	uint32_t *which = (uint32_t *)(void *)(base + field->quantifier_offset);
	const ProtobufCFieldDescriptor *other;

	if (*which != 0) {
		other = protobuf_c_message_descriptor_get_field(message->descriptor, *which);
		return complain(place, "cannot be given together with \"%s\"", other->name);
	}
	*which = field->id;
	return value_from_json(place, json, field, base + field->offset);
}

static int field_from_json(const struct place *place, const json_t *json,
			   const ProtobufCFieldDescriptor *field, ProtobufCMessage *message)
{
	if (json_field_is_secret(message->descriptor, field))
		return complain(place, "a secret is not taken here");
	if (json_is_null(json))
		return 0;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return list_from_json(place, json, field, message);
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return oneof_from_json(place, json, field, message);
	return value_from_json(place, json, field, (char *)message + field->offset);
}

static int message_from_json(const struct place *place, const json_t *json,
			     const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
	_cleanup_(wire_freep) ProtobufCMessage *message = NULL;
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return wrong_type(place, "an object", json);
	message = wire_new(type);
	/* The iteration macro wants an object it may change, though it changes none. */
	json_object_foreach((json_t *)(uintptr_t)json, key, value) {
		struct place here = { .up = place, .key = key, .why = place->why };
		const ProtobufCFieldDescriptor *field;
		int r;

		field = protobuf_c_message_descriptor_get_field_by_name(type, key);
		if (!field)
			return unknown_key(place, type, key);
		r = field_from_json(&here, value, field, message);
		if (r < 0)
			return r;
	}
	*ret = steal_ptr(message);
	return 0;
}

static int limits_from_json(const struct place *place, const ProtobufCMessage *message)
{
	const char *field = NULL;
	int r = wire_check(message, &field);

	if (r == -EMSGSIZE)
		return complain(place, "%s is longer than allowed", field);
	if (r < 0)
		return complain(place, "%s holds control characters", field);
	return 0;
}

int wire_from_json(const json_t *json, const ProtobufCMessageDescriptor *type,
		   ProtobufCMessage **ret, char *ret_why, size_t size)
{
	_cleanup_(wire_freep) ProtobufCMessage *message = NULL;
	_cleanup_(buf_free) struct buf why = { 0 };
	struct place top = { .why = &why };
	int r;

	r = message_from_json(&top, json, type, &message);
	if (r == 0)
		r = limits_from_json(&top, message);
	if (r < 0) {
		snprintf(ret_why, size, "%s", buf_str(&why));
		/* Keys and values from outside are quoted in it, and it may be cut in one. */
		wire_text_line(ret_why);
		return r;
	}
	*ret = steal_ptr(message);
	return 0;
}
