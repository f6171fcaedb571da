/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device is added and tested in one: what was never tested protects nothing. */
#include "base/buf.h"
#include "base/mem.h"
#include "clusterctl/agent.h"
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/conf.h"
#include "clusterctl/field.h"
#include "clusterctl/params.h"
#include "clusterctl/secret.h"
#include "clusterctl/tested.h"
#include "clusterctl/wait.h"

#include <errno.h>
#include <unistd.h>

/* ---- what it is told ---- */

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

/* ---- what its agent says of itself ---- */

static struct ctl_error unknown_param(const char *name, const char *what, const char *near)
{
	return ctl_error_make(EXIT_USAGE, "invalid",
			      "%s has no parameter %s;%s%s%s %s -o metadata shows all", name, what,
			      near ? " did you mean '" : "", near ? near : "", near ? "'?" : "",
			      name);
}

/* Before a disaster finds it out; the daemon cannot wait for the agent's answer. */
static bool agent_will_do(const struct agent *agent, const struct cli_call *call,
			  struct ctl_error *ret_error)
{
	char key[PARAMS_KEY_MAX];
	const char *value, *near;

	if (agent->proves_nothing) {
		*ret_error = ctl_error_make(EXIT_FAILED, "invalid", "%s", agent->proves_nothing);
		return false;
	}
	for (size_t i = 2; i < call->words_n; i++) {
		_cleanup_(freep) char *what = NULL;

		if (!cli_split(call->words[i], key, sizeof(key), &value) ||
		    agent_takes(agent, key, &near))
			continue;
		what = mem_printf("'%s'", key);
		*ret_error = unknown_param(cli_word(call, 1), what, near);
		return false;
	}
	return true;
}

/* Only which line it is, for all of it may be the secret. */
static bool agent_takes_secret(const struct agent *agent, const char *name,
			       const struct buf *secret, struct ctl_error *ret_error)
{
	const char *line = secret->len ? buf_str(secret) : "", *near;

	for (unsigned n = 1; *line; n++) {
		_cleanup_(freep) char *key = mem_strndup(line, strcspn(line, "=\n"));
		_cleanup_(freep) char *what = NULL;

		line += strcspn(line, "\n");
		line += *line == '\n';
		if (!*key || agent_takes(agent, key, &near))
			continue;
		what = mem_printf("of the name in line %u of the secret", n);
		*ret_error = unknown_param(name, what, near);
		return false;
	}
	return true;
}

/* ---- its tests ---- */

/* One for each node that it fences, one after the other: many devices take one login at a time. */
struct testing {
	const char *name;
	json_t *tests;		/* of --json: {"node", "op", "operation" or "error"} of each */
	struct buf failed;	/* nodes for which it was not good, with a comma in between */
	const char *first;	/* of those */
	size_t nodes_n, failed_n;
};

static json_t *begin_test(struct ctl *ctl, const char *device, const char *node,
			  struct ctl_error *ret_error)
{
	json_t *verdict = NULL;
	json_int_t id = 0;

	if (!params_node_id(ctl, node, &id, ret_error))
		return NULL;
	ctl_change(ctl,
		   json_pack("{s:s,s:{s:{s:s,s:I}}}", "do", "command", "command", "fence_test",
			     "name", device, "node", id),
		   &verdict, ret_error);
	return verdict;
}

static int test_unknown(json_t *test, const struct ctl_error *error)
{
	json_object_set_new(test, "error",
			    json_pack("{s:s,s:s}", "code", error->code, "text", error->text));
	return (int)error->exit;
}

/* Returns the exit; what went wrong on our way to the answer is in ret_error. */
static int test_one(struct ctl *ctl, struct testing *testing, const char *node,
		    struct ctl_error *ret_error)
{
	json_t *verdict = begin_test(ctl, testing->name, node, ret_error), *operation = NULL;
	json_int_t op = field_number(verdict, "op");
	json_t *test = json_pack("{s:s,s:I}", "node", node, "op", op);
	int exit = EXIT_OK;

