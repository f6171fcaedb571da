/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/meant.h"

#include "base/cleanup.h"
#include "base/nearest.h"

#include <string.h>

enum { WORDS_MAX = 128 };

/* Words of virsh, of other cluster managers, and of everyday life. */
static const struct synonym {
	const char *typed, *here;
} verbs[] = {
	{ "create", "add" },	 { "define", "add" },	 { "new", "add" },
	{ "delete", "remove" },	 { "rm", "remove" },	 { "undefine", "remove" },
	{ "ls", "list" },	 { "info", "show" },	 { "dominfo", "show" },
	{ "shutdown", "stop" },	 { "destroy", "stop" },	 { "poweroff", "stop" },
	{ "suspend", "pause" },	 { "unpause", "resume" }, { "move", "migrate" },
	{ "restart", "reboot" }, { "log", "events" },	 { "health", "status" },
	{ "drain", "set" },	 { "evacuate", "set" },
}, keys[] = {
	{ "drained", "placement" }, { "drain", "placement" }, { "maintenance", "placement" },
	{ "standby", "placement" }, { "ip", "address" },      { "rack", "domain" },
	{ "prio", "priority" },	    { "owner", "owners" },    { "preferred", "prefer" },
};

static const char *word_here(const struct synonym *synonyms, size_t n, const char *typed)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(synonyms[i].typed, typed) == 0)
			return synonyms[i].here;
	return typed;
}

static const char *last_word(const struct cli_command *command)
{
	const char *blank = strrchr(command->words, ' ');

	return blank ? blank + 1 : command->words;
}

/* Whether the command begins with these words, and goes on behind them. */
static bool follows(const struct cli_command *command, const char *const *words, size_t words_n)
{
	const char *at = command->words;

	for (size_t i = 0; i < words_n; i++) {
		size_t len = strlen(words[i]);

		if (strncmp(at, words[i], len) != 0 || at[len] != ' ')
			return false;
		at += len + 1;
	}
	return !(command->flags & CLI_HIDDEN);
}

static size_t ending_with(const struct cli *cli, const char *const *words, size_t words_n,
			  const char *last, const struct cli_command **ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < cli->commands_n; i++) {
		const struct cli_command *command = &cli->commands[i];

		if (!follows(command, words, words_n) || strcmp(last_word(command), last) != 0)
			continue;
		if (n < max)
			ret[n] = command;
		n++;
	}
	return n;
}

static const char *nearest_last(const struct cli *cli, const char *const *words, size_t words_n,
				const char *typed)
{
	const char *list[WORDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < cli->commands_n && n < WORDS_MAX; i++)
		if (follows(&cli->commands[i], words, words_n))
			list[n++] = last_word(&cli->commands[i]);
	return nearest_word(typed, list, n);
}

size_t meant_commands(const struct cli *cli, const char *const *words, size_t words_n,
		      const char *typed, const struct cli_command **ret, size_t max)
{
	const char *last = word_here(verbs, ARRAY_SIZE(verbs), typed);
	size_t n = ending_with(cli, words, words_n, last, ret, max);

	if (n == 0)
		last = nearest_last(cli, words, words_n, typed);
	return n || !last ? n : ending_with(cli, words, words_n, last, ret, max);
}

const struct cli_key *meant_key(const struct cli_command *command, const char *typed)
{
	return cli_key(command, word_here(keys, ARRAY_SIZE(keys), typed));
}
