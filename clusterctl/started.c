/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/started.h"

#include "base/mem.h"
#include "clusterctl/field.h"
#include "clusterctl/show.h"

#include <string.h>

/* Of the newest events; a start that has just failed is among them. */
enum { EVENTS_LOOKED_AT = 500 };

static const char not_started[] = "not started on ";

bool started_is_failed(const json_t *operation)
{
	return field_is(operation, "kind", "start") && field_is(operation, "outcome", "failed") &&
	       *field_text(operation, "vm_name");
}

/* One that begins with what is there already says more: the operation's own words may. */
static void add_once(json_t *causes, const char *text)
{
	for (size_t i = 0; i < json_array_size(causes); i++) {
		const char *cause = json_string_value(json_array_get(causes, i));

		if (strncmp(cause, text, strlen(cause)) != 0)
			continue;
		json_array_set_new(causes, i, json_string(text));
		return;
	}
	json_array_append_new(causes, json_string(text));
}

json_t *started_causes(struct ctl *ctl, const json_t *operation)
{
	json_t *causes = json_array(), *events = NULL;
	struct ctl_error error = { 0 };
	const json_t *event;
	size_t i;

	if (!ctl_ask_list(ctl, json_pack("{s:s,s:i}", "do", "events", "limit", EVENTS_LOOKED_AT),
			  &events, &error))
		ctl_error_free(&error);
	json_array_foreach(events, i, event) {
		const char *text = field_text(event, "text");

		if (field_number(event, "op") == field_number(operation, "id") &&
		    strncmp(text, not_started, strlen(not_started)) == 0)
			add_once(causes, text + strlen(not_started));
	}
	json_decref(events);
	if (*field_text(operation, "text"))
		add_once(causes, field_text(operation, "text"));
	return causes;
}

/* The VM as it is now; NULL if it is not told. */
static json_t *ask_vm(struct ctl *ctl, const char *name)
{
	struct ctl_error error = { 0 };
	json_t *vm = NULL;

	if (!ctl_ask_object(ctl, json_pack("{s:s,s:s}", "do", "vm", "name", name), &vm, &error))
		ctl_error_free(&error);
	return vm;
}

static void say_next(const char *name, const json_t *vm)
{
	_cleanup_(freep) char *retry = show_vm_retry(vm);

	if (retry)
		ctl_say("The cluster goes on: %s.", retry);
	else if (field_is(vm, "state", "failed"))
		ctl_say("It is not tried again by itself: mend the cause, then clusterctl vm "
			"start %s", name);
	else
		ctl_say("It is started as soon as that is possible.");
	ctl_say("How it stands: clusterctl vm show %s. To take it out: clusterctl vm stop %s, then "
		"clusterctl vm remove %s", name, name, name);
}

/* "n1, n2: no disk": what several nodes say alike is one line. */
static json_t *join_alike(const json_t *causes)
{
	json_t *nodes_of = json_object(), *nodes;
	const json_t *cause;
	json_t *lines = json_array();
	const char *said;
	size_t i;

	json_array_foreach(causes, i, cause) {
		_cleanup_(freep) char *brief = show_brief(json_string_value(cause));
		char *colon = strstr(brief, ": ");

		if (colon)
			*colon = '\0';
		nodes = json_object_get(nodes_of, colon ? colon + 2 : brief);
		if (!nodes) {
			nodes = json_array();
			json_object_set_new(nodes_of, colon ? colon + 2 : brief, nodes);
		}
		if (colon)
			json_array_append_new(nodes, json_string(brief));
	}
	json_object_foreach(nodes_of, said, nodes) {
		_cleanup_(freep) char *names = show_texts(nodes);

		json_array_append_new(lines, json_sprintf("%s%s%s", names, *names ? ": " : "",
							  said));
	}
	json_decref(nodes_of);
	return lines;
}

void started_say(struct ctl *ctl, const json_t *operation, const json_t *causes, bool is_new)
{
	const char *name = field_text(operation, "vm_name");
	json_t *vm = ask_vm(ctl, name);
	json_t *lines = join_alike(causes);
	const json_t *line;
	size_t i;

	ctl_say("%s: %s %s (operation %" JSON_INTEGER_FORMAT ")%s", ctl_cli.program, name,
		is_new ? "is in the cluster now, but its first start failed" : "was not started",
		field_number(operation, "id"), json_array_size(causes) ? ":" : "");
	json_array_foreach(lines, i, line)
		ctl_say("  %s", json_string_value(line));
	if (vm)
		say_next(name, vm);
	json_decref(lines);
	json_decref(vm);
}
