/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cluster upgrade: what the newer versions on all nodes can do is used from then on. */
#include <stdio.h>
#include <unistd.h>

#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"

enum { ANSWER_MAX = 16 };

static json_t *names_to_leave(const struct cli_call *call)
{
	json_t *names = json_array();

	for (size_t i = 0; i < call->given_n; i++)
		if (strcmp(call->given[i].option->name, "leave-behind") == 0)
			json_array_append_new(names, json_string(call->given[i].value));
	return names;
}

static bool has_name(const json_t *names, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(names, i, item)
		if (strcmp(json_string_value(item), name) == 0)
			return true;
	return false;
}

static bool is_node(const json_t *status, const char *name)
{
	const json_t *node;
	size_t i;

	json_array_foreach(json_object_get(status, "nodes"), i, node)
		if (field_is(node, "name", name))
			return true;
	return false;
}

/* Looked at before anything else: a name that nobody has was meant to be another one. */
static bool are_nodes(const json_t *status, const json_t *behind, struct ctl_error *ret_error)
{
	const json_t *name;
	size_t i;

	json_array_foreach(behind, i, name) {
		if (is_node(status, json_string_value(name)))
			continue;
		*ret_error = ctl_error_make(EXIT_NO_SUCH, "no-such",
					    "there is no node '%s'; clusterctl node list shows all",
					    json_string_value(name));
		return false;
	}
	return true;
}

/* What all nodes know but those that are left behind; never below what the cluster is at. */
static json_int_t level_for(const json_t *status, const json_t *behind)
{
	json_int_t level = field_number(json_object_get(status, "cluster"), "feature_level");
	json_int_t lowest = INT64_MAX;
	const json_t *node;
	size_t i;

	json_array_foreach(json_object_get(status, "nodes"), i, node)
		if (!has_name(behind, field_text(node, "name")) &&
		    field_number(node, "feature_max") < lowest)
			lowest = field_number(node, "feature_max");
	return lowest > level && lowest != INT64_MAX ? lowest : level;
}

/* Who keeps it where it is: nobody knows more, which is all one could want, or some do not. */
static int say_why_not(const json_t *status, json_int_t level)
{
	const json_t *node;
	json_int_t highest = 0;
	size_t i;

	json_array_foreach(json_object_get(status, "nodes"), i, node)
		if (field_number(node, "feature_max") > highest)
			highest = field_number(node, "feature_max");
	ctl_say("The cluster is at feature level %" JSON_INTEGER_FORMAT " already%s", level,
		highest > level ? "; a higher one is not known to all nodes:"
				: ", which is the highest that its nodes know");
	json_array_foreach(json_object_get(status, "nodes"), i, node) {
		json_int_t known = field_number(node, "feature_max");

		if (highest <= level || known >= highest)
			continue;
		if (known)
			ctl_say("%s knows levels up to %" JSON_INTEGER_FORMAT
				": install a newer clusterd there (--leave-behind %s does without "
				"it)", field_text(node, "name"), known, field_text(node, "name"));
		else
			ctl_say("%s has never reported", field_text(node, "name"));
	}
	return highest > level ? EXIT_FAILED : EXIT_OK;
}

/* There is no way back, so somebody has to mean it. */
static bool is_meant(const struct cli_call *call, json_int_t from, json_int_t to)
{
	char answer[ANSWER_MAX] = "";

	if (cli_has(call, "yes"))
		return true;
	ctl_say("This raises the cluster's feature level from %" JSON_INTEGER_FORMAT
		" to %" JSON_INTEGER_FORMAT ". There is no way back: a clusterd that does not know "
		"it takes part no more.", from, to);
	if (!isatty(STDIN_FILENO)) {
		ctl_say("Nothing was changed: --yes does it without a question");
		return false;
	}
	fprintf(stderr, "Raise it? [y/N] ");
	if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return true;
	ctl_say("Nothing was changed");
	return false;
}

static int raise_to(struct ctl *ctl, json_int_t level, json_t *behind)
{
	struct change change = { .name = "", .done = "the feature level is raised" };

	return change_command(ctl, "feature_raise",
			      json_pack("{s:I,s:O}", "level", level, "leave_behind", behind),
			      &change);
}

int cmd_cluster_upgrade(struct ctl *ctl, const struct cli_call *call)
{
	json_t *behind = names_to_leave(call), *status = NULL;
	struct ctl_error error = { 0 };
	json_int_t from, to;
	int exit = EXIT_FAILED;

	if (!ctl_ask_object(ctl, ctl_request("status"), &status, &error) ||
	    !are_nodes(status, behind, &error)) {
		json_decref(status);
		json_decref(behind);
		return ctl_fail(ctl, &error);
	}
	from = field_number(json_object_get(status, "cluster"), "feature_level");
	to = level_for(status, behind);
	if (to > from && is_meant(call, from, to)) {
		exit = raise_to(ctl, to, behind);
	} else if (to == from && ctl->json) {
		/* The daemon says it: one document, whatever happens. */
		exit = raise_to(ctl, to, behind);
	} else if (to == from) {
		exit = say_why_not(status, from);
	}
	json_decref(status);
	json_decref(behind);
	return exit;
}
