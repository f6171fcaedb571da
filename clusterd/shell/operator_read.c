/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/operator_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/settings.h"
#include "clusterd/shell/operator_view.h"
#include "domain/metadata.h"
#include "wire/check.h"
#include "wire/json.h"

enum { EVENTS_DEFAULT = 100, EVENTS_MAX = 100000, XML_PART = 24 * 1024, SKIP_A_PAGE = 4096 };

enum key {
	KEY_NAME = 1 << 0,
	KEY_OPERATION = 1 << 1,
	KEY_AFTER = 1 << 2,
	KEY_LIMIT = 1 << 3,
	KEY_FOLLOW = 1 << 4,
};

struct verb {
	const char *name;
	unsigned required, optional;
	uint32_t table;		/* of a list: what it lists */
	int (*page)(struct reading *reading, const struct view_source *source, json_t **ret_data,
		    bool *ret_last, struct refusal *ret_refusal);
};

struct reading {
	const struct verb *verb;
	const struct core *core;	/* during a page */
	char name[WIRE_NAME_MAX + 1];
	uint64_t operation, after, limit;
	bool has_after, follow;
	bool begun;
	uint64_t next;			/* id, position or offset to go on from */
	uint64_t digest;		/* of what is read in parts */
};

void refuse(struct refusal *refusal, const char *code, const char *format, ...)
{
	va_list args;

	refusal->code = code;
	va_start(args, format);
	vsnprintf(refusal->text, sizeof(refusal->text), format, args);
	va_end(args);
}

static int no_such(struct refusal *refusal, const char *what, const char *name, const char *list)
{
	refuse(refusal, "no-such", "there is no %s '%s'; clusterctl %s list shows all", what, name,
	       list);
	return -ENOENT;
}

int refuse_vm(struct refusal *refusal, const char *name)
{
	refuse(refusal, "no-such", "there is no VM '%s' in this cluster; clusterctl vm list shows "
	       "all", name);
	return -ENOENT;
}

/* ---------------------------------------------------------------- lists */

static size_t size_of(const json_t *json)
{
	return json_dumpb(json, NULL, 0, JSON_COMPACT);
}

/* What is larger than a record may be loses its largest parts, and says so. */
static void make_fit(json_t *item)
{
	static const char *const parts[] = { "xml", "live", "essence", "facts", "marks" };
	char key[40];

	for (size_t i = 0; i < ARRAY_SIZE(parts) && size_of(item) > PAGE_MAX; i++) {
		if (!json_object_get(item, parts[i]))
			continue;
		json_object_del(item, parts[i]);
		snprintf(key, sizeof(key), "%s_left_out", parts[i]);
		json_object_set_new(item, key, json_true());
	}
}

static json_t *view_record(const struct view_source *source, uint32_t table, const void *record)
{
	switch (table) {
	case WIRE__TABLE__TABLE_NODE:
		return view_node(source, record);
	case WIRE__TABLE__TABLE_VM:
		return view_vm(source, record, false);
	case WIRE__TABLE__TABLE_FENCE:
		return view_fence(source, record);
	case WIRE__TABLE__TABLE_VOLUME:
		return view_volume(source, record);
	case WIRE__TABLE__TABLE_OPERATION:
		return view_operation(source, record);
	default:
		return wire_to_json(record, true);
	}
}

/* All tables' records begin with base and id. */
static uint64_t record_id(const void *record)
{
	const ProtobufCFieldDescriptor *id = protobuf_c_message_descriptor_get_field_by_name(
		((const ProtobufCMessage *)record)->descriptor, "id");

	return *(const uint64_t *)(const void *)((const uint8_t *)record + id->offset);
}

/*
 * Records from reading->next on, at most max, as many as fit. Each is found by its id, so
 * that what comes and goes between two pages disturbs nothing.
 */
