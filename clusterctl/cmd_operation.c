/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"
#include "clusterctl/wait.h"
#include "wire/check.h"

#include <inttypes.h>

enum { REASON_MAX = 32 };

static enum table_tone tone_of_outcome(const char *outcome)
{
	if (strcmp(outcome, "failed") == 0 || strcmp(outcome, "unknown") == 0)
		return TABLE_BAD;
	return strcmp(outcome, "done") == 0 ? TABLE_GOOD : TABLE_WARN;
}

static void cell_duration(struct table *table, const json_t *operation)
{
	json_int_t begun = field_number(operation, "begun_ms");
	json_int_t ended = field_number(operation, "ended_ms");
	char text[TEXT_QUANTITY_SIZE];

	/* Wall clocks of two nodes: they may disagree. What ended as it was begun took none. */
	table_cell(table,
		   ended > begun && ended ? text_format_ms(text, (uint64_t)(ended - begun)) : "");
}

/* In the words of who carried it out; of fencing, of the device. The caller frees it. */
static char *how_it_ended(const json_t *operation)
{
	const char *device = field_text(operation, "device_name");
	_cleanup_(freep) char *brief = show_brief(field_text(operation, "text"));

	return mem_printf("%s%s%s", device, *device && *brief ? ": " : "", brief);
}

/* A sentence of an agent would push all that follows out of sight; operation show has it whole. */
static void cell_reason(struct table *table, const char *reason)
{
	size_t fits = wire_text_fit(reason, REASON_MAX);

	table_cellf(table, "%.*s%s", (int)fits, reason, reason[fits] ? "…" : "");
}

static void row_of_operation(struct table *table, const json_t *operation, void *context)
{
	const char *outcome = field_text(operation, "outcome");
	_cleanup_(freep) char *place = show_operation_place(operation);
	_cleanup_(freep) char *ended = how_it_ended(operation);
	char text[SHOW_TIME_SIZE];

	table_cellf(table, "%" JSON_INTEGER_FORMAT, field_number(operation, "id"));
	table_cell(table, show_time(text, field_number(operation, "begun_ms")));
	table_cell(table, field_text(operation, "kind"));
	table_cell(table, field_text(operation, "subject"));
	table_cell(table, place);
	table_cell_toned(table, tone_of_outcome(outcome), outcome);
	cell_duration(table, operation);
	cell_reason(table, field_text(operation, "reason"));
	table_cell(table, ended);
}

int cmd_operation_list(struct ctl *ctl, const struct cli_call *call)
{
	static const char *const columns[] = { "ID",      "BEGUN", "KIND", "SUBJECT", "NODE",
					       "OUTCOME", "TOOK",  "ASKED BY", "TEXT", NULL };

	return show_list(ctl, &(struct show_list){
				      .verb = "operations",
				      .columns = columns,
				      .right = 1u << 0,
				      .row = row_of_operation,
				      .empty = "There were no operations yet.",
			      });
}

/* ---- one of them ---- */

static bool parse_id(const struct cli_call *call, json_int_t *ret_id, struct ctl_error *ret_error)
{
	uint64_t id;

	if (text_parse_uint(cli_word(call, 0), 1, UINT64_C(1) << 53, &id) == 0) {
		*ret_id = (json_int_t)id;
		return true;
	}
	*ret_error = ctl_error_make(EXIT_USAGE, "invalid",
				    "'%s' is no operation: they have numbers; clusterctl operation "
				    "list shows all",
				    cli_word(call, 0));
	return false;
}

static bool ask_operation(struct ctl *ctl, const struct cli_call *call, json_t **ret,
			  struct ctl_error *ret_error)
{
	json_int_t id;

	return parse_id(call, &id, ret_error) &&
	       ctl_ask_object(ctl, json_pack("{s:s,s:I}", "do", "operation", "operation", id), ret,
			      ret_error);
}

/* The timeline, each mark with its distance from the beginning. */
static void lines_of_marks(struct table *table, const json_t *operation, const json_t *nodes)
{
	json_int_t begun_ms = field_number(operation, "begun_ms");
	const json_t *mark;
	size_t i;

	json_array_foreach(json_object_get(operation, "marks"), i, mark) {
		json_int_t node = field_number(mark, "node");

		show_linef(table, "mark", "%+" JSON_INTEGER_FORMAT " ms  %s%s%s",
			   field_number(mark, "at_ms") - begun_ms, field_text(mark, "what"),
			   node ? " on " : "", node ? show_node(node, nodes) : "");
	}
}

static void print_operation(struct ctl *ctl, const json_t *operation, const json_t *nodes)
{
	_cleanup_(table_freep) struct table *table = table_new_plain(2);
	_cleanup_(freep) char *place = show_operation_place(operation);
	char text[SHOW_TIME_SIZE];

	show_linef(table, "id", "%" JSON_INTEGER_FORMAT, field_number(operation, "id"));
	show_line(table, "kind", field_text(operation, "kind"));
	show_line(table, "subject", field_text(operation, "subject"));
	show_line(table, "device", field_text(operation, "device_name"));
	show_line(table, "node", place);
	show_line(table, "outcome", field_text(operation, "outcome"));
	show_line(table, "text", field_text(operation, "text"));
	show_line(table, "asked by", field_text(operation, "reason"));
	show_line(table, "begun", show_time(text, field_number(operation, "begun_ms")));
	if (field_number(operation, "ended_ms"))
		show_line(table, "ended", show_time(text, field_number(operation, "ended_ms")));
	lines_of_marks(table, operation, nodes);
	table_write(table, stdout, ctl->colour);
}

int cmd_operation_show(struct ctl *ctl, const struct cli_call *call)
{
	json_t *operation = NULL, *nodes = NULL;
	struct ctl_error error = { 0 };
	int exit = EXIT_OK;

	if (!ask_operation(ctl, call, &operation, &error))
		return ctl_fail(ctl, &error);
	if (ctl->json)
		return ctl_print_json(operation);
	if (ctl_ask_list(ctl, ctl_request("nodes"), &nodes, &error))
		print_operation(ctl, operation, nodes);
	else
		exit = ctl_fail(ctl, &error);
	json_decref(operation);
	json_decref(nodes);
	return exit;
}

int cmd_operation_wait(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "operation %s is done",
				 .looks_back = true };
	struct ctl_error error = { 0 };
	json_int_t id;

	if (!parse_id(call, &id, &error))
		return ctl_fail(ctl, &error);
	ctl->wait = true;
	return change_finish(ctl, json_pack("{s:I}", "op", id), &change);
}

/* What can be cancelled is what a VM does, so that VM is asked, if this is still what it does. */
int cmd_operation_cancel(struct ctl *ctl, const struct cli_call *call)
{
	_cleanup_(freep) char *name = NULL;
	struct ctl_error error = { 0 };
	json_t *operation = NULL;
	bool running;

	if (!ask_operation(ctl, call, &operation, &error))
		return ctl_fail(ctl, &error);
	name = mem_strdup(field_text(operation, "vm_name"));
	running = field_is(operation, "outcome", "running");
	json_decref(operation);
	if (!running || !*name) {
		error = ctl_error_make(EXIT_FAILED, "wrong-state", "operation %s %s",
				       cli_word(call, 0),
				       running ? "is not about a VM and cannot be cancelled"
					       : "has ended already");
		return ctl_fail(ctl, &error);
	}
	return change_command(ctl, "vm_cancel", json_pack("{s:s}", "name", name),
			      &(struct change){ .name = name, .done = "%s: cancelled",
						.cancels = true });
}
