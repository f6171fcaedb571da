/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/change.h"

#include "base/mem.h"
#include "clusterctl/field.h"
#include "clusterctl/started.h"
#include "clusterctl/tested.h"
#include "clusterctl/wait.h"

/* "web1 is added". The only thing that a pattern may hold is one %s, so it is put in by hand. */
static char *sentence(const struct change *change)
{
	const char *hole = strstr(change->done, "%s");

	if (!hole)
		return mem_strdup(change->done);
	return mem_printf("%.*s%s%s", (int)(hole - change->done), change->done, change->name,
			  hole + 2);
}

static void say_accepted(const json_t *verdict, const struct change *change)
{
	_cleanup_(freep) char *done = sentence(change);

	ctl_say("%s", *field_text(verdict, "text") ? field_text(verdict, "text") : done);
}

static void say_begun(const json_t *verdict)
{
	json_int_t op = field_number(verdict, "op");

	if (*field_text(verdict, "text"))
		ctl_say("%s", field_text(verdict, "text"));
	ctl_say("operation %" JSON_INTEGER_FORMAT " has begun; not waiting for it", op);
}

static const char *how_it_ended(const char *outcome)
{
	if (strcmp(outcome, "failed") == 0)
		return "failed";
	if (strcmp(outcome, "cancelled") == 0)
		return "was cancelled";
	if (strcmp(outcome, "done") == 0)
		return "was done before it could be cancelled";
	return "ended in a way that is not known";
}

static json_t *ask_vm(struct ctl *ctl, const char *name)
{
	struct ctl_error error = { 0 };
	json_t *vm = NULL;

	if (!ctl_ask_object(ctl, json_pack("{s:s,s:s}", "do", "vm", "name", name), &vm, &error))
		ctl_error_free(&error);
	return vm;
}

/* Where a VM came to run: the cluster chose the node, so that is news. The caller frees it. */
static char *where_it_runs(struct ctl *ctl, const json_t *operation)
{
	static const char *const kinds[] = { "start", "restart", "live", "quick" };
	const char *name = field_text(operation, "vm_name");
	char *text = NULL;
	json_t *vm;
	bool asks = false;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		asks |= field_is(operation, "kind", kinds[i]);
	if (!asks || !*name)
		return NULL;
	vm = ask_vm(ctl, name);
	if (field_is(vm, "state", "running") && *field_text(vm, "owner_name"))
		text = mem_printf("%s runs on %s", name, field_text(vm, "owner_name"));
	json_decref(vm);
	return text;
}

/* "stopped" is said where it is not on record how it went off. */
static void say_off(const char *name, const char *how)
{
	bool is_told = *how && strcmp(how, "stopped") != 0;

	ctl_say("%s is off%s%s", name, is_told ? ": " : "", is_told ? how : "");
}

static void say_done(struct ctl *ctl, const json_t *operation, const struct change *change)
{
	const char *name = field_text(operation, "vm_name"), *text = field_text(operation, "text");
	_cleanup_(freep) char *where = where_it_runs(ctl, operation);
	_cleanup_(freep) char *done = sentence(change);

	if (where)
		ctl_say("%s", where);
	else if (*name && field_is(operation, "kind", "stop"))
		say_off(name, text);
	else if (*text && *name && !strstr(text, name))
		ctl_say("%s: %s", name, text);
	else
		ctl_say("%s", *text ? text : done);
}

static bool is_move(const json_t *operation)
{
	return field_is(operation, "kind", "live") || field_is(operation, "kind", "quick");
}

/* What a migration that failed leaves, and what to look at. */
static void say_not_moved(struct ctl *ctl, const json_t *operation)
{
	const char *name = field_text(operation, "vm_name"),
		   *from = field_text(operation, "node_name");
	json_t *vm;

	if (!is_move(operation) || !field_is(operation, "outcome", "failed") || !*name)
		return;
	vm = ask_vm(ctl, name);
	if (field_is(vm, "state", "running") && field_is(vm, "owner_name", from))
		ctl_say("%s stays on %s", name, from);
	if (strstr(field_text(operation, "text"), "unable to connect to server"))
		ctl_say("Check that libvirt on %s is reached from %s; another address: clusterctl "
			"node set %s address=ADDRESS", field_text(operation, "to_name"), from,
			field_text(operation, "to_name"));
	json_decref(vm);
}

/* A migration that was called off is one sentence, for who did that and for who waited for it. */
static bool say_stays(const json_t *operation)
{
	if (!is_move(operation) || !field_is(operation, "outcome", "cancelled"))
		return false;
	ctl_say("%s stays on %s; the migration was cancelled", field_text(operation, "vm_name"),
		field_text(operation, "node_name"));
	return true;
}

static void say_ended(struct ctl *ctl, const json_t *operation, const struct change *change)
{
	const char *outcome = field_text(operation, "outcome"),
		   *text = field_text(operation, "text");

	if (strcmp(outcome, "done") == 0 && !change->cancels)
		say_done(ctl, operation, change);
	else if (say_stays(operation))
		return;
	else
		ctl_say("%s: operation %" JSON_INTEGER_FORMAT " %s%s%s", ctl_cli.program,
			field_number(operation, "id"), how_it_ended(outcome), *text ? ": " : "",
			text);
	say_not_moved(ctl, operation);
}

/* One document for the whole: the verdict and, if there is one, the operation. */
static void print_json(struct ctl *ctl, const json_t *verdict, json_t *operation, json_t *causes)
{
	json_t *document = json_copy((json_t *)verdict);

	if (operation)
		json_object_set(document, "operation", operation);
	if (causes)
		json_object_set(document, "not_started", causes);
	ctl_print_json(document);
	ctl->silent = true;
}

int change_finish(struct ctl *ctl, json_t *verdict, const struct change *change)
{
	json_int_t op = field_number(verdict, "op");
	struct ctl_error error = { 0 };
	json_t *operation = NULL, *causes = NULL;
	int exit = EXIT_OK;

	if (op && ctl->wait && !wait_operation(ctl, op, &operation, &error)) {
		json_decref(verdict);
		return ctl_fail(ctl, &error);
	}
	if (operation)
		exit = (int)wait_exit(operation, change->cancels);
	if (started_is_failed(operation))
		causes = started_causes(ctl, operation);
	if (ctl->json)
		print_json(ctl, verdict, operation, causes);
	if (causes)
		started_say(ctl, operation, causes, change->adds);
	else if (field_is(operation, "kind", "fence-test"))
		exit = tested_say(ctl, operation, change->looks_back, exit);
	else if (operation)
		say_ended(ctl, operation, change);
	else if (op)
		say_begun(verdict);
	else
		say_accepted(verdict, change);
	json_decref(causes);
	json_decref(operation);
	json_decref(verdict);
	return exit;
}

int change_run(struct ctl *ctl, json_t *request, const struct change *change)
{
	struct ctl_error error = { 0 };
	json_t *verdict = NULL;

	if (!ctl_change(ctl, request, &verdict, &error))
		return ctl_fail(ctl, &error);
	return change_finish(ctl, verdict, change);
}

int change_command(struct ctl *ctl, const char *body, json_t *fields, const struct change *change)
{
	return change_run(ctl, json_pack("{s:s,s:{s:o}}", "do", "command", "command", body, fields),
			  change);
}
