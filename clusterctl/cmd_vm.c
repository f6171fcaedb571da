/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm list and vm show, and the requests for what a VM should do. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/params.h"
#include "clusterctl/show.h"

enum { ANSWER_MAX = 256 };

/* ---- vm list ---- */

static enum table_tone tone_of_state(const char *state)
{
	if (strcmp(state, "failed") == 0 || strcmp(state, "unknown") == 0)
		return TABLE_BAD;
	if (strcmp(state, "running") == 0)
		return TABLE_GOOD;
	return strcmp(state, "stopped") == 0 ? TABLE_PLAIN : TABLE_WARN;
}

static void cell_place(struct table *table, const json_t *vm)
{
	if (*field_text(vm, "to_name") && *field_text(vm, "from_name"))
		table_cellf(table, "%s -> %s", field_text(vm, "from_name"),
			    field_text(vm, "to_name"));
	else
		table_cell(table, field_text(vm, "owner_name"));
}

static void cell_protected(struct table *table, const json_t *vm)
{
	const json_t *protected = json_object_get(vm, "protected");
	bool ok = field_true(protected, "ok");

	if (json_is_false(json_object_get(protected, "applies")))
		table_cell(table, "");
	else
		table_cell_toned(table, ok ? TABLE_GOOD : TABLE_WARN, ok ? "yes" : "no");
}

/*
 * Of a VM that is not managed the cluster learns nothing: only what it knew last. NULL: it is
 * managed.
 */
static char *known_before(const json_t *vm)
{
	const char *last = field_text(vm, "last_known"), *owner = field_text(vm, "owner_name");
	const char *state = *last ? last : field_text(vm, "state");
	char time[SHOW_TIME_SIZE];

	if (!field_true(vm, "unmanaged"))
		return NULL;
	return mem_printf("not managed; known last: %s%s%s since %s", state, *owner ? " on " : "",
			  owner, show_time(time, field_number(vm, "since_ms")));
}

static void row_of_vm(struct table *table, const json_t *vm, void *context)
{
	_cleanup_(freep) char *before = known_before(vm);
	_cleanup_(freep) char *detail = before ? mem_strdup(before)
					       : show_vm_detail(vm, field_text(vm, "name"));
	const json_t *size = json_object_get(vm, "in_force");
	json_int_t memory_mib = field_number(size, "memory_mib");
	const char *state = before ? "unmanaged" : field_text(vm, "state");
	char text[TEXT_QUANTITY_SIZE];

	table_cell(table, field_text(vm, "name"));
	table_cell_toned(table, tone_of_state(state), state);
	cell_place(table, vm);
	table_cell(table, field_text(vm, "wanted"));
	table_cell(table, memory_mib > 0 ? text_format_mib(text, (uint64_t)memory_mib) : "");
	table_cellf(table, "%" JSON_INTEGER_FORMAT, field_number(size, "vcpus"));
	table_cell(table, field_text(vm, "priority"));
	cell_protected(table, vm);
	table_cell(table, detail);
}

/*
 * Why VMs that run are not protected: the reason that most of them have, so that one fault is
 * one line. status has the others.
 */
static void say_unprotected(const json_t *vms)
{
	json_t *counts = json_object(), *count;
	const char *reason, *common = NULL;
	json_int_t most = 0, all = 0;
	const json_t *vm;
	size_t i;

	json_array_foreach(vms, i, vm) {
		const json_t *protected = json_object_get(vm, "protected");

		reason = field_text(protected, "reason");
		if (!field_is(vm, "state", "running") || !*reason || field_true(protected, "ok") ||
		    json_is_false(json_object_get(protected, "applies")))
			continue;
		json_object_set_new(counts, reason, json_integer(field_number(counts, reason) + 1));
		all++;
	}
	json_object_foreach(counts, reason, count) {
		if (json_integer_value(count) <= most)
			continue;
		most = json_integer_value(count);
		common = reason;
	}
	if (common)
		ctl_say("Not protected: %s%s", common,
			most < all ? "; and for other reasons: clusterctl status" : "");
	json_decref(counts);
}

int cmd_vm_list(struct ctl *ctl, const struct cli_call *call)
{
	static const char *const columns[] = { "NAME",  "STATE",    "NODE",      "WANTED", "MEMORY",
					       "VCPUS", "PRIORITY", "PROTECTED", "DETAIL", NULL };

	static const struct show_list list = {
		.columns = columns,
		.right = 1u << 4 | 1u << 5,
		.row = row_of_vm,
		.empty = "There are no VMs yet; clusterctl vm add FILE adds one.",
	};
	struct ctl_error error = { 0 };
	json_t *vms = NULL;
	int exit;

	if (!ctl_ask_list(ctl, ctl_request("vms"), &vms, &error))
		return ctl_fail(ctl, &error);
	exit = show_records(ctl, &list, vms);
	if (!ctl->json)
		say_unprotected(vms);
	json_decref(vms);
	return exit;
}

