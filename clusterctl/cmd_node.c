/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/params.h"
#include "clusterctl/show.h"

enum { NODE_ID_MAX = 64 };

static char *node_fences(const json_t *fences, json_int_t node)
{
	struct buf out = { 0 };
	const json_t *fence, *target;
	size_t i, j;

	json_array_foreach(fences, i, fence) {
		json_array_foreach(json_object_get(fence, "targets"), j, target) {
			if (field_number(target, "node") != node)
				continue;
			buf_printf(&out, "%s%s%s", out.len ? ", " : "", field_text(fence, "name"),
				   field_number(target, "tested_ms")   ? ""
				   : field_number(target, "failed_ms") ? " (test failed)"
								       : " (untested)");
			break;
		}
	}
	return buf_steal_str(&out);
}

static void cell_memory(struct table *table, const json_t *node)
{
	json_int_t total = field_number(json_object_get(node, "facts"), "memory_mib");
	char used[TEXT_QUANTITY_SIZE], all[TEXT_QUANTITY_SIZE];

	if (total <= 0)
		table_cell(table, "");
	else
		table_cellf(table, "%s/%s",
			    text_format_mib(used, (uint64_t)field_number(node, "memory_used_mib")),
			    text_format_mib(all, (uint64_t)total));
}

static void row_of_node(struct table *table, const json_t *node, void *context)
{
	_cleanup_(freep) char *fences = node_fences(context, field_number(node, "id"));

	table_cell(table, field_text(node, "name"));
	show_node_state(table, node);
	table_cellf(table, "%s%s", field_true(node, "member") ? "yes" : "no",
		    field_true(node, "voter") ? ", voter" : "");
	table_cellf(table, "%" JSON_INTEGER_FORMAT, field_number(node, "vms"));
	cell_memory(table, node);
	table_cell_toned(table, *fences || field_true(node, "witness") ? TABLE_PLAIN : TABLE_WARN,
			 fences);
	table_cell(table, field_text(node, "why"));
}

int cmd_node_list(struct ctl *ctl, const struct cli_call *call)
{
	static const char *const columns[] = { "NAME",   "STATE", "MEMBER", "VMS",
					       "MEMORY", "FENCE", "REASON", NULL };
	struct ctl_error error = { 0 };
	json_t *fences = NULL;
	int exit;

	if (!ctl->json && !ctl_ask_list(ctl, ctl_request("fences"), &fences, &error))
		return ctl_fail(ctl, &error);
	exit = show_list(ctl, &(struct show_list){
				      .verb = "nodes",
				      .columns = columns,
				      .right = 1u << 3 | 1u << 4,
				      .row = row_of_node,
				      .context = fences,
				      .empty = "This node has not learnt of a cluster yet.",
			      });
	json_decref(fences);
	return exit;
}

/* ---- node show ---- */

/* What stands below it was told by a daemon that does not speak now. */
static void line_of_age(struct table *table, const json_t *node)
{
	json_int_t as_of_ms = field_number(node, "facts_as_of_ms");
	char time[SHOW_TIME_SIZE];

	if (!json_is_object(json_object_get(node, "facts")) ||
	    !json_is_false(json_object_get(node, "facts_current")))
		return;
	if (as_of_ms)
		show_linef(table, "last known",
			   "what follows is as of %s; it may be otherwise now",
			   show_time(time, as_of_ms));
	else
		show_line(table, "last known", "what follows is old; it may be otherwise now");
}

static void lines_of_facts(struct table *table, const json_t *facts)
{
	_cleanup_(freep) char *bridges = show_texts(json_object_get(facts, "bridges"));
	_cleanup_(freep) char *networks = show_texts(json_object_get(facts, "networks"));
	_cleanup_(freep) char *volumes = show_texts(json_object_get(facts, "volumes"));

	if (!json_is_object(facts))
		return;
	show_linef(table, "cpus", "%" JSON_INTEGER_FORMAT " %s %s%s", field_number(facts, "cpus"),
		   field_text(facts, "cpu_vendor"), field_text(facts, "cpu_model"),
		   field_true(facts, "kvm") ? "" : " (no KVM)");
	show_line(table, "libvirt", field_text(facts, "libvirt_version"));
	show_line(table, "qemu", field_text(facts, "qemu_version"));
	show_line(table, "kernel", field_text(facts, "kernel_version"));
	show_line(table, "clusterd", field_text(facts, "daemon_version"));
	show_line(table, "bridges", bridges);
	show_line(table, "networks", networks);
	show_line(table, "volumes", volumes);
	show_linef(table, "vm agent", "%s%s%s", field_true(facts, "agent_ok") ? "ok" : "not ok",
		   *field_text(facts, "agent_reason") ? ": " : "",
		   field_text(facts, "agent_reason"));
}

