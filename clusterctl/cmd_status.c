/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status: all of it at a glance, with the exits of a monitoring plugin. */
#include "base/text.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/health.h"
#include "clusterctl/show.h"

enum { CAUSES_SHOWN = 20 };

struct sources {
	json_t *status, *nodes, *vms;
};

static void sources_free(struct sources *sources)
{
	json_decref(sources->status);
	json_decref(sources->nodes);
	json_decref(sources->vms);
}

static void print_head(const json_t *status)
{
	const json_t *cluster = json_object_get(status, "cluster");
	const json_t *node = json_object_get(status, "node");
	const json_t *standing = json_object_get(status, "standing");
	const json_t *quorum = json_object_get(status, "quorum");
	char time[SHOW_TIME_SIZE];

	printf("\ncluster  %s  %s\n",
	       *field_text(cluster, "name") ? field_text(cluster, "name") : "-",
	       field_text(cluster, "uuid"));
	printf("node     %s  clusterd %s\n", field_text(node, "name"), field_text(node,
		"version"));
	printf("quorum   %s: %" JSON_INTEGER_FORMAT " of %zu voters present, %" JSON_INTEGER_FORMAT
	       " needed\n",
	       field_true(quorum, "have") ? "yes" : "no", field_number(quorum, "present"),
	       json_array_size(json_object_get(quorum, "voters")), field_number(quorum,
	  "needed"));
	if (show_is_old(status))
		printf("as of    %s; what happened since is not known on this node\n",
		       show_time(time, field_number(status, "as_of_ms")));
	printf("leader   %s  epoch %" JSON_INTEGER_FORMAT ", entry %" JSON_INTEGER_FORMAT "\n",
	       *field_text(standing, "leader_name") ? field_text(standing, "leader_name") : "none",
	       field_number(standing, "epoch"), field_number(standing, "index"));
}

/* Only when there is something to be done about it. */
static void print_level(const json_t *status)
{
	const json_t *cluster = json_object_get(status, "cluster");
	json_int_t level = field_number(cluster, "feature_level");

	if (field_number(cluster, "feature_possible") > level)
		printf("level    %" JSON_INTEGER_FORMAT "; all nodes could use %"
		       JSON_INTEGER_FORMAT ": run clusterctl cluster upgrade\n", level,
		       field_number(cluster, "feature_possible"));
}

static void print_counts(json_t *counts, const char *before)
{
	const char *state;
	json_t *number;

	json_object_foreach(counts, state, number) {
		if (json_integer_value(number) == 0)
			continue;
		printf("%s %" JSON_INTEGER_FORMAT " %s", before, json_integer_value(number), state);
		before = ",";
	}
}

static void print_vms(const json_t *status)
{
	json_t *vms = json_object_get(status, "vms");

	printf("vms      %" JSON_INTEGER_FORMAT, field_number(vms, "total"));
	print_counts(json_object_get(vms, "states"), ":");
	print_counts(json_object_get(vms, "last_known"), "; last known:");
	printf("; %" JSON_INTEGER_FORMAT " protected\n\n", field_number(vms, "protected"));
}

static void print_nodes(struct ctl *ctl, const json_t *nodes)
{
	static const char *const columns[] = { "NODE", "STATE", "MEMBER", "VMS", "REASON", NULL };
	_cleanup_(table_freep) struct table *table = table_new(columns);
	const json_t *node;
	size_t i;

	table_align_right(table, 3);
	json_array_foreach(nodes, i, node) {
		table_cell(table, field_text(node, "name"));
		show_node_state(table, node);
		table_cell(table, field_true(node, "member") ? "yes" : "no");
		table_cellf(table, "%" JSON_INTEGER_FORMAT, field_number(node, "vms"));
		table_cell(table, field_text(node, "why"));
	}
	table_fit(table, ctl->width);
	table_write(table, stdout, ctl->colour);
}

static void print_causes(struct ctl *ctl, const struct health *health)
{
	_cleanup_(table_freep) struct table *table = table_new_plain(2);
	const json_t *cause;
	size_t i;

	/* One alone is the first line. */
	if (json_array_size(health->causes) <= 1)
		return;
	json_array_foreach(health->causes, i, cause) {
		bool critical = field_is(cause, "level", "critical");

		if (i == CAUSES_SHOWN)
			break;
		table_cell_toned(table, critical ? TABLE_BAD : TABLE_WARN,
				 field_text(cause, "level"));
		table_cell(table, field_text(cause, "text"));
	}
	printf("\n");
	table_write(table, stdout, ctl->colour);
	if (json_array_size(health->causes) > CAUSES_SHOWN)
		printf("… and %zu more\n", json_array_size(health->causes) - CAUSES_SHOWN);
}

static void print_operations(struct ctl *ctl, const json_t *operations)
{
	_cleanup_(table_freep) struct table *table = table_new_plain(4);
	const json_t *operation;
	size_t i;

	if (json_array_size(operations) == 0)
		return;
	json_array_foreach(operations, i, operation) {
		_cleanup_(freep) char *place = show_operation_place(operation);

		table_cellf(table, "operation %" JSON_INTEGER_FORMAT,
			    field_number(operation, "id"));
		table_cell(table, field_text(operation, "kind"));
		table_cell(table, field_text(operation, "subject"));
		table_cell(table, place);
	}
	printf("\n");
	table_write(table, stdout, ctl->colour);
}

static int print_status(struct ctl *ctl, const struct sources *sources)
{
	struct health health = { 0 };
	int exit;

	health_judge(sources->status, sources->nodes, sources->vms, &health);
	exit = (int)health.level;
	if (ctl->json) {
		json_object_set_new(sources->status, "health",
				    json_pack("{s:s,s:s,s:O,s:O}", "level",
					      health_word(health.level), "line", health.line,
					      "problems", health.problems, "causes",
					      health.causes));
		ctl_print_json(json_incref(sources->status));
	} else {
		_cleanup_(freep) char *line = table_clean(health.line);

		printf("%s\n", line);
		print_head(sources->status);
		print_level(sources->status);
		print_vms(sources->status);
		print_nodes(ctl, sources->nodes);
		print_causes(ctl, &health);
		print_operations(ctl, json_object_get(sources->status, "operations"));
	}
	health_free(&health);
	return exit;
}

/* Monitoring systems show the first line of stdout; said there it is not said again. */
static int fail(struct ctl *ctl, struct ctl_error *error)
{
	_cleanup_(freep) char *line = table_clean(error->text);

	if (ctl->json) {
		ctl_fail(ctl, error);
	} else {
		printf("UNKNOWN: %s\n", line);
		ctl_error_free(error);
	}
	return STATUS_UNKNOWN;
}

int cmd_status(struct ctl *ctl, const struct cli_call *call)
{
	_cleanup_(sources_free) struct sources sources = { 0 };
	struct ctl_error error = { 0 };

	if (!ctl_ask_object(ctl, ctl_request("status"), &sources.status, &error) ||
	    !ctl_ask_list(ctl, ctl_request("nodes"), &sources.nodes, &error) ||
	    !ctl_ask_list(ctl, ctl_request("vms"), &sources.vms, &error))
		return fail(ctl, &error);
	return print_status(ctl, &sources);
}
