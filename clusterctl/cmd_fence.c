// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/buf.h"
#include "base/mem.h"
#include "clusterctl/agent.h"
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/conf.h"
#include "clusterctl/field.h"
#include "clusterctl/params.h"
#include "clusterctl/secret.h"
#include "clusterctl/show.h"

#include <errno.h>
#include <unistd.h>

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

static void row_of_fence(struct table *table, const json_t *fence, void *context)
{
	_cleanup_(freep) char *targets = targets_text(fence, context);
	_cleanup_(freep) char *params = params_text(fence);
	json_int_t tested_ms = field_number(fence, "tested_ms");
	char text[SHOW_TIME_SIZE];

	table_cell(table, field_text(fence, "name"));
	table_cell(table, field_text(fence, "agent"));
	table_cell(table, targets);
	table_cell_toned(table, tested_ms ? TABLE_GOOD : TABLE_WARN,
			 tested_ms			       ? show_time(text, tested_ms)
			 : *field_text(fence, "test_result") ? "failed"
							       : "never");
	table_cell(table, field_text(fence, "test_result"));
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

/* ---- fence add ---- */

/* "n1=plug" as {"node": "n1", "plug": "plug"}. */
static json_t *target_of(const char *word)
{
	size_t len = strcspn(word, "=");

	return json_pack("{s:s%,s:s}", "node", word, len, "plug", word[len] ? word + len + 1 : "");
}

static json_t *targets_of(const struct cli_call *call)
{
	json_t *targets = json_array();

	for (size_t i = 0; i < call->given_n; i++)
		if (strcmp(call->given[i].option->name, "node") == 0)
			json_array_append_new(targets, target_of(call->given[i].value));
	return targets;
}

static bool read_stdin(struct buf *secret, struct ctl_error *ret_error)
{
	unsigned line = 0;
	int r = secret_read(STDIN_FILENO, secret, &line);

	if (r == 0)
		return true;
	if (r == -EINVAL)
		*ret_error = ctl_error_make(EXIT_USAGE, "invalid",
					    "line %u of stdin is not of the form KEY=VALUE: for a "
					    "password write password=…",
					    line);
	else
		*ret_error = ctl_error_make(EXIT_USAGE, "invalid", "no secret on stdin: %s",
					    r == -ENODATA ? "it is empty" : strerror(-r));
	return false;
}

static bool ask_terminal(const char *name, struct buf *secret, struct ctl_error *ret_error)
{
	_cleanup_(freep) char *question = mem_printf("Password of %s: ", name);
	int r = secret_ask(question, secret);

	if (r == 0)
		return true;
	*ret_error =
		ctl_error_make(EXIT_USAGE, "invalid", "no password: %s",
			       r == -ENOTTY ? "there is no terminal to ask at, use --secret-stdin"
			       : r == -ENODATA ? "nothing was typed"
			       : r == -EINTR   ? "interrupted"
					       : strerror(-r));
	return false;
}

static bool get_secret(const struct cli_call *call, struct buf *secret, struct ctl_error *ret_error)
{
	bool from_stdin = cli_has(call, "secret-stdin"), ask = cli_has(call, "ask-secret");

	if (from_stdin && ask) {
		*ret_error = ctl_error_make(EXIT_USAGE, "invalid",
					    "--secret-stdin and --ask-secret exclude each other");
		return false;
	}
	if (from_stdin)
		return read_stdin(secret, ret_error);
	return !ask || ask_terminal(cli_word(call, 0), secret, ret_error);
}

/* Before a disaster finds it out; the daemon cannot wait for the agent's answer. */
static bool agent_will_do(const char *agent, struct ctl_error *ret_error)
{
	_cleanup_(ctl_conf_free) struct ctl_conf conf = { 0 };
	_cleanup_(freep) char *why = NULL;

	ctl_conf_read(CLUSTERD_CONF_DIR "/clusterd.conf", &conf);
	if (!agent_proves_nothing(conf.agent_dir, agent, &why))
		return true;
	*ret_error = ctl_error_make(EXIT_FAILED, "invalid", "%s", why);
	return false;
}

int cmd_fence_add(struct ctl *ctl, const struct cli_call *call)
{
	_cleanup_(secret_wipe) struct buf secret = { 0 };
	struct change change = { .name = cli_word(call, 0),
				 .done = "%s is added; clusterctl fence test tests it" };
	struct ctl_error error = { 0 };
	json_t *request;

	if (!cli_has(call, "node")) {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "say which node the device fences: --node NODE");
		return ctl_fail(ctl, &error);
	}
	if (!agent_will_do(cli_word(call, 1), &error) || !get_secret(call, &secret, &error))
		return ctl_fail(ctl, &error);
	request = json_pack("{s:s,s:s,s:s,s:o,s:o}", "do", "fence-add", "name", change.name,
			    "agent", cli_word(call, 1), "targets", targets_of(call), "params",
			    params_object(call, 2));
	if (secret.len &&
	    json_object_set_new(request, "secret", json_string(buf_str(&secret))) < 0) {
		json_decref(request);
		error = ctl_error_make(EXIT_USAGE, "invalid", "the secret is not UTF-8 text");
		return ctl_fail(ctl, &error);
	}
	return change_run(ctl, request, &change);
}

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