/* ---- vm show ---- */

static void lines_of_settings(struct table *table, const json_t *vm, const json_t *nodes)
{
	_cleanup_(freep) char *owners = show_nodes(json_object_get(vm, "possible_owners"), nodes);
	_cleanup_(freep) char *prefer = show_nodes(json_object_get(vm, "preferred_owners"), nodes);
	json_int_t stop_timeout_s = field_number(vm, "stop_timeout_s");

	show_line(table, "managed", field_true(vm, "unmanaged") ? "no" : "yes");
	show_line(table, "ha", field_true(vm, "no_ha") ? "no" : "yes");
	show_line(table, "priority", field_text(vm, "priority"));
	show_line(table, "owners", *owners ? owners : "all nodes");
	show_line(table, "prefer", *prefer ? prefer : "none");
	if (stop_timeout_s)
		show_linef(table, "stop_timeout", "%" JSON_INTEGER_FORMAT "s", stop_timeout_s);
	else
		show_line(table, "stop_timeout", "vm.stop_timeout_s of the cluster");
	show_line(table, "on_guest_shutdown",
		  field_true(vm, "restart_on_shutdown") ? "restart" : "stop");
	show_line(table, "cold_start_on_lost_save",
		  field_true(vm, "cold_start_on_lost_save") ? "yes" : "no");
}

static void lines_of_disks(struct table *table, const json_t *essence)
{
	const json_t *disk, *nic;
	size_t i;

	json_array_foreach(json_object_get(essence, "disks"), i, disk)
		show_linef(table, "disk", "%s %s%s%s%s", field_text(disk, "target"),
			   *field_text(disk, "source") ? field_text(disk, "source") : "(empty)",
			   *field_text(disk, "format") ? ", " : "", field_text(disk, "format"),
			   field_true(disk, "readonly") ? ", read only" : "");
	json_array_foreach(json_object_get(essence, "nics"), i, nic)
		show_linef(table, "nic", "%s %s %s", field_text(nic, "mac"),
			   field_text(nic, "kind"), field_text(nic, "source"));
}

static void lines_of_warnings(struct table *table, const json_t *vm)
{
	const json_t *warning;
	size_t i;

	json_array_foreach(json_object_get(vm, "warnings"), i, warning)
		show_line(table, "warning", json_string_value(warning));
}

static void line_of_protection(struct table *table, const json_t *protected)
{
	const char *reason = field_text(protected, "reason");

	if (json_is_false(json_object_get(protected, "applies")))
		show_linef(table, "protected", "- (%s)", reason);
	else
		show_linef(table, "protected", "%s%s%s", field_true(protected, "ok") ? "yes" : "no",
			   *reason ? ": " : "", reason);
}

static void line_of_pending(struct table *table, const json_t *vm)
{
	const char *name = field_text(vm, "name"), *what = field_text(vm, "pending");

	if (field_true(vm, "pending_restart"))
		show_linef(table, "pending",
			   "an edit%s%s%s waits for the next start; a reboot or a migration is "
			   "none: clusterctl vm stop %s, then clusterctl vm start %s",
			   *what ? " (" : "", what, *what ? ")" : "", name, name);
}

static void lines_of_state(struct table *table, const json_t *vm)
{
	_cleanup_(freep) char *before = known_before(vm);
	_cleanup_(freep) char *retry = show_vm_retry(vm);
	_cleanup_(freep) char *given_up = show_vm_given_up(vm, field_text(vm, "name"));
	_cleanup_(freep) char *paused = show_vm_paused(vm, field_text(vm, "name"));
	char text[SHOW_TIME_SIZE];

	show_line(table, "name", field_text(vm, "name"));
	show_line(table, "uuid", field_text(vm, "uuid"));
	if (before)
		show_line(table, "state", before);
	else if (*field_text(vm, "last_known"))
		show_line(table, "state", "unknown");
	else
		show_linef(table, "state", "%s%s%s since %s", field_text(vm, "state"),
			   *field_text(vm, "owner_name") ? " on " : "",
			   field_text(vm, "owner_name"),
			   show_time(text, field_number(vm, "since_ms")));
	if (*field_text(vm, "to_name") && *field_text(vm, "from_name"))
		show_linef(table, "moving", "%s -> %s", field_text(vm, "from_name"),
			   field_text(vm, "to_name"));
	show_as_of(table, vm);
	show_line(table, "unknown because", field_text(vm, "why"));
	show_line(table, "wanted", field_text(vm, "wanted"));
	show_line(table, "detail", field_text(vm, "detail"));
	show_line(table, "retry", retry);
	show_line(table, "retry", given_up);
	show_line(table, "paused", paused);
	show_line(table, "changed outside", field_text(vm, "changed_outside"));
	line_of_pending(table, vm);
	show_line(table, "saved in", field_text(vm, "image"));
	line_of_protection(table, json_object_get(vm, "protected"));
	if (field_number(vm, "tries") && !given_up)
		show_linef(table, "failures", "%" JSON_INTEGER_FORMAT, field_number(vm, "tries"));
	if (field_number(vm, "op"))
		show_linef(table, "operation", "%" JSON_INTEGER_FORMAT, field_number(vm, "op"));
}

