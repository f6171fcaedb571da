/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/hint.h"

#include "base/mem.h"
#include "base/nearest.h"

#include <string.h>

#define DIGITS "0123456789"

enum { NAMES_MAX = 1024, KEY_MAX = 64, HINT_MIN = 4 };

struct hint {
	struct ctl *ctl;
	const char *sentence;
};

static bool is_quoted(const char *sentence, const char *name)
{
	_cleanup_(freep) char *quoted = mem_printf("'%s'", name);

	return *name && strstr(sentence, quoted);
}

/*
 * Names of a row differ in a number: n9 is no misspelt n1, and who takes the hint may remove the
 * wrong one. Of a name as short as that, any letter may be what it is told by.
 */
static bool may_be_meant(const char *typed, const char *near)
{
	size_t typed_n, near_n, i = 0, j = 0;

	if (strlen(typed) < HINT_MIN || strlen(near) < HINT_MIN)
		return false;
	/* Numbers have to be the same. */
	do {
		i += strcspn(typed + i, DIGITS);
		j += strcspn(near + j, DIGITS);
		typed_n = strspn(typed + i, DIGITS);
		near_n = strspn(near + j, DIGITS);
		if (typed_n != near_n || memcmp(typed + i, near + j, typed_n) != 0)
			return false;
		i += typed_n;
		j += near_n;
	} while (typed_n > 0);
	return true;
}

/* The near one among the names of a kind; NULL if there is none or the name itself is there. */
static const char *near_name(const json_t *list, const char *name)
{
	const char *names[NAMES_MAX];
	const json_t *item;
	const char *near;
	size_t i, n = 0;

	json_array_foreach(list, i, item) {
		if (strcmp(json_string_value(item), name) == 0)
			return NULL;
		if (n < ARRAY_SIZE(names))
			names[n++] = json_string_value(item);
	}
	near = nearest_word(name, names, n);
	return near && may_be_meant(name, near) ? near : NULL;
}

/* Returns whether it was said. Operations have numbers, and no number is nearer than another. */
static bool try_name(struct hint *hint, enum cli_kind kind, const char *name)
{
	json_t *list = NULL;
	const char *near;

	if (kind == CLI_OPERATION || !is_quoted(hint->sentence, name) ||
	    !ctl_names(hint->ctl, kind, &list))
		return false;
	near = near_name(list, name);
	if (near)
		ctl_say("Did you mean '%s'?", near);
	json_decref(list);
	return near;
}

/* "n1,n2", or "n1=plug". */
static bool try_list(struct hint *hint, enum cli_kind kind, const char *text)
{
	_cleanup_(freep) char *copy = mem_strdup(text);
	char *rest = copy, *name;

	while ((name = strsep(&rest, ",")) != NULL) {
		name[strcspn(name, "=")] = '\0';
		if (try_name(hint, kind, name))
			return true;
	}
	return false;
}

static bool try_word(struct hint *hint, enum cli_kind kind, const char *word)
{
	const struct cli_command *command = hint->ctl->call->command;
	const struct cli_key *key;
	char name[KEY_MAX];
	const char *value;

	if (kind != CLI_KEYS)
		return try_list(hint, kind, word);
	if (!command->keys || !cli_split(word, name, sizeof(name), &value))
		return false;
	key = cli_key(command, name);
	return key && try_list(hint, key->kind, value);
}

void hint_say(struct ctl *ctl, const char *sentence)
{
	struct hint hint = { ctl, sentence };
	const struct cli_call *call = ctl->call;

	if (strstr(sentence, "did you mean"))
		return;
	for (size_t i = 0; call && i < call->words_n; i++) {
		const struct cli_arg *arg = cli_arg(call->command, i);

		if (arg && try_word(&hint, arg->kind, call->words[i]))
			return;
	}
	for (size_t i = 0; call && i < call->given_n; i++)
		if (call->given[i].value &&
		    try_word(&hint, call->given[i].option->kind, call->given[i].value))
			return;
}
