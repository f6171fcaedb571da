// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterd/shell/operator_write.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterd/shell/seal.h"
#include "clusterd/shell/shell.h"
#include "domain/essence.h"
#include "domain/xml.h"
#include "wire/check.h"
#include "wire/command.h"
#include "wire/json.h"

enum { WHY_SIZE = 500, NUMBER_DIGITS = 16, PATH_SIZE = 256 };

/* What is being made. */
struct writing {
	const struct writing_source *source;
	const json_t *request;
	Wire__Command *command;
	struct refusal *refusal;
};

#define REFUSE(writing, ...) (refuse((writing)->refusal, __VA_ARGS__), -EINVAL)

/* ---------------------------------------------------------------- keys of a request */

static const char *text_of(const struct writing *writing, const char *key)
{
	const json_t *value = json_object_get(writing->request, key);
	const char *text = json_string_value(value);

	/* A zero byte would hide what follows it from every check. */
	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool given(const struct writing *writing, const char *key)
{
	return json_object_get(writing->request, key) != NULL;
}

static int need_text(struct writing *writing, const char *key, const char **ret)
{
	const char *text = text_of(writing, key);

	if (!text || !*text)
		return REFUSE(writing, "bad-request", "'%s' is missing or no text", key);
	*ret = text;
	return 0;
}

static int take_bool(struct writing *writing, const char *key, bool *value)
{
	const json_t *json = json_object_get(writing->request, key);

	if (json && !json_is_boolean(json))
		return REFUSE(writing, "bad-request", "'%s' must be true or false", key);
	if (json)
		*value = json_is_true(json);
	return 0;
}

static int take_number(struct writing *writing, const char *key, uint32_t *value)
{
	const json_t *json = json_object_get(writing->request, key);

	if (json && (!json_is_integer(json) || json_integer_value(json) < 0 ||
		     json_integer_value(json) > UINT32_MAX))
		return REFUSE(writing, "bad-request", "'%s' must be a number", key);
	if (json)
		*value = (uint32_t)json_integer_value(json);
	return 0;
}

/* "0x" and 16 hex digits, or a number; what the reader writes may come back. */
static int take_id(struct writing *writing, const char *key, uint64_t *value)
{
	const json_t *json = json_object_get(writing->request, key);
	const char *text = json_string_value(json);
	char *end = NULL;

	if (!json)
		return 0;
	if (json_is_integer(json) && json_integer_value(json) > 0) {
		*value = (uint64_t)json_integer_value(json);
		return 0;
	}
	if (text && strncmp(text, "0x", 2) == 0 && isxdigit((unsigned char)text[2]) &&
	    strlen(text) <= 2 + NUMBER_DIGITS) {
		*value = strtoull(text + 2, &end, 16);
		if (*end == '\0' && *value != 0)
			return 0;
	}
	return REFUSE(writing, "bad-request", "'%s' must be \"0x\" and up to 16 hex digits, and "
		      "not 0", key);
}

static int take_word(struct writing *writing, const char *key, const ProtobufCEnumDescriptor *type,
		     int *value)
{
	const char *text = text_of(writing, key);

	if (!given(writing, key))
		return 0;
	if (!text || wire_enum_value(type, text, value) < 0)
		return REFUSE(writing, "invalid", "'%s' is no value of '%s'", text ? text : "that",
			      key);
	return 0;
}

static int find_node(struct writing *writing, const char *name, uint32_t *ret)
{
	const Wire__Node *node = name ? state_node_named(writing->source->state, name) : NULL;

	if (!node)
		return REFUSE(writing, "no-such", "There is no node '%s': see clusterctl node "
			      "list", name ? name : "");
	*ret = (uint32_t)node->id;
	return 0;
}

/* A list of node names as node ids. */
static int take_nodes(struct writing *writing, const char *key, size_t *n, uint32_t **nodes)
{
	const json_t *list = json_object_get(writing->request, key);
	int error = 0;

	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > WIRE_LIST_MAX)
		return REFUSE(writing, "bad-request", "'%s' must be a list of node names", key);
	*nodes = mem_new_array(uint32_t, json_array_size(list));
	for (size_t i = 0; !error && i < json_array_size(list); i++) {
		error = find_node(writing, json_string_value(json_array_get(list, i)),
				  &(*nodes)[i]);
		*n = i + 1;
	}
	return error;
}