/* What it runs with, and what it will run with where that is another. */
static void lines_of_size(struct table *table, const json_t *vm)
{
	const json_t *now = json_object_get(vm, "in_force");
	const json_t *next = json_object_get(vm, "at_next_start");
	json_int_t memory = field_number(now, "memory_mib");
	json_int_t next_memory = field_number(next, "memory_mib");
	json_int_t vcpus = field_number(now, "vcpus"), next_vcpus = field_number(next, "vcpus");
	char text[TEXT_QUANTITY_SIZE], after[TEXT_QUANTITY_SIZE];

	text_format_mib(text, (uint64_t)memory);
	if (memory == next_memory)
		show_line(table, "memory", text);
	else
		show_linef(table, "memory", "%s; pending: %s", text,
			   text_format_mib(after, (uint64_t)next_memory));
	if (vcpus == next_vcpus)
		show_linef(table, "vcpus", "%" JSON_INTEGER_FORMAT, vcpus);
	else
		show_linef(table, "vcpus",
			   "%" JSON_INTEGER_FORMAT "; pending: %" JSON_INTEGER_FORMAT, vcpus,
			   next_vcpus);
}

static void print_vm(struct ctl *ctl, const json_t *vm, const json_t *nodes)
{
	_cleanup_(table_freep) struct table *table = table_new_plain(2);

	lines_of_state(table, vm);
	lines_of_size(table, vm);
	lines_of_disks(table, json_object_get(vm, "essence"));
	lines_of_warnings(table, vm);
	lines_of_settings(table, vm, nodes);
	table_write(table, stdout, ctl->colour);
}

int cmd_vm_show(struct ctl *ctl, const struct cli_call *call)
{
	const char *name = cli_word(call, 0);
	json_t *vm = NULL, *nodes = NULL;
	struct ctl_error error = { 0 };
	int exit = EXIT_OK;

	if (!ctl_ask_object(ctl, json_pack("{s:s,s:s}", "do", "vm", "name", name), &vm, &error))
		return ctl_fail(ctl, &error);
	if (ctl->json)
		return ctl_print_json(vm);
	if (ctl_ask_list(ctl, ctl_request("nodes"), &nodes, &error))
		print_vm(ctl, vm, nodes);
	else
		exit = ctl_fail(ctl, &error);
	json_decref(vm);
	json_decref(nodes);
	return exit;
}

/* ---- what it should do ---- */

static int want(struct ctl *ctl, const struct cli_call *call, json_t *fields, const char *done)
{
	struct change change = { .name = cli_word(call, 0), .done = done };

	json_object_set_new(fields, "name", json_string(change.name));
	return change_command(ctl, "vm_want", fields, &change);
}

int cmd_vm_start(struct ctl *ctl, const struct cli_call *call)
{
	return want(ctl, call,
		    json_pack("{s:s,s:b}", "wanted", "running", "cold", cli_has(call, "cold")),
		    "%s runs");
}

int cmd_vm_stop(struct ctl *ctl, const struct cli_call *call)
{
	return want(ctl, call,
		    json_pack("{s:s,s:b}", "wanted", "stopped", "force", cli_has(call, "force")),
		    "%s is off");
}

int cmd_vm_pause(struct ctl *ctl, const struct cli_call *call)
{
	return want(ctl, call, json_pack("{s:s}", "wanted", "paused"), "%s is paused");
}

int cmd_vm_resume(struct ctl *ctl, const struct cli_call *call)
{
	return want(ctl, call, json_pack("{s:s}", "wanted", "running"), "%s runs");
}

/* An action leaves what is wanted as it is: a VM that has it done runs, and is wanted to. */
int cmd_vm_reset(struct ctl *ctl, const struct cli_call *call)
{
	return want(ctl, call, json_pack("{s:s,s:s}", "wanted", "running", "action", "reset"),
		    "%s was reset");
}

int cmd_vm_reboot(struct ctl *ctl, const struct cli_call *call)
{
	return want(ctl, call, json_pack("{s:s,s:s}", "wanted", "running", "action", "reboot"),
		    "%s was asked to reboot");
}

