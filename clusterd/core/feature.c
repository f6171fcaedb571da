/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/feature.h"

#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

uint32_t feature_level(const struct state *state)
{
	const Wire__Cluster *cluster = state_cluster(state);

	if (!cluster)
		return 0;
	return cluster->feature_level ? cluster->feature_level : FEATURE_FIRST;
}

uint32_t feature_known_by(const Wire__Node *node)
{
	if (!node->kernel_boot_id[0])
		return 0;
	return node->feature_max ? node->feature_max : FEATURE_FIRST;
}

uint32_t feature_possible(const struct state *state)
{
	size_t n = state_count(state, WIRE__TABLE__TABLE_NODE);
	uint32_t lowest = UINT32_MAX, level = feature_level(state);

	for (size_t i = 0; i < n; i++) {
		uint32_t known = feature_known_by(state_at(state, WIRE__TABLE__TABLE_NODE, i));

		if (known < lowest)
			lowest = known;
	}
	return level && n && lowest > level ? lowest : level;
}

/* ------------------------------------------------------------------ the levels of the schema */

static uint32_t level_of_field(const ProtobufCMessageDescriptor *message, uint32_t number)
{
	for (size_t i = 0; i < feature_table.fields_n; i++)
		if (feature_table.fields[i].message == message &&
		    feature_table.fields[i].number == number)
			return feature_table.fields[i].level;
	return FEATURE_FIRST;
}

static uint32_t level_of_value(const ProtobufCEnumDescriptor *type, int value)
{
	for (size_t i = 0; i < feature_table.values_n; i++)
		if (feature_table.values[i].type == type && feature_table.values[i].value == value)
			return feature_table.values[i].level;
	return protobuf_c_enum_descriptor_get_value(type, value) ? FEATURE_FIRST : UINT32_MAX;
}

/* ------------------------------------------------------------------ fields of a message */

/* Where the values of a field are, and how many. */
struct place {
	void *values;
	size_t n, step;
};

static size_t size_of_value(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	default:
		return 4;
	}
}

static bool is_zero(const ProtobufCFieldDescriptor *field, const void *value)
{
	static const uint8_t zero[8];

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return !*(char *const *)value || !**(char *const *)value;
	case PROTOBUF_C_TYPE_MESSAGE:
		return !*(void *const *)value;
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)value)->len == 0;
	default:
		return memcmp(value, zero, size_of_value(field)) == 0;
	}
}

static size_t *count_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (size_t *)(void *)((char *)message + field->quantifier_offset);
}

static uint32_t *case_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (uint32_t *)(void *)((char *)message + field->quantifier_offset);
}

/* Without values: it is as an older version would have left it. */
static struct place place_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	char *member = (char *)message + field->offset;
	struct place place = { .values = member, .step = size_of_value(field) };

	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		place.values = *(void **)(void *)member;
		place.n = *count_of(message, field);
	} else if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		place.n = *case_of(message, field) == field->id;
	} else {
		place.n = !is_zero(field, member);
	}
	return place;
}

static const void *value_at(const struct place *place, size_t i)
{
	return (const char *)place->values + i * place->step;
}

/* ------------------------------------------------------------------ what a message needs */

static uint32_t level_of_one(const ProtobufCFieldDescriptor *field, const void *value)
{
	const ProtobufCMessage *child;

	if (field->type == PROTOBUF_C_TYPE_ENUM)
		return level_of_value(field->descriptor, *(const int *)value);
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return FEATURE_FIRST;
	child = *(ProtobufCMessage *const *)value;
	return child ? feature_needed(child) : FEATURE_FIRST;
}

uint32_t feature_needed(const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	uint32_t needed = message->n_unknown_fields ? UINT32_MAX : FEATURE_FIRST;

	for (unsigned i = 0; i < type->n_fields && needed != UINT32_MAX; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		struct place place = place_of(message, field);
		uint32_t level = place.n ? level_of_field(type, field->id) : FEATURE_FIRST;

		if (level > needed)
			needed = level;
		for (size_t v = 0; v < place.n; v++) {
			level = level_of_one(field, value_at(&place, v));
			if (level > needed)
				needed = level;
		}
	}
	return needed;
}

/* ------------------------------------------------------------------ leaving it out */

static void empty_value(const ProtobufCFieldDescriptor *field, void *value)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		wire_set(value, "");
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		wire_free(*(void **)value);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		free(((ProtobufCBinaryData *)value)->data);
		break;
	default:
		break;
	}
	memset(value, 0, size_of_value(field));
}

static void empty_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	struct place place = place_of(message, field);

	for (size_t i = 0; i < place.n; i++)
		empty_value(field, (void *)value_at(&place, i));
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		free(place.values);
		*(void **)(void *)((char *)message + field->offset) = NULL;
		*count_of(message, field) = 0;
	} else if (place.n && field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		*case_of(message, field) = 0;
	}
}

static void empty_unknown(ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->n_unknown_fields; i++)
		free(message->unknown_fields[i].data);
	free(message->unknown_fields);
	message->unknown_fields = NULL;
	message->n_unknown_fields = 0;
}

/* A value that is not known yet is taken for the first one, which means as before. */
static void strip_one(const ProtobufCFieldDescriptor *field, void *value, uint32_t level)
{
	if (field->type == PROTOBUF_C_TYPE_ENUM &&
	    level_of_value(field->descriptor, *(int *)value) > level)
		*(int *)value = 0;
	else if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(void **)value)
		feature_strip(*(ProtobufCMessage **)value, level);
}

void feature_strip(ProtobufCMessage *message, uint32_t level)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;

	empty_unknown(message);
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		struct place place = place_of(message, field);

		if (level_of_field(type, field->id) > level) {
			empty_field(message, field);
			continue;
		}
		for (size_t v = 0; v < place.n; v++)
			strip_one(field, (void *)value_at(&place, v), level);
	}
}