static int only_keys(struct writing *writing, const char *const *keys)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)writing->request, name, value) {
		bool known = strcmp(name, "id") == 0 || strcmp(name, "do") == 0 ||
			     strcmp(name, "request") == 0;

		for (size_t i = 0; !known && keys[i]; i++)
			known = strcmp(name, keys[i]) == 0;
		if (!known)
			return REFUSE(writing, "bad-request", "There is no key '%.60s' in this "
				      "request: leave it out", name);
	}
	return 0;
}

/* ---------------------------------------------------------------- command */

/* What operators may say; everything else in the schema is between daemons. */
static const char *const bodies[] = {
	"vm_remove", "vm_set", "vm_want", "vm_move", "vm_cancel", "vm_accept", "fence_remove",
	"fence_test", "volume_add", "volume_remove", "setting_set", "node_set",
};

static int make_command(struct writing *writing)
{
	static const char *const keys[] = { "command", NULL };
	json_t *json = json_object_get(writing->request, "command");
	const char *name = json_object_iter_key(json_object_iter(json));
	ProtobufCMessage *command = NULL;
	char why[WHY_SIZE];
	bool allowed = false;
	int error = only_keys(writing, keys);

	if (error)
		return error;
	if (!json_is_object(json) || json_object_size(json) != 1)
		return REFUSE(writing, "bad-request", "'command' must be an object with one "
			      "member, the name of the command");
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		allowed |= strcmp(bodies[i], name) == 0;
	if (!allowed)
		return REFUSE(writing, "bad-request", "'%.60s' is no command for operators", name);
	error = wire_from_json(json, &wire__command__descriptor, &command, why, sizeof(why));
	if (error)
		return REFUSE(writing, "invalid", "%s", why);
	wire_free(writing->command);
	writing->command = (Wire__Command *)(void *)command;
	/* null is the same as nothing. */
	if (writing->command->body_case == WIRE__COMMAND__BODY__NOT_SET)
		return REFUSE(writing, "bad-request", "'%.60s' says nothing", name);
	return 0;
}

/* ---------------------------------------------------------------- definitions */

/* Reads the definition of the request. What lies on a volume of the cluster is not local. */
static int read_definition(struct writing *writing, const char *uuid, bool local_is_fine,
			   struct domain **ret)
{
	const struct state *state = writing->source->state;
	size_t n = state_count(state, WIRE__TABLE__TABLE_VOLUME);
	_cleanup_(freep) const char **volumes = mem_new_array(const char *, n);
	struct domain_rules rules = { .uuid = uuid, .volumes = volumes, .volumes_n = n,
				      .refuse_local_state = !local_is_fine };
	char why[DOMAIN_WHY_SIZE];
	const char *xml;
	int error = need_text(writing, "xml", &xml);

	if (error)
		return error;
	for (size_t i = 0; i < n; i++)
		volumes[i] = ((const Wire__Volume *)state_at(state, WIRE__TABLE__TABLE_VOLUME, i))
				     ->target;
	error = domain_read(xml, strlen(xml), &rules, ret, why, sizeof(why));
	if (error)
		return REFUSE(writing, "invalid", "%s", why);
	return 0;
}

static char *canonical(const struct domain *domain)
{
	struct buf xml = { 0 };

	domain_canonical(domain, &xml);
	return buf_steal_str(&xml);
}

