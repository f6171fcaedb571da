/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fence devices that operators hand in, with their secrets. */
#include "clusterd/shell/operator_write_private.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/shell/seal.h"

enum { PATH_SIZE = 256 };

bool writing_is_secret(const char *parameter)
{
	static const char *const parts[] = { "passw", "passphrase", "secret", "token",
					     "community" };

	/* Names a program, which is none. */
	if (strcasecmp(parameter, "passwd_script") == 0 ||
	    strcasecmp(parameter, "password_script") == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(parameter, parts[i]))
			return true;
	return false;
}

static int add_param(struct writing *writing, Wire__Fence *fence, const char *key,
		     const json_t *value)
{
	Wire__Param *param;
	const char *text = json_string_value(value);

	if (!text_valid_name(key, WIRE_NAME_MAX) || !text ||
	    strlen(text) != json_string_length(value) || strchr(text, '\n'))
		return REFUSE(writing, "invalid", "the parameter '%.60s' must be a name and a "
			      "text of one line", key);
	if (writing_is_secret(key))
		return REFUSE(writing, "invalid", "the parameter '%s' is a secret: give it with "
			      "--secret-stdin", key);
	param = wire_new(&wire__param__descriptor);
	wire_set(&param->key, key);
	wire_set(&param->value, text);
	fence->params[fence->n_params++] = param;
	return 0;
}

static int take_params(struct writing *writing, Wire__Fence *fence)
{
	json_t *params = json_object_get(writing->request, "params"), *value;
	const char *key;
	int error = 0;

	if (!params)
		return 0;
	if (!json_is_object(params) || json_object_size(params) > WIRE_LIST_MAX)
		return REFUSE(writing, "bad-request", "'params' must be an object of at most %d "
			      "texts", WIRE_LIST_MAX);
	fence->params = mem_new_array(Wire__Param *, json_object_size(params));
	json_object_foreach(params, key, value) {
		error = add_param(writing, fence, key, value);
		if (error)
			return error;
	}
	return 0;
}

static int add_target(struct writing *writing, Wire__Fence *fence, const json_t *json)
{
	Wire__FenceTarget *target = wire_new(&wire__fence_target__descriptor);
	const json_t *plug = json_object_get(json, "plug");

	fence->targets[fence->n_targets++] = target;
	if (plug && !json_is_null(plug) && !json_is_string(plug))
		return REFUSE(writing, "bad-request", "'plug' must be a text");
	wire_set(&target->plug, json_string_value(plug));
	return writing_find_node(writing, json_string_value(json_object_get(json, "node")),
				 &target->node);
}

static int take_targets(struct writing *writing, Wire__Fence *fence)
{
	const json_t *targets = json_object_get(writing->request, "targets");
	int error = 0;

	if (!json_is_array(targets) || json_array_size(targets) > WIRE_LIST_MAX)
		return REFUSE(writing, "bad-request", "'targets' must be a list of {node, plug}");
	fence->targets = mem_new_array(Wire__FenceTarget *, json_array_size(targets));
	for (size_t i = 0; !error && i < json_array_size(targets); i++)
		error = add_target(writing, fence, json_array_get(targets, i));
	return error;
}

/* Lines key=value; what it is must not appear in the refusal. */
static bool lines_are_fine(const char *secret)
{
	while (*secret) {
		const char *end = strchrnul(secret, '\n'), *equals = strchr(secret, '=');

		if (!equals || equals >= end || equals == secret)
			return false;
		for (; secret < equals; secret++)
			if (!isalnum((unsigned char)*secret) && *secret != '_' && *secret != '-')
				return false;
		secret = *end ? end + 1 : end;
	}
	return true;
}

static int seal_secret(struct writing *writing, Wire__Fence *fence, const char *secret)
{
	_cleanup_(seal_freep) struct seal *seal = NULL;
	struct buf sealed = { 0 };
	char why[WHY_SIZE] = "the key file cannot be read";
	int error;

	if (seal_load(writing->source->secret_key, &seal, why, sizeof(why)) < 0)
		return REFUSE(writing, "not-ready", "%s", why);
	error = seal_close(seal, fence->name, secret, strlen(secret), &sealed);
	if (error) {
		buf_free(&sealed);
		return REFUSE(writing, "invalid", "the secret cannot be sealed: it may have at "
			      "most %d bytes", SEAL_CLEAR_MAX);
	}
	fence->secret.data = sealed.data;
	fence->secret.len = sealed.len;
	return 0;
}

static int take_secret(struct writing *writing, Wire__Fence *fence)
{
	const char *secret = writing_text(writing, "secret");

	if (!writing_given(writing, "secret"))
		return 0;
	if (!secret || !lines_are_fine(secret) ||
	    !wire_text_ok(secret, strlen(secret), true))
		return REFUSE(writing, "invalid", "the secret must be lines key=value, like "
			      "password=…");
	return seal_secret(writing, fence, secret);
}

/*
 * Looked for on this node only. Another one may be asked to fence and lack it all the same; its
 * test would show that.
 */
static int check_agent(struct writing *writing, const char *agent)
{
	const struct writing_source *source = writing->source;
	const Wire__Node *node = state_node(source->state, source->node);
	char path[PATH_SIZE];

	/* What is no name of an agent, apply refuses. */
	if (strncmp(agent, "fence_", 6) != 0 || !text_valid_name(agent, WIRE_NAME_MAX))
		return 0;
	for (const char *const *dir = source->fence_dirs; *dir; dir++) {
		snprintf(path, sizeof(path), "%s/%s", *dir, agent);
		if (access(path, X_OK) == 0)
			return 0;
	}
	return REFUSE(writing, "invalid",
		      "the fence agent %s is not installed on %s: install it on every node (apt "
		      "install fence-agents), because any of them may have to fence", agent,
		      node ? node->name : "this node");
}

int writing_fence_add(struct writing *writing)
{
	static const char *const keys[] = { "name", "agent", "params", "targets", "secret",
					    "timeout_s", NULL };
	Wire__FenceAdd *add = wire_new(&wire__fence_add__descriptor);
	Wire__Fence *fence = add->fence = wire_new(&wire__fence__descriptor);
	const char *name = NULL, *agent = NULL;
	int error;

	writing->command->body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	writing->command->fence_add = add;
	error = writing_only_keys(writing, keys);
	if (!error)
		error = writing_need_text(writing, "name", &name);
	if (!error)
		error = writing_need_text(writing, "agent", &agent);
	if (error)
		return error;
	wire_set(&fence->name, name);
	wire_set(&fence->agent, agent);
	error = take_params(writing, fence);
	if (!error)
		error = take_targets(writing, fence);
	if (!error)
		error = writing_take_number(writing, "timeout_s", &fence->timeout_s);
	if (!error)
		error = check_agent(writing, agent);
	return error ? error : take_secret(writing, fence);
}
