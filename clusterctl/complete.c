/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/complete.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

enum { KEY_MAX = 64 };

/* What the words before the last one have settled. */
struct completing {
	const struct cli *cli;
	complete_names names;
	void *context;
	FILE *out;
	const struct cli_command *command; /* NULL: not named whole yet */
	const char *words[CLI_WORDS_MAX];  /* those of the command, or of its arguments */
	size_t words_n;
	const struct cli_option *option; /* wants its value next */
	bool only_words;
};

static void offer(struct completing *c, const char *before, const char *candidate,
		  const char *after, const char *typed)
{
	_cleanup_(freep) char *line = mem_printf("%s%s%s", before, candidate, after);

	if (strncmp(line, typed, strlen(typed)) == 0)
		fprintf(c->out, "%s\n", line);
}

static void offer_names(struct completing *c, enum cli_kind kind, const char *before,
			const char *typed)
{
	json_t *names, *name;
	size_t i;

	if (kind == CLI_FILE) {
		fprintf(c->out, ":files\n");
		return;
	}
	names = c->names ? c->names(c->context, kind) : NULL;
	json_array_foreach(names, i, name)
		offer(c, before, json_string_value(name), "", typed);
	json_decref(names);
}

/* Words of a list with blanks in between. */
static void offer_words(struct completing *c, const char *words, const char *before,
			const char *typed)
{
	while (*words) {
		size_t len = strcspn(words, " ");
		_cleanup_(freep) char *word = mem_strndup(words, len);

		offer(c, before, word, "", typed);
		words += len;
		words += strspn(words, " ");
	}
}

/*
 * KEY= of all keys, and behind a KEY= its values; of lists of names the one after the last
 * comma.
 */
static void offer_keys(struct completing *c, const char *typed)
{
	const struct cli_key *keys = c->command->keys;
	_cleanup_(freep) char *before = NULL;
	char name[KEY_MAX];
	const char *value, *comma;

	if (!cli_split(typed, name, sizeof(name), &value)) {
		for (; keys && keys->name; keys++)
			offer(c, "", keys->name, "=", typed);
		return;
	}
	keys = cli_key(c->command, name);
	if (!keys)
		return;
	comma = strrchr(value, ',');
	if (comma && !keys->values)
		value = comma + 1;
	before = mem_strndup(typed, (size_t)(value - typed));
	if (keys->values)
		offer_words(c, keys->values, before, typed);
	else
		offer_names(c, keys->kind, before, typed);
}

static void offer_value(struct completing *c, enum cli_kind kind, const char *typed)
{
	if (kind == CLI_KEYS && c->command)
		offer_keys(c, typed);
	else
		offer_names(c, kind, "", typed);
}

static void offer_option_list(struct completing *c, const struct cli_option *options, size_t max,
			      const char *typed)
{
	for (size_t i = 0; options && i < max && options[i].name; i++)
		offer(c, "--", options[i].name, "", typed);
}

static void offer_options(struct completing *c, const char *typed)
{
	const char *equals = strchr(typed, '=');

	if (equals) {
		const struct cli_option *option =
			cli_option(c->cli, c->command, typed + 2, (size_t)(equals - typed) - 2);
		_cleanup_(freep) char *before = mem_strndup(typed, (size_t)(equals - typed) + 1);

		if (option && option->value && option->kind != CLI_KEYS)
			offer_names(c, option->kind, before, typed);
		return;
	}
	if (c->command)
		offer_option_list(c, c->command->options, CLI_OPTIONS, typed);
	if (!c->command || (c->command->flags & CLI_CHANGES))
		offer_option_list(c, c->cli->changing, SIZE_MAX, typed);
	offer_option_list(c, c->cli->globals, SIZE_MAX, typed);
}

/* The next word of each command that begins with the words so far, each one once. */
static void offer_commands(struct completing *c, const char *typed)
{
	_cleanup_(freep) char *last = NULL;

	for (size_t i = 0; i < c->cli->commands_n; i++) {
		const char *at = c->cli->commands[i].words;
		size_t known = 0;
		char *word;

		for (; known < c->words_n; known++) {
			size_t len = strcspn(at, " ");

			if (len != strlen(c->words[known]) ||
			    strncmp(at, c->words[known], len) != 0)
				break;
			at += len;
			at += strspn(at, " ");
		}
		if (known < c->words_n || (c->cli->commands[i].flags & CLI_HIDDEN))
			continue;
		word = mem_strndup(at, strcspn(at, " "));
		if (!last || strcmp(last, word) != 0)
			offer(c, "", word, "", typed);
		free(last);
		last = word;
	}
}

static void offer_argument(struct completing *c, const char *typed)
{
	size_t position = c->words_n;

	for (size_t i = 0; i < CLI_ARGS && c->command->args[i].name; i++)
		if (i == position || c->command->args[i].count >= CLI_MANY) {
			offer_value(c, c->command->args[i].kind, typed);
			return;
		}
}

/* Takes a word that is finished. */
static void settle(struct completing *c, const char *word)
{
	size_t used;

	if (c->option) {
		c->option = NULL;
		return;
	}
	if (!c->only_words && strcmp(word, "--") == 0) {
		c->only_words = true;
		return;
	}
	if (!c->only_words && strncmp(word, "--", 2) == 0) {
		const struct cli_option *option =
			cli_option(c->cli, c->command, word + 2, strcspn(word + 2, "="));

		if (option && option->value && !strchr(word, '='))
			c->option = option;
		return;
	}
	if (c->words_n < CLI_WORDS_MAX)
		c->words[c->words_n++] = word;
	if (c->command)
		return;
	c->command = cli_find(c->cli, c->words, c->words_n, &used);
	if (c->command)
		c->words_n = 0;
}

void complete_write(const struct cli *cli, const char *const *words, size_t words_n,
		    complete_names names, void *context, FILE *out)
{
	struct completing c = { .cli = cli, .names = names, .context = context, .out = out };
	const char *typed = words_n ? words[words_n - 1] : "";

	for (size_t i = 0; i + 1 < words_n; i++)
		settle(&c, words[i]);
	if (c.option)
		offer_value(&c, c.option->kind, typed);
	else if (!c.only_words && typed[0] == '-' && typed[1] == '-')
		offer_options(&c, typed);
	else if (!c.only_words && strcmp(typed, "-") == 0)
		offer_options(&c, "--");
	else if (c.command)
		offer_argument(&c, typed);
	else
		offer_commands(&c, typed);
}
