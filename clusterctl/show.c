// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterctl/show.h"

#include "base/buf.h"
#include "base/mem.h"
#include "clusterctl/field.h"

#include <stdarg.h>
#include <time.h>

bool show_is_old(const json_t *record)
{
	return json_is_false(json_object_get(record, "current"));
}

void show_as_of(struct table *table, const json_t *record)
{
	char time[SHOW_TIME_SIZE];

	if (show_is_old(record))
		show_linef(table, "as of", "%s; what happened since is not known on this node",
			   show_time(time, field_number(record, "as_of_ms")));
}

void show_node_state(struct table *table, const json_t *node)
{
	const char *state = field_text(node, "state"), *text = field_text(node, "state_text");
	enum table_tone tone = TABLE_WARN;

	if (strcmp(state, "lost") == 0)
		tone = TABLE_BAD;
	else if (strcmp(state, "up") == 0 && strcmp(text, "not seen") != 0)
		tone = TABLE_GOOD;
	table_cell_toned(table, tone, *text ? text : state);
}

/* Tables are not marked cell by cell. */
static void say_as_of(const json_t *records)
{
	const json_t *first = json_array_get(records, 0);
	char time[SHOW_TIME_SIZE];

	if (show_is_old(first))
		ctl_say("No quorum here: this is as of %s; what happened since is not known on "
			"this node.",
			show_time(time, field_number(first, "as_of_ms")));
}

int show_records(struct ctl *ctl, const struct show_list *list, json_t *records)
{
	_cleanup_(table_freep) struct table *table = NULL;
	const json_t *record;
	size_t i;

	if (ctl->json)
		return ctl_print_json(json_incref(records));
	if (json_array_size(records) == 0) {
		ctl_say("%s", list->empty);
		return EXIT_OK;
	}
	table = table_new(list->columns);
	for (size_t column = 0; list->columns[column]; column++)
		if (list->right & 1u << column)
			table_align_right(table, column);
	json_array_foreach(records, i, record)
		list->row(table, record, list->context);
	say_as_of(records);
	table_write(table, stdout, ctl->colour);
	return EXIT_OK;
}

int show_list(struct ctl *ctl, const struct show_list *list)
{
	struct ctl_error error = { 0 };
	json_t *records = NULL;
	int exit;

	if (!ctl_ask_list(ctl, ctl_request(list->verb), &records, &error))
		return ctl_fail(ctl, &error);
	exit = show_records(ctl, list, records);
	json_decref(records);
	return exit;
}

void show_line(struct table *table, const char *label, const char *value)
{
	if (!value || !*value)
		return;
	table_cell(table, label);
	table_cell(table, value);
}

void show_linef(struct table *table, const char *label, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;

	va_start(args, format);
	text = mem_vprintf(format, args);
	va_end(args);
	show_line(table, label, text);
}

char *show_texts(const json_t *array)
{
	struct buf out = { 0 };
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item) {
		const char *text = json_string_value(item);

		buf_printf(&out, "%s%s", out.len ? ", " : "", text ? text : "?");
	}
	return buf_steal_str(&out);
}

const char *show_node(json_int_t id, const json_t *nodes)
{
	const json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node)
		if (field_number(node, "id") == id)
			return field_text(node, "name");
	return "?";
}

char *show_nodes(const json_t *ids, const json_t *nodes)
{
	struct buf out = { 0 };
	const json_t *id;
	size_t i;

	json_array_foreach(ids, i, id)
		buf_printf(&out, "%s%s", out.len ? ", " : "",
			   show_node(json_integer_value(id), nodes));
	return buf_steal_str(&out);
}

const char *show_time(char out[SHOW_TIME_SIZE], json_int_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms <= 0 || !localtime_r(&seconds, &tm) ||
	    strftime(out, SHOW_TIME_SIZE, "%F %T", &tm) == 0)
		snprintf(out, SHOW_TIME_SIZE, "-");
	return out;
}