static json_t *move_request(const struct cli_call *call, json_int_t to)
{
	return json_pack("{s:s,s:{s:{s:s,s:I,s:s}}}", "do", "command", "command", "vm_move", "name",
			 cli_word(call, 0), "to", to, "how",
			 cli_has(call, "quick") ? "quick" : "live");
}

/*
 * A VM that runs already where it shall go is what was asked for, as with vm start. Then the
 * refusal becomes a verdict that is good.
 */
static bool runs_there(struct ctl *ctl, const char *name, json_int_t to, struct ctl_error *error,
		       json_t **ret_verdict)
{
	struct ctl_error unseen = { 0 };
	json_t *vm = NULL;
	bool is_there;

	if (!to || strcmp(error->code, "wrong-state") != 0)
		return false;
	if (!ctl_ask_object(ctl, json_pack("{s:s,s:s}", "do", "vm", "name", name), &vm, &unseen))
		ctl_error_free(&unseen);
	is_there = field_number(vm, "owner") == to && field_is(vm, "phase", "run");
	if (is_there) {
		*ret_verdict = json_pack("{s:i,s:I,s:s}", "op", 0, "record", field_number(vm, "id"),
					 "text", error->text);
		ctl_error_free(error);
	}
	json_decref(vm);
	return is_there;
}

int cmd_vm_migrate(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s was moved" };
	const char *node = cli_word(call, 1);
	struct ctl_error error = { 0 };
	json_t *verdict = NULL;
	json_int_t to = 0;

	if (cli_has(call, "live") && cli_has(call, "quick")) {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "--live and --quick exclude each other");
		return ctl_fail(ctl, &error);
	}
	if (node && !params_node_id(ctl, node, &to, &error))
		return ctl_fail(ctl, &error);
	if (ctl_change(ctl, move_request(call, to), &verdict, &error) ||
	    runs_there(ctl, change.name, to, &error, &verdict))
		return change_finish(ctl, verdict, &change);
	return ctl_fail(ctl, &error);
}

int cmd_vm_cancel(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s: cancelled",
				 .cancels = true };

	return change_command(ctl, "vm_cancel", json_pack("{s:s}", "name", change.name), &change);
}

/* Vouching wrongly makes two guests of one VM, so somebody has to mean it. */
static bool is_vouched_for(const struct cli_call *call, const char *nodes)
{
	const char *name = cli_word(call, 0);
	char answer[ANSWER_MAX] = "";

	ctl_say("No word about %s was heard of %s. If it runs there it will run twice, and two "
		"guests write to its disks: look there first (virsh list).", name, nodes);
	if (cli_has(call, "yes"))
		return true;
	if (!isatty(STDIN_FILENO)) {
		ctl_say("Nothing was changed: --yes does it without a question");
		return false;
	}
	fprintf(stderr, "It does not run there: type the name of the VM to vouch for that: ");
	if (fgets(answer, sizeof(answer), stdin))
		answer[strcspn(answer, "\n")] = '\0';
	if (strcmp(answer, name) == 0)
		return true;
	ctl_say("Nothing was changed");
	return false;
}

/* Whether it is clear what is vouched for. A VM that waits for no node needs no question. */
static bool may_accept(struct ctl *ctl, const struct cli_call *call, struct ctl_error *ret_error)
{
	_cleanup_(freep) char *nodes = NULL;
	json_t *vm = NULL;

	if (!ctl_ask_object(ctl, json_pack("{s:s,s:s}", "do", "vm", "name", cli_word(call, 0)),
			    &vm, ret_error))
		return false;
	nodes = show_texts(json_object_get(vm, "not_looked"));
	json_decref(vm);
	return !*nodes || is_vouched_for(call, nodes);
}

int cmd_vm_accept(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s: accepted" };
	bool changed = cli_has(call, "changed"), not_running = cli_has(call, "not-running");
	struct ctl_error error = { 0 };

	if (changed && not_running) {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "--changed and --not-running exclude each other");
		return ctl_fail(ctl, &error);
	}
	if (!changed && !may_accept(ctl, call, &error))
		return error.text ? ctl_fail(ctl, &error) : EXIT_FAILED;
	return change_command(ctl, "vm_accept",
			      json_pack("{s:s,s:s}", "name", change.name, "what",
					changed       ? "changed"
					: not_running ? "not-running"
						      : "waiting"),
			      &change);
}

int cmd_vm_set(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s is changed" };

	return change_command(
		ctl, "vm_set",
		json_pack("{s:s,s:o}", "name", change.name, "changes", params_changes(call, 1)),
		&change);
}

int cmd_vm_remove(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0),
				 .done = "%s is removed; its disks stay" };

	return change_command(
		ctl, "vm_remove",
		json_pack("{s:s,s:b}", "name", change.name, "force", cli_has(call, "force")),
		&change);
}
