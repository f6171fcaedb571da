/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/show.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/field.h"
#include "wire/check.h"

#include <stdarg.h>
#include <time.h>

enum { BRIEF_MAX = 200 }; /* bytes */

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

char *show_vm_retry(const json_t *vm)
{
	const json_t *retry = json_object_get(vm, "retry");
	json_int_t try = field_number(retry, "try"), of = field_number(retry, "of");
	json_int_t in_ms = field_number(retry, "in_ms");
	char text[TEXT_QUANTITY_SIZE];

	if (!json_is_object(retry))
		return NULL;
	if (in_ms <= 0)
		return mem_printf("try %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
				  " is next",
				  try, of);
	/* Whole seconds: it is about that. */
	return mem_printf("tries again in %s (try %" JSON_INTEGER_FORMAT
			  " of %" JSON_INTEGER_FORMAT ")",
			  text_format_ms(text, (uint64_t)(in_ms + 999) / 1000 * 1000), try, of);
}

/* Where the brackets begin that end a text; NULL: none do. */
static const char *last_brackets(const char *text)
{
	const char *at = text + strlen(text);
	size_t depth = 0;

	if (at == text || at[-1] != ')')
		return NULL;
	do {
		at--;
		depth += *at == ')';
		depth -= *at == '(';
	} while (depth && at > text);
	return depth == 0 && at > text && at[-1] == ' ' ? at : NULL;
}

/* What a driver says of a disk ends with the words that it was given (migrate/driver). */
static size_t len_without_quote(const char *text)
{
	const char *disk = strstr(text, "disk "), *quote = last_brackets(text);

	return disk && quote && disk < quote ? (size_t)(quote - text) - 1 : strlen(text);
}

char *show_brief(const char *text)
{
	size_t len = len_without_quote(text);
	_cleanup_(freep) char *said = mem_printf("%.*s", (int)len, text);
	/* What to do is the end of our own sentences, which are not long. */
	bool is_long = len > BRIEF_MAX && !strstr(said, "clusterctl ");
	size_t fits = is_long ? wire_text_fit(said, BRIEF_MAX) : len;

	while (fits < len && fits > BRIEF_MAX / 2 && said[fits] != ' ')
		fits--;
	return mem_printf("%.*s%s", (int)fits, said, fits < len ? " …" : "");
}

static const char *known_detail(const json_t *vm)
{
	static const char *const fields[] = { "why", "detail", "changed_outside" };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (*field_text(vm, fields[i]))
			return field_text(vm, fields[i]);
	return "";
}

char *show_vm_paused(const json_t *vm, const char *name)
{
	const char *reason = field_text(vm, "seen_reason"), *blank = *name ? " " : "";

	if (!field_is(vm, "state", "paused") || strcmp(reason, "unknown") == 0)
		return mem_strdup("");
	/* The word is the same where the cluster did it, as it was asked to. */
	if (strcmp(reason, "user") == 0 && !field_is(vm, "wanted", "running"))
		return mem_strdup("");
	if (strcmp(reason, "user") == 0)
		return mem_printf("from outside, by virsh or another tool; clusterctl vm "
				  "resume%s%s", blank, name);
	if (strcmp(reason, "ioerror") == 0)
		return mem_printf("an I/O error of a disk; when that is mended: clusterctl vm "
				  "resume%s%s", blank, name);
	return mem_strdup(reason);
}

/* The caller frees it. */
static char *pending_detail(const json_t *vm)
{
	const char *what = field_text(vm, "pending");

	if (!field_true(vm, "pending_restart"))
		return mem_strdup("");
	return mem_printf("an edit waits for the next start%s%s", *what ? ": " : "", what);
}

char *show_vm_given_up(const json_t *vm, const char *name)
{
	json_int_t tries = field_number(vm, "tries");
	const char *blank = *name ? " " : "";
	struct buf out = { 0 };

	if (!field_is(vm, "state", "failed"))
		return NULL;
	buf_append_str(&out, "given up");
	if (tries)
		buf_printf(&out, " after %" JSON_INTEGER_FORMAT " failed tr%s", tries,
			   tries == 1 ? "y" : "ies");
	buf_printf(&out, "; clusterctl vm start%s%s to try again", blank, name);
	if (*field_text(vm, "image"))
		buf_append_str(&out, ", with --cold to do without its saved memory");
	return buf_steal_str(&out);
}

/* So that one sentence is said of many: the command at its end without the name of this one. */
static void drop_name(char *text, const char *name)
{
	size_t len = strlen(text), name_len = strlen(name);

	if (len > name_len && strcmp(text + len - name_len, name) == 0 &&
	    text[len - name_len - 1] == ' ')
		text[len - name_len - 1] = '\0';
}

char *show_vm_detail(const json_t *vm, const char *name)
{
	_cleanup_(freep) char *retry = show_vm_retry(vm), *given_up = show_vm_given_up(vm, "");
	_cleanup_(freep) char *paused = show_vm_paused(vm, name);
	_cleanup_(freep) char *brief = show_brief(field_text(vm, "detail"));
	const char *known = known_detail(vm), *detail = known;

	if (!*name)
		drop_name(brief, field_text(vm, "name"));
	if (!*known)
		detail = paused;
	else if (strcmp(known, field_text(vm, "detail")) == 0)
		detail = brief;
	if (given_up && !*detail)
		return mem_strdup(given_up);
	if (given_up)
		return mem_printf("%s (%s)", detail, given_up);
	if (!retry)
		return *detail ? mem_strdup(detail) : pending_detail(vm);
	return mem_printf("%s%s%s", retry, *detail ? ": " : "", detail);
}

char *show_operation_place(const json_t *operation)
{
	if (field_is(operation, "kind", "live") || field_is(operation, "kind", "quick"))
		return mem_printf("%s -> %s", field_text(operation, "node_name"),
				  field_text(operation, "to_name"));
	return mem_strdup(field_text(operation, "on_name"));
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
	table_fit(table, ctl->width);
	table_write(table, stdout, ctl->colour);
	/* What is said of it on stderr stands below it, also where both go to one place. */
	fflush(stdout);
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