/* Its record says since when it was up; that it is not seen is news of this node. */
static void line_of_state(struct table *table, const json_t *node)
{
	const char *text = field_text(node, "state_text");
	bool unseen = strcmp(text, "not seen") == 0;
	json_int_t since_ms = field_number(node, unseen ? "seen_ms" : "since_ms");
	char since[SHOW_TIME_SIZE];

	if (unseen && !since_ms)
		show_line(table, "state", "not seen since clusterd began on this node");
	else
		show_linef(table, "state", "%s since %s", *text ? text : field_text(node, "state"),
			   show_time(since, since_ms));
}

static void print_node(struct ctl *ctl, const json_t *node, const json_t *fences)
{
	_cleanup_(table_freep) struct table *table = table_new_plain(2);
	_cleanup_(freep) char *devices = node_fences(fences, field_number(node, "id"));
	json_int_t memory = field_number(json_object_get(node, "facts"), "memory_mib");
	char used[TEXT_QUANTITY_SIZE], all[TEXT_QUANTITY_SIZE];

	show_line(table, "name", field_text(node, "name"));
	show_linef(table, "id", "%" JSON_INTEGER_FORMAT, field_number(node, "id"));
	line_of_state(table, node);
	show_as_of(table, node);
	show_line(table, "reason", field_text(node, "why"));
	show_line(table, "address", field_text(node, "address"));
	show_line(table, "domain", field_text(node, "failure_domain"));
	show_line(table, "placement", field_true(node, "drained") ? "no" : "yes");
	show_line(table, "witness", field_true(node, "witness") ? "yes" : "no");
	show_line(table, "voter", field_true(node, "voter")	? "yes"
				  : field_true(node, "no_vote") ? "no (vote=no)"
								: "no");
	show_line(table, "member", field_true(node, "member") ? "yes" : "no");
	show_line(table, "fence", *devices ? devices : "none: its death can not be proven");
	show_linef(table, "vms", "%" JSON_INTEGER_FORMAT, field_number(node, "vms"));
	if (field_number(node, "feature_max"))
		show_linef(table, "feature level", "knows up to %" JSON_INTEGER_FORMAT,
			   field_number(node, "feature_max"));
	line_of_age(table, node);
	if (memory > 0)
		show_linef(table, "memory", "%s used by VMs of %s",
			   text_format_mib(used, (uint64_t)field_number(node, "memory_used_mib")),
			   text_format_mib(all, (uint64_t)memory));
	lines_of_facts(table, json_object_get(node, "facts"));
	table_write(table, stdout, ctl->colour);
}

int cmd_node_show(struct ctl *ctl, const struct cli_call *call)
{
	const char *name = cli_word(call, 0);
	json_t *node = NULL, *fences = NULL;
	struct ctl_error error = { 0 };
	int exit = EXIT_OK;

	if (!ctl_ask_object(ctl, json_pack("{s:s,s:s}", "do", "node", "name", name), &node, &error))
		return ctl_fail(ctl, &error);
	if (ctl->json)
		return ctl_print_json(node);
	if (ctl_ask_list(ctl, ctl_request("fences"), &fences, &error))
		print_node(ctl, node, fences);
	else
		exit = ctl_fail(ctl, &error);
	json_decref(node);
	json_decref(fences);
	return exit;
}

int cmd_node_set(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s is changed" };

	return change_command(
		ctl, "node_set",
		json_pack("{s:s,s:o}", "name", change.name, "changes", params_changes(call, 1)),
		&change);
}

int cmd_node_add(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s is added" };
	const char *address = cli_value(call, "address"), *id = cli_value(call, "id");
	struct ctl_error error;
	uint64_t number = 0;
	json_t *fields;

	if (!address || !*address) {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "the node needs an address: give --address with a host "
				       "name or an IP address that the other nodes reach");
		return ctl_fail(ctl, &error);
	}
	if (id && text_parse_uint(id, 1, NODE_ID_MAX, &number) < 0) {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "'%s' is no node id: give Corosync's nodeid, 1 to %d", id,
				       NODE_ID_MAX);
		return ctl_fail(ctl, &error);
	}
	fields = json_pack("{s:s,s:s}", "name", change.name, "address", address);
	if (cli_value(call, "domain"))
		json_object_set_new(fields, "domain", json_string(cli_value(call, "domain")));
	if (cli_has(call, "witness"))
		json_object_set_new(fields, "witness", json_true());
	if (cli_has(call, "learner"))
		json_object_set_new(fields, "no_vote", json_true());
	if (number)
		json_object_set_new(fields, "id", json_integer((json_int_t)number));
	return change_command(ctl, "node_add", fields, &change);
}

int cmd_node_remove(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s is removed" };

	return change_command(ctl, "node_remove", json_pack("{s:s}", "name", change.name), &change);
}
