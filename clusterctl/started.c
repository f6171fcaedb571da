// SPDX-License-Identifier: GPL-2.0-or-later
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

void started_say(struct ctl *ctl, const json_t *operation, const json_t *causes, bool is_new)
{
	const char *name = field_text(operation, "vm_name");
	json_t *vm = ask_vm(ctl, name);
	const json_t *cause;
	size_t i;

	ctl_say("%s: %s %s (operation %" JSON_INTEGER_FORMAT ")%s", ctl_cli.program, name,
		is_new ? "is in the cluster now, but its first start failed" : "was not started",
		field_number(operation, "id"), json_array_size(causes) ? ":" : "");
	json_array_foreach(causes, i, cause)
		ctl_say("  %s", json_string_value(cause));
	if (vm)
		say_next(name, vm);
	json_decref(vm);
}