	testing->nodes_n++;
	json_array_append_new(testing->tests, test);
	json_decref(verdict);
	if (!verdict)
		return test_unknown(test, ret_error);
	if (!ctl->wait) {
		ctl_say("operation %" JSON_INTEGER_FORMAT " has begun; not waiting for it", op);
		return EXIT_OK;
	}
	if (!wait_operation(ctl, op, &operation, ret_error))
		return test_unknown(test, ret_error);
	exit = tested_say(ctl, operation, false, (int)wait_exit(operation, false));
	json_object_set_new(test, "operation", operation);
	if (exit != EXIT_OK && testing->failed_n++ == 0)
		testing->first = node;
	if (exit != EXIT_OK)
		buf_printf(&testing->failed, "%s%s", testing->failed.len ? ", " : "", node);
	return exit;
}

static void say_failed(const struct testing *testing)
{
	bool has_others = testing->nodes_n > 1;

	ctl_say("%s is recorded, but protects nothing%s%s until it is mended: put that right and "
		"clusterctl fence test %s%s%s, or clusterctl fence remove %s and add it anew",
		testing->name, has_others ? " on " : "",
		has_others ? buf_str(&testing->failed) : "", testing->name,
		has_others ? " " : "", has_others ? testing->first : "", testing->name);
}

/* Takes the verdict of the device that was added. */
static int test_all(struct ctl *ctl, const struct cli_call *call, json_t *verdict)
{
	struct testing testing = { .name = cli_word(call, 0), .tests = json_array() };
	json_t *targets = targets_of(call), *target;
	struct ctl_error error = { 0 };
	int exit = EXIT_OK;
	size_t i;

	ctl_say("%s is added", testing.name);
	json_array_foreach(targets, i, target) {
		int one = test_one(ctl, &testing, field_text(target, "node"), &error);

		exit = exit == EXIT_OK ? one : exit;
		if (error.text)
			break;
	}
	json_object_set_new(verdict, "tests", testing.tests);
	if (ctl->json)
		ctl_print_json(json_incref(verdict));
	ctl->silent |= ctl->json;
	if (testing.failed_n)
		say_failed(&testing);
	if (error.text) {
		ctl_say("%s is recorded, but protects nothing until it is tested: clusterctl "
			"fence test %s", testing.name, testing.name);
		exit = ctl_fail(ctl, &error);
	}
	buf_free(&testing.failed);
	json_decref(targets);
	json_decref(verdict);
	return exit;
}

/* ---- all of it ---- */

static json_t *request_of(const struct cli_call *call, const struct buf *secret)
{
	json_t *request = json_pack("{s:s,s:s,s:s,s:o,s:o}", "do", "fence-add", "name",
				    cli_word(call, 0), "agent", cli_word(call, 1), "targets",
				    targets_of(call), "params", params_object(call, 2));

	if (secret->len == 0 ||
	    json_object_set_new(request, "secret", json_string(buf_str(secret))) == 0)
		return request;
	json_decref(request);
	return NULL;
}

int cmd_fence_add(struct ctl *ctl, const struct cli_call *call)
{
	_cleanup_(secret_wipe) struct buf secret = { 0 };
	_cleanup_(freep) char *done = mem_printf("%%s is added; it protects nothing until it is "
						 "tested: clusterctl fence test %s",
						 cli_word(call, 0));
	struct change change = { .name = cli_word(call, 0), .done = done };
	_cleanup_(agent_free) struct agent agent = { 0 };
	_cleanup_(ctl_conf_free) struct ctl_conf conf = { 0 };
	struct ctl_error error = { 0 };
	json_t *request, *verdict = NULL;

	if (!cli_has(call, "node")) {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "say which node the device fences: --node NODE");
		return ctl_fail(ctl, &error);
	}
	ctl_conf_read(CLUSTERD_CONF_DIR "/clusterd.conf", &conf);
	agent_look(conf.agent_dir, cli_word(call, 1), &agent);
	if (!agent_will_do(&agent, call, &error) || !get_secret(call, &secret, &error) ||
	    !agent_takes_secret(&agent, cli_word(call, 1), &secret, &error))
		return ctl_fail(ctl, &error);
	request = request_of(call, &secret);
	if (!request) {
		error = ctl_error_make(EXIT_USAGE, "invalid", "the secret is not UTF-8 text");
		return ctl_fail(ctl, &error);
	}
	if (!ctl_change(ctl, request, &verdict, &error))
		return ctl_fail(ctl, &error);
	return cli_has(call, "no-test") ? change_finish(ctl, verdict, &change)
					: test_all(ctl, call, verdict);
}