static json_t *fill_page(struct reading *reading, const struct view_source *source,
			 uint32_t table, uint64_t max, bool *ret_end)
{
	size_t at = state_lower(source->state, table, reading->next);
	size_t used = 1;	/* both brackets, and a comma less than there are items */
	size_t count = state_count(source->state, table);
	json_t *list = json_array();

	for (; at < count && json_array_size(list) < max; at++) {
		const void *record = state_at(source->state, table, at);
		json_t *item = view_record(source, table, record);

		make_fit(item);
		used += size_of(item) + 1;
		if (used > PAGE_MAX && json_array_size(list) > 0) {
			json_decref(item);
			break;
		}
		json_array_append_new(list, item);
		reading->next = record_id(record) + 1;
	}
	*ret_end = at >= count;
	return list;
}

static int page_list(struct reading *reading, const struct view_source *source, json_t **ret_data,
		     bool *ret_last, struct refusal *ret_refusal)
{
	*ret_data = fill_page(reading, source, reading->verb->table, UINT64_MAX, ret_last);
	return 0;
}

/* Where the newest `limit` events begin, or those behind a given one. */
static void begin_events(struct reading *reading, const struct state *state)
{
	size_t count = state_count(state, WIRE__TABLE__TABLE_EVENT);

	reading->begun = true;
	if (reading->has_after) {
		reading->next = reading->after + 1;
		return;
	}
	/* With none of the past asked for, only what comes is followed. */
	if (count > 0 && reading->limit == 0)
		reading->next = record_id(state_at(state, WIRE__TABLE__TABLE_EVENT, count - 1)) + 1;
	else if (count > reading->limit)
		reading->next = record_id(state_at(state, WIRE__TABLE__TABLE_EVENT,
						   count - reading->limit));
}

static int page_events(struct reading *reading, const struct view_source *source,
		       json_t **ret_data, bool *ret_last, struct refusal *ret_refusal)
{
	bool first = !reading->begun, end = false;
	json_t *list;

	if (first)
		begin_events(reading, source->state);
	list = fill_page(reading, source, WIRE__TABLE__TABLE_EVENT,
			 reading->follow ? UINT64_MAX : reading->limit, &end);
	if (reading->follow && !first && json_array_size(list) == 0) {
		json_decref(list);
		return -EAGAIN;
	}
	reading->limit -= json_array_size(list) < reading->limit ? json_array_size(list)
								 : reading->limit;
	*ret_data = list;
	*ret_last = !reading->follow && (end || reading->limit == 0);
	return 0;
}

static int page_settings(struct reading *reading, const struct view_source *source,
			 json_t **ret_data, bool *ret_last, struct refusal *ret_refusal)
{
	json_t *list = json_array();
	uint32_t level = feature_level(source->state);

	for (size_t i = 0; i < settings_n; i++) {
		bool set = state_get(source->state, WIRE__TABLE__TABLE_SETTING, i + 1) != NULL;
		const char *value = state_setting(source->state, (enum setting_id)i);

		if (!setting_is_there(&settings[i], level))
			continue;
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}",
						      "name", settings[i].name,
						      "value", value ? value : "",
						      "default", settings[i].value,
						      "set", set, "unit", settings[i].unit,
						      "help", settings[i].help));
	}
	*ret_data = list;
	*ret_last = true;
	return 0;
}

/* ---------------------------------------------------------------- single things */

static int page_status(struct reading *reading, const struct view_source *source,
		       json_t **ret_data, bool *ret_last, struct refusal *ret_refusal)
{
	*ret_data = view_status(source);
	*ret_last = true;
	return 0;
}

static int page_node(struct reading *reading, const struct view_source *source, json_t **ret_data,
		     bool *ret_last, struct refusal *ret_refusal)
{
	const Wire__Node *node = state_node_named(source->state, reading->name);

	if (!node)
		return no_such(ret_refusal, "node", reading->name, "node");
	*ret_data = view_node(source, node);
	make_fit(*ret_data);
	*ret_last = true;
	return 0;
}