static int take_vm_keys(struct writing *writing, Wire__Vm *vm)
{
	bool managed = true, ha = true;
	int error, wanted = WIRE__VM__WANTED__RUNNING, priority = WIRE__VM__PRIORITY__MEDIUM;

	error = take_word(writing, "wanted", &wire__vm__wanted__descriptor, &wanted);
	if (!error)
		error = take_word(writing, "priority", &wire__vm__priority__descriptor, &priority);
	if (!error)
		error = take_bool(writing, "managed", &managed);
	if (!error)
		error = take_bool(writing, "ha", &ha);
	if (!error)
		error = take_number(writing, "stop_timeout_s", &vm->stop_timeout_s);
	if (!error)
		error = take_nodes(writing, "possible_owners", &vm->n_possible_owners,
				   &vm->possible_owners);
	if (!error)
		error = take_nodes(writing, "preferred_owners", &vm->n_preferred_owners,
				   &vm->preferred_owners);
	vm->wanted = (Wire__Vm__Wanted)wanted;
	vm->priority = (Wire__Vm__Priority)priority;
	vm->unmanaged = !managed;
	vm->no_ha = !ha;
	return error;
}

static int make_vm_add(struct writing *writing)
{
	static const char *const keys[] = { "xml", "wanted", "managed", "ha", "priority",
					    "possible_owners", "preferred_owners",
					    "stop_timeout_s", NULL };
	_cleanup_(domain_freep) struct domain *domain = NULL;
	Wire__VmAdd *add = wire_new(&wire__vm_add__descriptor);
	char uuid[SHELL_UUID_SIZE];
	int error;

	writing->command->body_case = WIRE__COMMAND__BODY_VM_ADD;
	writing->command->vm_add = add;
	add->vm = wire_new(&wire__vm__descriptor);
	error = only_keys(writing, keys);
	if (!error)
		error = take_vm_keys(writing, add->vm);
	shell_uuid(uuid);
	if (!error)
		error = read_definition(writing, uuid, add->vm->no_ha, &domain);
	if (error)
		return error;
	wire_set(&add->vm->name, domain_name(domain));
	wire_set(&add->vm->uuid, domain_uuid(domain));
	add->vm->xml = canonical(domain);
	add->vm->essence = wire_dup(&domain_essence(domain)->base);
	return 0;
}

/* The digest that apply compares is of the text; what the edit began with may be told by either. */
static int check_digest(struct writing *writing, const Wire__Vm *vm, uint64_t *ret)
{
	uint64_t of_text = digest_bytes(vm->xml, strlen(vm->xml)), told = 0;
	int error = take_id(writing, "digest", &told);

	if (error || !told)
		return error;
	if (told != of_text && !(vm->essence && told == vm->essence->digest))
		return REFUSE(writing, "stale", "The definition of %s was changed by somebody "
			      "else meanwhile: edit again, from the new one", vm->name);
	*ret = of_text;
	return 0;
}

static int make_vm_edit(struct writing *writing)
{
	static const char *const keys[] = { "name", "xml", "digest", NULL };
	_cleanup_(domain_freep) struct domain *domain = NULL;
	Wire__VmEdit *edit = wire_new(&wire__vm_edit__descriptor);
	const Wire__Vm *vm = NULL;
	const char *name;
	int error;

	writing->command->body_case = WIRE__COMMAND__BODY_VM_EDIT;
	writing->command->vm_edit = edit;
	error = only_keys(writing, keys);
	if (!error)
		error = need_text(writing, "name", &name);
	if (error)
		return error;
	vm = state_vm_named(writing->source->state, name);
	if (!vm)
		return REFUSE(writing, "no-such", "There is no VM '%s': see clusterctl vm list",
			      name);
	error = check_digest(writing, vm, &edit->digest);
	if (!error)
		error = read_definition(writing, vm->uuid, vm->no_ha, &domain);
	if (error)
		return error;
	if (strcmp(domain_uuid(domain), vm->uuid) != 0 ||
	    strcmp(domain_name(domain), vm->name) != 0)
		return REFUSE(writing, "invalid", "The name and the uuid of %s stay as they are: "
			      "put them back, or add another VM", vm->name);
	wire_set(&edit->name, vm->name);
	edit->xml = canonical(domain);
	edit->essence = wire_dup(&domain_essence(domain)->base);
	return 0;
}

