/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/operator_write_private.h"

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

enum { NUMBER_DIGITS = 16 };

/* ---------------------------------------------------------------- keys of a request */

const char *writing_text(const struct writing *writing, const char *key)
{
	const json_t *value = json_object_get(writing->request, key);
	const char *text = json_string_value(value);

	/* A zero byte would hide what follows it from every check. */
	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

bool writing_given(const struct writing *writing, const char *key)
{
	return json_object_get(writing->request, key) != NULL;
}

int writing_need_text(struct writing *writing, const char *key, const char **ret)
{
	const char *text = writing_text(writing, key);

	if (!text || !*text)
		return REFUSE(writing, "bad-request", "'%s' is missing or no text", key);
	*ret = text;
	return 0;
}

int writing_take_bool(struct writing *writing, const char *key, bool *value)
{
	const json_t *json = json_object_get(writing->request, key);

	if (json && !json_is_boolean(json))
		return REFUSE(writing, "bad-request", "'%s' must be true or false", key);
	if (json)
		*value = json_is_true(json);
	return 0;
}

int writing_take_number(struct writing *writing, const char *key, uint32_t *value)
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
int writing_take_id(struct writing *writing, const char *key, uint64_t *value)
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

int writing_take_word(struct writing *writing, const char *key, const ProtobufCEnumDescriptor *type,
		     int *value)
{
	_cleanup_(buf_free) struct buf why = { 0 };
	const char *text = writing_text(writing, key);

	if (!writing_given(writing, key))
		return 0;
	if (text && wire_enum_value(type, text, value) == 0)
		return 0;
	wire_enum_explain(type, key, text ? text : "", &why);
	return REFUSE(writing, "invalid", "%s", buf_str(&why));
}

int writing_find_node(struct writing *writing, const char *name, uint32_t *ret)
{
	const Wire__Node *node = name ? state_node_named(writing->source->state, name) : NULL;

	if (!node)
		return REFUSE(writing, "no-such", "there is no node '%s'; clusterctl node list "
			      "shows all", name ? name : "");
	*ret = (uint32_t)node->id;
	return 0;
}

/* The keys of vm_set are shorter than those of vm-add. */
static int refuse_twice(struct writing *writing, const char *key, const char *name)
{
	const char *word = strcmp(key, "possible_owners") == 0	  ? "owners"
			   : strcmp(key, "preferred_owners") == 0 ? "prefer"
								  : key;

	return REFUSE(writing, "invalid", "%s names %s twice: name it once", word, name);
}

/* A list of node names as node ids. */
int writing_take_nodes(struct writing *writing, const char *key, size_t *n, uint32_t **nodes)
{
	const json_t *list = json_object_get(writing->request, key);
	int error = 0;

	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > WIRE_LIST_MAX)
		return REFUSE(writing, "bad-request", "'%s' must be a list of node names", key);
	*nodes = mem_new_array(uint32_t, json_array_size(list));
	for (size_t i = 0; !error && i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		error = writing_find_node(writing, name, &(*nodes)[i]);
		*n = i + 1;
		for (size_t j = 0; !error && j < i; j++)
			if ((*nodes)[j] == (*nodes)[i])
				error = refuse_twice(writing, key, name);
	}
	return error;
}

int writing_only_keys(struct writing *writing, const char *const *keys)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)writing->request, name, value) {
		bool known = strcmp(name, "id") == 0 || strcmp(name, "do") == 0 ||
			     strcmp(name, "request") == 0;

		for (size_t i = 0; !known && keys[i]; i++)
			known = strcmp(name, keys[i]) == 0;
		if (!known)
			return REFUSE(writing, "bad-request", "there is no key '%.60s' in this "
				      "request: leave it out", name);
	}
	return 0;
}

/* ---------------------------------------------------------------- command */

/* What operators may say; everything else in the schema is between daemons. */
static const char *const bodies[] = {
	"vm_remove", "vm_set", "vm_want", "vm_move", "vm_cancel", "vm_accept", "fence_remove",
	"fence_test", "volume_add", "volume_remove", "setting_set", "node_set",
	"feature_raise",
	"node_add", "node_remove",
};

/* A change that is a list of nodes, "n1,n2", with each of them once. */
static int check_names(struct writing *writing, const Wire__Param *change)
{
	_cleanup_(freep) char *copy = mem_strdup(change->value);
	char *rest = copy, *name;

	if (strcmp(change->key, "owners") != 0 && strcmp(change->key, "prefer") != 0)
		return 0;
	while ((name = strsep(&rest, ",")) != NULL)
		for (const char *word = copy; *name && word < name; word += strlen(word) + 1)
			if (strcmp(word, name) == 0)
				return refuse_twice(writing, change->key, name);
	return 0;
}

static int check_changes(struct writing *writing, const Wire__VmSet *set)
{
	int error = 0;

	for (size_t i = 0; !error && i < set->n_changes; i++)
		error = check_names(writing, set->changes[i]);
	return error;
}

static int make_command(struct writing *writing)
{
	static const char *const keys[] = { "command", NULL };
	json_t *json = json_object_get(writing->request, "command");
	const char *name = json_object_iter_key(json_object_iter(json));
	ProtobufCMessage *command = NULL;
	char why[WHY_SIZE];
	bool allowed = false;
	int error = writing_only_keys(writing, keys);

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
	if (writing->command->body_case == WIRE__COMMAND__BODY_VM_SET)
		return check_changes(writing, writing->command->vm_set);
	return 0;
}

/* ---------------------------------------------------------------- any of them */

static const struct {
	const char *verb;
	int (*make)(struct writing *writing);
} verbs[] = {
	{ "command", make_command },
	{ "vm-add", writing_vm_add },
	{ "vm-edit", writing_vm_edit },
	{ "fence-add", writing_fence_add },
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
	error = writing_take_id(writing, "request", &command->request);
	if (error)
		return error;
	command->time_ms = source->wall_ms;
	command->node = source->node;
	command->boot_id = source->boot_id;
	wire_set(&command->who, source->who);
	error = wire_command_pack(command, &packed, &field);
	if (error == -EMSGSIZE)
		return REFUSE(writing, "limit", "%s is larger than it may be",
			      field ? field : "the command");
	if (error)
		return REFUSE(writing, "invalid", "%s is not clean text", field ? field : "It");
	return 0;
}

int writing_command(const char *verb, const json_t *request, const struct writing_source *source,
		    Wire__Command **ret, struct refusal *ret_refusal)
{
	struct writing writing = { source, request, NULL, ret_refusal };
	int error = REFUSE(&writing, "bad-request", "there is no request '%.60s'", verb);

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