static int page_vm(struct reading *reading, const struct view_source *source, json_t **ret_data,
		   bool *ret_last, struct refusal *ret_refusal)
{
	const Wire__Vm *vm = state_vm_named(source->state, reading->name);

	if (!vm)
		return refuse_vm(ret_refusal, reading->name);
	*ret_data = view_vm(source, vm, true);
	make_fit(*ret_data);
	*ret_last = true;
	return 0;
}

/*
 * With the mark: libvirt's hook then knows whose guest it is, whoever starts it and whether this
 * daemon answers or not. Generation 0 is nobody's right. What comes back is read without it.
 */
static void marked_xml(const Wire__Vm *vm, struct buf *out)
{
	if (domain_for_start(vm->xml, strlen(vm->xml), vm->id, 0, NULL, out) < 0)
		buf_append_str(out, vm->xml);
}

/* An edit between two parts would make a mixture, so the digest must stay the same. */
static int page_xml(struct reading *reading, const struct view_source *source, json_t **ret_data,
		    bool *ret_last, struct refusal *ret_refusal)
{
	const Wire__Vm *vm = state_vm_named(source->state, reading->name);
	_cleanup_(buf_free) struct buf xml = { 0 };
	const char *rest;
	uint64_t digest;
	size_t part;
	char hex[20];

	if (!vm)
		return refuse_vm(ret_refusal, reading->name);
	digest = digest_bytes(vm->xml, strlen(vm->xml));
	marked_xml(vm, &xml);
	if ((reading->begun && digest != reading->digest) || reading->next > xml.len) {
		refuse(ret_refusal, "stale", "the definition of %s was changed while it was "
		       "read: read it again", vm->name);
		return -ENOENT;
	}
	reading->begun = true;
	reading->digest = digest;
	rest = buf_str(&xml) + reading->next;
	part = wire_text_fit(rest, XML_PART);
	snprintf(hex, sizeof(hex), "0x%016" PRIx64, digest);
	*ret_data = json_pack("{s:s, s:s, s:s%}", "name", vm->name, "digest", hex, "xml", rest,
			      part);
	reading->next += part;
	*ret_last = reading->next >= xml.len;
	return 0;
}

static int page_operation(struct reading *reading, const struct view_source *source,
			  json_t **ret_data, bool *ret_last, struct refusal *ret_refusal)
{
	const Wire__Operation *operation = state_operation(source->state, reading->operation);
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, reading->operation);
	if (!operation)
		return no_such(ret_refusal, "operation", number, "operation");
	*ret_data = view_operation(source, operation);
	make_fit(*ret_data);
	*ret_last = true;
	return 0;
}

static int page_progress(struct reading *reading, const struct view_source *source,
			 json_t **ret_data, bool *ret_last, struct refusal *ret_refusal)
{
	const Wire__Vm *vm = state_vm_named(source->state, reading->name);
	const Wire__Progress *progress;
	json_t *json = json_null();

	if (!vm)
		return refuse_vm(ret_refusal, reading->name);
	progress = core_progress(reading->core, vm->id);
	if (progress) {
		json = wire_to_json(&progress->base, true);
		json_object_del(json, "domain");
		json_object_set_new(json, "name", json_string(vm->name));
	}
	*ret_data = json;
	*ret_last = true;
	return 0;
}

/* ---------------------------------------------------------------- requests */

static const struct verb verbs[] = {
	{ "status", 0, 0, 0, page_status },
	{ "nodes", 0, 0, WIRE__TABLE__TABLE_NODE, page_list },
	{ "node", KEY_NAME, 0, 0, page_node },
	{ "vms", 0, 0, WIRE__TABLE__TABLE_VM, page_list },
	{ "vm", KEY_NAME, 0, 0, page_vm },
	{ "dumpxml", KEY_NAME, 0, 0, page_xml },
	{ "fences", 0, 0, WIRE__TABLE__TABLE_FENCE, page_list },
	{ "volumes", 0, 0, WIRE__TABLE__TABLE_VOLUME, page_list },
	{ "settings", 0, 0, 0, page_settings },
	{ "operations", 0, 0, WIRE__TABLE__TABLE_OPERATION, page_list },
	{ "operation", KEY_OPERATION, 0, 0, page_operation },
	{ "events", 0, KEY_AFTER | KEY_LIMIT | KEY_FOLLOW, 0, page_events },
	{ "progress", KEY_NAME, 0, 0, page_progress },
};