/* ---------------------------------------------------------------- fence devices */

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
		return REFUSE(writing, "invalid", "The parameter '%.60s' must be a name and a "
			      "text of one line", key);
	if (writing_is_secret(key))
		return REFUSE(writing, "invalid", "The parameter '%s' is a secret: give it with "
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
	return find_node(writing, json_string_value(json_object_get(json, "node")), &target->node);
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
	char why[WHY_SIZE] = "The key file cannot be read";
	int error;

	if (seal_load(writing->source->secret_key, &seal, why, sizeof(why)) < 0)
		return REFUSE(writing, "not-ready", "%s", why);
	error = seal_close(seal, fence->name, secret, strlen(secret), &sealed);
	if (error) {
		buf_free(&sealed);
		return REFUSE(writing, "invalid", "The secret cannot be sealed: it may have at "
			      "most %d bytes", SEAL_CLEAR_MAX);
	}
	fence->secret.data = sealed.data;
	fence->secret.len = sealed.len;
	return 0;
}

static int take_secret(struct writing *writing, Wire__Fence *fence)
{
	const char *secret = text_of(writing, "secret");

	if (!given(writing, "secret"))
		return 0;
	if (!secret || !lines_are_fine(secret) ||
	    !wire_text_ok(secret, strlen(secret), true))
		return REFUSE(writing, "invalid", "The secret must be lines key=value, like "
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
		      "The fence agent %s is not installed on %s: install it on every node (apt "
		      "install fence-agents), because any of them may have to fence", agent,
		      node ? node->name : "this node");
}

static int make_fence_add(struct writing *writing)
{
	static const char *const keys[] = { "name", "agent", "params", "targets", "secret",
					    "timeout_s", NULL };
	Wire__FenceAdd *add = wire_new(&wire__fence_add__descriptor);
	Wire__Fence *fence = add->fence = wire_new(&wire__fence__descriptor);
	const char *name = NULL, *agent = NULL;
	int error;

	writing->command->body_case = WIRE__COMMAND__BODY_FENCE_ADD;
	writing->command->fence_add = add;
	error = only_keys(writing, keys);
	if (!error)
		error = need_text(writing, "name", &name);
	if (!error)
		error = need_text(writing, "agent", &agent);
	if (error)
		return error;
	wire_set(&fence->name, name);
	wire_set(&fence->agent, agent);
	error = take_params(writing, fence);
	if (!error)
		error = take_targets(writing, fence);
	if (!error)
		error = take_number(writing, "timeout_s", &fence->timeout_s);
	if (!error)
		error = check_agent(writing, agent);
	return error ? error : take_secret(writing, fence);
}

/* ---------------------------------------------------------------- any of them */

static const struct {
	const char *verb;
	int (*make)(struct writing *writing);
} verbs[] = {
	{ "command", make_command },
	{ "vm-add", make_vm_add },
	{ "vm-edit", make_vm_edit },
	{ "fence-add", make_fence_add },
};

bool writing_knows(const char *verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			return true;
	return false;
}

static int finish(struct writing *writing)
{
	const struct writing_source *source = writing->source;
	_cleanup_(buf_free) struct buf packed = { 0 };
	Wire__Command *command = writing->command;
	const char *field = NULL;
	int error;

	command->request = source->random;
	error = take_id(writing, "request", &command->request);
	if (error)
		return error;
	command->time_ms = source->wall_ms;
	command->node = source->node;
	command->boot_id = source->boot_id;
	wire_set(&command->who, source->who);
	error = wire_command_pack(command, &packed, &field);
	if (error == -EMSGSIZE)
		return REFUSE(writing, "limit", "%s is larger than it may be",
			      field ? field : "The command");
	if (error)
		return REFUSE(writing, "invalid", "%s is not clean text", field ? field : "It");
	return 0;
}

int writing_command(const char *verb, const json_t *request, const struct writing_source *source,
		    Wire__Command **ret, struct refusal *ret_refusal)
{
	struct writing writing = { source, request, NULL, ret_refusal };
	int error = REFUSE(&writing, "bad-request", "There is no request '%.60s'", verb);

	writing.command = wire_new(&wire__command__descriptor);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			error = verbs[i].make(&writing);
	if (!error)
		error = finish(&writing);
	if (error) {
		wire_free(writing.command);
		return error;
	}
	*ret = writing.command;
	return 0;
}
