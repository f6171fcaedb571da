/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm add and vm dumpxml: definitions that come and go as files. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/text.h"
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/definition.h"
#include "clusterctl/field.h"
#include "clusterctl/params.h"

#include <errno.h>

enum { VALUES_MAX = 8 }; /* of one key */

/* ---- --set KEY=VALUE, as vm-add wants it ---- */

static bool put_bool(json_t *request, const char *field, const char *value)
{
	bool yes;

	if (text_parse_bool(value, &yes) < 0)
		return false;
	json_object_set_new(request, field, json_boolean(yes));
	return true;
}

static bool put_nodes(json_t *request, const char *field, const char *value)
{
	json_t *names = json_array();

	while (*value) {
		size_t len = strcspn(value, ",");

		if (len)
			json_array_append_new(names, json_stringn(value, len));
		value += len;
		value += *value == ',';
	}
	json_object_set_new(request, field, names);
	return true;
}

static bool put_seconds(json_t *request, const char *field, const char *value)
{
	uint64_t ms;

	if (text_parse_duration(value, &ms) < 0 || ms % 1000)
		return false;
	json_object_set_new(request, field, json_integer((json_int_t)(ms / 1000)));
	return true;
}

static bool put_text(json_t *request, const char *field, const char *value)
{
	json_object_set_new(request, field, json_string(value));
	return true;
}

/* What vm-add has a field for; the rest is set right after. */
static const struct {
	const char *key, *field;
	bool (*put)(json_t *request, const char *field, const char *value);
	const char *form;
} fields[] = {
	{ "priority", "priority", put_text, "high, medium or low" },
	{ "ha", "ha", put_bool, "yes or no" },
	{ "managed", "managed", put_bool, "yes or no" },
	{ "owners", "possible_owners", put_nodes, "names of nodes" },
	{ "prefer", "preferred_owners", put_nodes, "names of nodes" },
	{ "stop_timeout", "stop_timeout_s", put_seconds, "a time like 90s or 5m, at most 24h" },
};

/*
 * Of a key that has but a few values, whether this is one of them: what is refused here is refused
 * before anything is added.
 */
static bool check_value(const struct cli_key *key, const char *value, struct ctl_error *ret_error)
{
	_cleanup_(freep) char *copy = mem_strdup(key->values ? key->values : "");
	_cleanup_(buf_free) struct buf why = { 0 };
	const char *words[VALUES_MAX];
	char *rest = copy, *word;
	size_t n = 0;
	bool yes;

	while (n < VALUES_MAX && (word = strsep(&rest, " ")) != NULL && *word) {
		if (strcmp(word, value) == 0)
			return true;
		words[n++] = word;
	}
	if (n == 0 || (strcmp(words[0], "yes") == 0 && text_parse_bool(value, &yes) == 0))
		return true;
	nearest_explain(key->name, value, words, n, &why);
	*ret_error = ctl_error_make(EXIT_FAILED, "invalid", "%s", buf_str(&why));
	return false;
}

static bool put(json_t *request, json_t *later, const char *key, const char *value,
		struct ctl_error *ret_error)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(fields[i].key, key) != 0)
			continue;
		if (fields[i].put(request, fields[i].field, value))
			return true;
		*ret_error = ctl_error_make(EXIT_FAILED, "invalid", "%s is %s, not '%s'", key,
					    fields[i].form, value);
		return false;
	}
	json_array_append_new(later, json_pack("{s:s,s:s}", "key", key, "value", value));
	return true;
}

static bool put_settings(const struct cli_call *call, json_t *request, json_t *later,
			 struct ctl_error *ret_error)
{
	char key[PARAMS_KEY_MAX];
	const char *value;

	for (size_t i = 0; i < call->given_n; i++) {
		if (strcmp(call->given[i].option->name, "set") != 0)
			continue;
		if (cli_split(call->given[i].value, key, sizeof(key), &value) &&
		    (!check_value(cli_key(call->command, key), value, ret_error) ||
		     !put(request, later, key, value, ret_error)))
			return false;
	}
	return true;
}

/* ---- vm add ---- */

static bool read_definition(const char *path, struct buf *ret, struct ctl_error *ret_error)
{
	int r = params_read_text(path, CLIENT_REQUEST_MAX, ret);

	if (r == 0 && ret->len > 0)
		return true;
	*ret_error =
		ctl_error_make(EXIT_FAILED, "invalid", "%s: %s", path,
			       r == 0         ? "there is nothing in it"
			       : r == -EFBIG  ? "too large for a definition: the limit is 48 KiB"
			       : r == -EILSEQ ? "not UTF-8 text"
					      : strerror(-r));
	return false;
}

/*
 * The VM that a verdict is about: the definition has its name, but only the daemon reads those.
 * NULL if it is not told.
 */