static const struct verb *verb_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

bool reading_knows(const char *verb)
{
	return verb_named(verb) != NULL;
}

static bool take_name(struct reading *reading, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || !*text || strlen(text) >= sizeof(reading->name) ||
	    strlen(text) != json_string_length(value))
		return false;
	memcpy(reading->name, text, strlen(text) + 1);
	return true;
}

static bool take_number(uint64_t *number, const json_t *value, json_int_t max)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > max)
		return false;
	*number = (uint64_t)json_integer_value(value);
	return true;
}

static bool take_key(struct reading *reading, unsigned key, const json_t *value)
{
	switch (key) {
	case KEY_NAME:
		return take_name(reading, value);
	case KEY_OPERATION:
		return take_number(&reading->operation, value, INT64_MAX);
	case KEY_AFTER:
		reading->has_after = true;
		return take_number(&reading->after, value, INT64_MAX - 1);
	case KEY_LIMIT:
		return take_number(&reading->limit, value, EVENTS_MAX);
	case KEY_FOLLOW:
		reading->follow = json_is_true(value);
		return json_is_boolean(value);
	default:
		return false;
	}
}

static unsigned key_named(const char *name)
{
	static const struct {
		const char *name;
		unsigned key;
	} keys[] = {
		{ "name", KEY_NAME },	{ "operation", KEY_OPERATION }, { "after", KEY_AFTER },
		{ "limit", KEY_LIMIT }, { "follow", KEY_FOLLOW },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return keys[i].key;
	return 0;
}

static int take_keys(struct reading *reading, const json_t *request, struct refusal *ret_refusal)
{
	const struct verb *verb = reading->verb;
	unsigned seen = 0;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)request, name, value) {
		unsigned key = key_named(name);

		if (strcmp(name, "id") == 0 || strcmp(name, "do") == 0)
			continue;
		if (!(key & (verb->required | verb->optional))) {
			refuse(ret_refusal, "bad-request", "'%s' has no key '%.60s': leave it out",
			       verb->name, name);
			return -EINVAL;
		}
		if (!take_key(reading, key, value)) {
			refuse(ret_refusal, "bad-request", "the value of '%s' is not possible: see "
			       "doc/operator.md", name);
			return -EINVAL;
		}
		seen |= key;
	}
	if (verb->required & ~seen) {
		refuse(ret_refusal, "bad-request", "'%s' needs the key '%s'", verb->name,
		       verb->required & KEY_NAME ? "name" : "operation");
		return -EINVAL;
	}
	return 0;
}

int reading_new(const char *verb, const json_t *request, struct reading **ret,
		struct refusal *ret_refusal)
{
	struct reading *reading = mem_new(struct reading);
	int error;

	reading->verb = verb_named(verb);
	reading->limit = EVENTS_DEFAULT;
	error = take_keys(reading, request, ret_refusal);
	if (error) {
		free(reading);
		return error;
	}
	*ret = reading;
	return 0;
}

void reading_free(struct reading *reading)
{
	free(reading);
}

int reading_page(struct reading *reading, const struct reading_source *source, json_t **ret_data,
		 bool *ret_last, struct refusal *ret_refusal)
{
	struct view_source view = {
		.state = core_state(source->core), .node = source->node,
		.wall_ms = source->wall_ms, .closed_ms = source->closed_ms,
		.sight = core_sight(source->core), .unseen_ms = source->unseen_ms,
	};

	core_standing(source->core, &view.standing);
	reading->core = source->core;
	return reading->verb->page(reading, &view, ret_data, ret_last, ret_refusal);
}
