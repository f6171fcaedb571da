/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"
#include "base/mem.h"
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/field.h"
#include "clusterctl/params.h"
#include "clusterctl/show.h"

/* ---- fence list ---- */

static char *targets_text(const json_t *fence, const json_t *nodes)
{
	struct buf out = { 0 };
	const json_t *target;
	size_t i;

	json_array_foreach(json_object_get(fence, "targets"), i, target) {
		const char *plug = field_text(target, "plug");

		buf_printf(&out, "%s%s%s%s", out.len ? ", " : "",
			   show_node(field_number(target, "node"), nodes), *plug ? "=" : "", plug);
	}
	return buf_steal_str(&out);
}

static char *params_text(const json_t *fence)
{
	struct buf out = { 0 };
	const json_t *param;
	size_t i;

	json_array_foreach(json_object_get(fence, "params"), i, param)
		buf_printf(&out, "%s%s=%s", out.len ? " " : "", field_text(param, "key"),
			   field_text(param, "value"));
	if (field_true(fence, "has_secret"))
		buf_printf(&out, "%s(and a secret)", out.len ? " " : "");
	return buf_steal_str(&out);
}

/* Of the last test; which node it was for is only worth a word where there are several. */
static char *result_text(const json_t *fence, const json_t *nodes)
{
	json_int_t node = field_number(fence, "test_node");
	bool has_others = json_array_size(json_object_get(fence, "targets")) > 1;

	return mem_printf("%s%s%s", has_others && node ? show_node(node, nodes) : "",
			  has_others && node ? ": " : "", field_text(fence, "test_result"));
}

/* Of several nodes the worst: one whose test failed, one without any, the oldest that was good. */
static void cell_tested(struct table *table, const json_t *fence)
{
	json_int_t tested_ms = 0, failed_ms = 0;
	char text[SHOW_TIME_SIZE];
	bool is_missing = false;
	const json_t *target;
	size_t i;

	json_array_foreach(json_object_get(fence, "targets"), i, target) {
		json_int_t good_ms = field_number(target, "tested_ms");
		json_int_t bad_ms = field_number(target, "failed_ms");

		failed_ms = bad_ms > failed_ms ? bad_ms : failed_ms;
		is_missing |= !good_ms && !bad_ms;
		tested_ms = good_ms && (!tested_ms || good_ms < tested_ms) ? good_ms : tested_ms;
	}
	if (failed_ms) {
		_cleanup_(freep) char *failed =
			mem_printf("failed %s", show_time(text, failed_ms));

		table_cell_toned(table, TABLE_WARN, failed);
	} else if (is_missing || !tested_ms)
		table_cell_toned(table, TABLE_WARN, tested_ms ? "not for all" : "never");
	else
		table_cell_toned(table, TABLE_GOOD, show_time(text, tested_ms));
}

static void row_of_fence(struct table *table, const json_t *fence, void *context)
{
	_cleanup_(freep) char *targets = targets_text(fence, context);
	_cleanup_(freep) char *params = params_text(fence);
	_cleanup_(freep) char *result = result_text(fence, context);

	table_cell(table, field_text(fence, "name"));
	table_cell(table, field_text(fence, "agent"));
	table_cell(table, targets);
	cell_tested(table, fence);
	table_cell(table, result);
	table_cell(table, params);
}

int cmd_fence_list(struct ctl *ctl, const struct cli_call *call)
{
	static const char *const columns[] = { "NAME",   "AGENT",  "NODES", "TESTED",
					       "RESULT", "PARAMS", NULL };
	struct ctl_error error = { 0 };
	json_t *nodes = NULL;
	int exit;

	if (!ctl->json && !ctl_ask_list(ctl, ctl_request("nodes"), &nodes, &error))
		return ctl_fail(ctl, &error);
	exit = show_list(
		ctl, &(struct show_list){
			     .verb = "fences",
			     .columns = columns,
			     .row = row_of_fence,
			     .context = nodes,
			     .empty = "There are no fence devices: no node's death can be proven, "
				      "nothing fails "
				      "over. clusterctl fence add adds one.",
		     });
	json_decref(nodes);
	return exit;
}

/* ---- one device ---- */

int cmd_fence_test(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s answers" };
	const char *node = cli_word(call, 1);
	struct ctl_error error = { 0 };
	json_int_t id = 0;

	if (node && !params_node_id(ctl, node, &id, &error))
		return ctl_fail(ctl, &error);
	return change_command(ctl, "fence_test",
			      json_pack("{s:s,s:I}", "name", change.name, "node", id), &change);
}

int cmd_fence_remove(struct ctl *ctl, const struct cli_call *call)
{
	struct change change = { .name = cli_word(call, 0), .done = "%s is removed" };

	return change_command(ctl, "fence_remove", json_pack("{s:s}", "name", change.name),
			      &change);
}