static json_t *vm_of_record(struct ctl *ctl, const json_t *verdict)
{
	json_int_t id = field_number(verdict, json_object_get(verdict, "record") ? "record" : "id");
	struct ctl_error error = { 0 };
	json_t *vms = NULL, *found = NULL, *vm;
	size_t i;

	if (!ctl_ask_list(ctl, ctl_request("vms"), &vms, &error)) {
		ctl_error_free(&error);
		return NULL;
	}
	json_array_foreach(vms, i, vm)
		if (field_number(vm, "id") == id)
			found = json_incref(vm);
	json_decref(vms);
	return found;
}

/* What is not refused and should be mended all the same. */
static void say_warnings(const json_t *vm, json_t *verdict)
{
	json_t *warnings = json_object_get(vm, "warnings");
	const json_t *warning;
	size_t i;

	if (!json_is_array(warnings))
		return;
	json_object_set(verdict, "warnings", warnings);
	json_array_foreach(warnings, i, warning)
		ctl_say("Warning: %s", json_is_string(warning) ? json_string_value(warning) : "?");
}

/* Sets what vm-add has no field for. */
static bool set_later(struct ctl *ctl, const char *name, json_t *changes,
		      struct ctl_error *ret_error)
{
	json_t *verdict = NULL;
	struct ctl_error error = { 0 };

	if (ctl_change(ctl,
		       json_pack("{s:s,s:{s:{s:s,s:O}}}", "do", "command", "command", "vm_set",
				 "name", name, "changes", changes),
		       &verdict, &error)) {
		json_decref(verdict);
		return true;
	}
	*ret_error = ctl_error_make(error.exit, "invalid", "%s is added, but not all is set: %s",
				    name, error.text);
	ctl_error_free(&error);
	return false;
}

static int finish_add(struct ctl *ctl, json_t *verdict, const char *name, json_t *later)
{
	struct change change = { .name = name, .done = "%s is added", .adds = true };
	struct ctl_error error = { 0 };

	if (!json_array_size(later) || set_later(ctl, name, later, &error))
		return change_finish(ctl, verdict, &change);
	json_decref(verdict);
	return ctl_fail(ctl, &error);
}

static int add(struct ctl *ctl, json_t *request, json_t *later)
{
	struct ctl_error error = { 0 };
	json_t *verdict = NULL, *vm;
	int exit;

	if (!ctl_change(ctl, request, &verdict, &error))
		return ctl_fail(ctl, &error);
	vm = vm_of_record(ctl, verdict);
	say_warnings(vm, verdict);
	exit = finish_add(ctl, verdict, vm ? field_text(vm, "name") : "the VM",
			  vm ? later : NULL);
	json_decref(vm);
	return exit;
}

int cmd_vm_add(struct ctl *ctl, const struct cli_call *call)
{
	_cleanup_(buf_free) struct buf xml = { 0 };
	struct ctl_error error = { 0 };
	json_t *request, *later;
	int exit;

	if (!read_definition(cli_word(call, 0), &xml, &error))
		return ctl_fail(ctl, &error);
	request = json_pack("{s:s,s:s,s:s}", "do", "vm-add", "xml", buf_str(&xml), "wanted",
			    cli_has(call, "stopped") ? "stopped" : "running");
	later = json_array();
	if (put_settings(call, request, later, &error)) {
		exit = add(ctl, request, later);
	} else {
		json_decref(request);
		exit = ctl_fail(ctl, &error);
	}
	json_decref(later);
	return exit;
}

/* ---- vm dumpxml ---- */

bool definition_get(struct ctl *ctl, const char *name, char **ret_xml, struct ctl_error *ret_error)
{
	json_t *records = NULL;
	struct buf xml = { 0 };
	const json_t *part;
	size_t i;

	if (!ctl_ask(ctl, json_pack("{s:s,s:s}", "do", "dumpxml", "name", name), &records,
		     ret_error))
		return false;
	json_array_foreach(records, i, part)
		buf_append_str(&xml, field_text(part, "xml"));
	json_decref(records);
	*ret_xml = buf_steal_str(&xml);
	return true;
}

int cmd_vm_dumpxml(struct ctl *ctl, const struct cli_call *call)
{
	const char *name = cli_word(call, 0);
	_cleanup_(freep) char *xml = NULL;
	struct ctl_error error = { 0 };
	size_t len;

	if (!definition_get(ctl, name, &xml, &error))
		return ctl_fail(ctl, &error);
	if (ctl->json)
		return ctl_print_json(json_pack("{s:s,s:s}", "name", name, "xml", xml));
	len = strlen(xml);
	fputs(xml, stdout);
	if (len && xml[len - 1] != '\n')
		fputc('\n', stdout);
	return EXIT_OK;
}
