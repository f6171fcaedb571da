/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/cli.h"

#include "base/cleanup.h"
#include "base/nearest.h"
#include "clusterctl/meant.h"
#include "clusterctl/secret.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { NAMES_MAX = 128, KEY_MAX = 64, MEANT_MAX = 5 };

struct parser {
	const struct cli *cli;
	FILE *err;
	struct cli_call *call;
	size_t own;      /* words that name the command */
	bool help;       /* --help is somewhere: be lenient, only find out which command */
	bool only_words; /* behind -- */
};

/* ---- looking up ---- */

/* How many of a command's words the given ones match, from the first on; and how many it has. */
static size_t common_words(const struct cli_command *command, const char *const *words,
			   size_t words_n, size_t *ret_all)
{
	const char *at = command->words;
	size_t same = 0, all = 0;

	while (*at) {
		size_t len = strcspn(at, " ");

		if (all == same && same < words_n && strlen(words[same]) == len &&
		    memcmp(words[same], at, len) == 0)
			same++;
		all++;
		at += len;
		at += strspn(at, " ");
	}
	*ret_all = all;
	return same;
}

const struct cli_command *cli_find(const struct cli *cli, const char *const *words, size_t words_n,
				   size_t *ret_used)
{
	for (size_t i = 0; i < cli->commands_n; i++) {
		size_t all, same = common_words(&cli->commands[i], words, words_n, &all);

		if (same == all) {
			*ret_used = all;
			return &cli->commands[i];
		}
	}
	return NULL;
}

static const struct cli_option *option_in(const struct cli_option *options, const char *name,
					  size_t len)
{
	for (; options && options->name; options++)
		if (strlen(options->name) == len && memcmp(options->name, name, len) == 0)
			return options;
	return NULL;
}

const struct cli_option *cli_option(const struct cli *cli, const struct cli_command *command,
				    const char *name, size_t len)
{
	const struct cli_option *found = option_in(cli->globals, name, len);

	if (!found && (!command || (command->flags & CLI_CHANGES)))
		found = option_in(cli->changing, name, len);
	if (!found && command)
		found = option_in(command->options, name, len);
	return found;
}

const struct cli_key *cli_key(const struct cli_command *command, const char *name)
{
	for (const struct cli_key *key = command->keys; key && key->name; key++)
		if (strcmp(key->name, name) == 0)
			return key;
	return NULL;
}

const struct cli_arg *cli_arg(const struct cli_command *command, size_t position)
{
	for (size_t i = 0; i < CLI_ARGS && command->args[i].name; i++)
		if (i == position || command->args[i].count >= CLI_MANY)
			return &command->args[i];
	return NULL;
}

bool cli_split(const char *word, char *ret_key, size_t size, const char **ret_value)
{
	const char *equals = strchr(word, '=');
	size_t len;

	if (!equals || equals == word)
		return false;
	len = (size_t)(equals - word);
	if (len >= size)
		return false;
	memcpy(ret_key, word, len);
	ret_key[len] = '\0';
	*ret_value = equals + 1;
	return true;
}

bool cli_has(const struct cli_call *call, const char *option)
{
	for (size_t i = 0; i < call->given_n; i++)
		if (strcmp(call->given[i].option->name, option) == 0)
			return true;
	return false;
}

const char *cli_value(const struct cli_call *call, const char *option)
{
	for (size_t i = call->given_n; i-- > 0;)
		if (strcmp(call->given[i].option->name, option) == 0)
			return call->given[i].value;
	return NULL;
}

const char *cli_word(const struct cli_call *call, size_t position)
{
	return position < call->words_n ? call->words[position] : NULL;
}

/* ---- saying what is wrong ---- */

static void __attribute__((format(printf, 2, 3)))
complain(struct parser *p, const char *format, ...)
{
	const struct cli_command *command = p->call->command;
	va_list args;

	fprintf(p->err, "%s: ", p->cli->program);
	if (command)
		fprintf(p->err, "%s: ", command->words);
	va_start(args, format);
	vfprintf(p->err, format, args);
	va_end(args);
}

static void end_complaint(struct parser *p, const char *dashes, const char *typed,
			  const char *const *names, size_t names_n)
{
	const char *near = nearest_word(typed, names, names_n);

	if (near)
		fprintf(p->err, "; did you mean '%s%s'?\n", dashes, near);
	else
		fprintf(p->err, "\n");
}

static void point_to_help(struct parser *p)
{
	const struct cli_command *command = p->call->command;

	if (command) {
		fprintf(p->err, "usage: %s ", p->cli->program);
		cli_write_synopsis(command, p->err);
		fprintf(p->err, "\n");
		return;
	}
	fprintf(p->err, "Run '%s", p->cli->program);
	for (size_t i = 0; i < p->call->words_n; i++)
		fprintf(p->err, " %s", p->call->words[i]);
	fprintf(p->err, " --help' to see what there is.\n");
}

/* The distinct words that may follow those that were understood. */
static size_t next_words(struct parser *p, size_t known, char names[][KEY_MAX], const char **list)
{
	size_t n = 0;

	for (size_t i = 0; i < p->cli->commands_n; i++) {
		const struct cli_command *command = &p->cli->commands[i];
		const char *at = command->words;
		size_t all, len;

		if (common_words(command, p->call->words, known, &all) < known || all == known ||
		    (command->flags & CLI_HIDDEN))
			continue;
		for (size_t skip = 0; skip < known; skip++)
			at += strcspn(at, " ") + 1;
		len = strcspn(at, " ");
		if (n > 0 && strlen(names[n - 1]) == len && memcmp(names[n - 1], at, len) == 0)
			continue;
		if (n == NAMES_MAX || len >= KEY_MAX)
			continue;
		memcpy(names[n], at, len);
		names[n][len] = '\0';
		list[n] = names[n];
		n++;
	}
	return n;
}

/* Of a word that is near none that could stand there. */
static void end_with_commands(struct parser *p, const char *typed)
{
	const struct cli_command *meant[MEANT_MAX];
	struct cli_call *call = p->call;
	size_t n = meant_commands(p->cli, call->words, call->words_n, typed, meant, MEANT_MAX);

	for (size_t i = 0; i < n && i < MEANT_MAX; i++)
		fprintf(p->err, "%s'%s'",
			i == 0	     ? "; did you mean "
			: i + 1 == n ? " or "
				     : ", ",
			meant[i]->words);
	fprintf(p->err, "%s\n", n > MEANT_MAX ? ", …?" : n ? "?" : "");
}

static int unknown_word(struct parser *p)
{
	char names[NAMES_MAX][KEY_MAX];
	const char *list[NAMES_MAX];
	struct cli_call *call = p->call;
	const char *typed = call->words[--call->words_n];
	size_t n = next_words(p, call->words_n, names, list);

	complain(p, "unknown command '");
	for (size_t i = 0; i < call->words_n; i++)
		fprintf(p->err, "%s ", call->words[i]);
	fprintf(p->err, "%s'", typed);
	if (nearest_word(typed, list, n))
		end_complaint(p, "", typed, list, n);
	else
		end_with_commands(p, typed);
	point_to_help(p);
	return -EINVAL;
}

/* It may be meant as a value where a free one comes next. */
static void point_to_dashes(struct parser *p)
{
	const struct cli_command *command = p->call->command;
	const struct cli_arg *arg = command ? cli_arg(command, p->call->words_n) : NULL;

	if (arg && arg->kind == CLI_TEXT)
		fprintf(p->err,
			"Before a value that begins with '-' write --, as in: %s %s … -- -x\n",
			p->cli->program, command->words);
}

static size_t option_names(const struct cli_option *options, const char **list, size_t n)
{
	for (; options && options->name && n < NAMES_MAX; options++)
		list[n++] = options->name;
	return n;
}

static int unknown_option(struct parser *p, const char *name, size_t len)
{
	const struct cli_command *command = p->call->command;
	const char *list[NAMES_MAX];
	char typed[KEY_MAX];
	size_t n;

	if (secret_is_key(name, len)) {
		complain(p, "%s\n", secret_advice);
		return -EINVAL;
	}
	snprintf(typed, sizeof(typed), "%.*s", (int)len, name);
	n = option_names(p->cli->globals, list, 0);
	if (!command || (command->flags & CLI_CHANGES))
		n = option_names(p->cli->changing, list, n);
	if (command)
		n = option_names(command->options, list, n);
	complain(p, "unknown option --%s", typed);
	end_complaint(p, "--", typed, list, n);
	point_to_dashes(p);
	point_to_help(p);
	return -EINVAL;
}

/* ---- checking ---- */

static int check_secret(struct parser *p, const char *word)
{
	const char *equals = strchr(word, '=');

	if (!equals || !secret_is_key(word, (size_t)(equals - word)))
		return 0;
	complain(p, "%.*s=: %s\n", (int)(equals - word), word, secret_advice);
	return -EINVAL;
}

static int unknown_key(struct parser *p, const char *key)
{
	const struct cli_command *command = p->call->command;
	const struct cli_key *meant = meant_key(command, key);
	const char *list[NAMES_MAX];
	size_t n = 0;

	for (const struct cli_key *known = command->keys; known->name && n < NAMES_MAX; known++)
		list[n++] = known->name;
	complain(p, "unknown key '%s'", key);
	/* What it does here, which may be the opposite. */
	if (meant)
		fprintf(p->err, "; did you mean '%s' (%s)?\n", meant->name, meant->help);
	else
		end_complaint(p, "", key, list, n);
	fprintf(p->err, "Keys:");
	for (size_t i = 0; i < n; i++)
		fprintf(p->err, " %s", list[i]);
	fprintf(p->err, "\n");
	return -EINVAL;
}

/* A word that must be KEY=VALUE with a key that the command knows. */
static int check_key(struct parser *p, const char *word)
{
	const struct cli_command *command = p->call->command;
	const char *value;
	char key[KEY_MAX];

	if (!cli_split(word, key, sizeof(key), &value)) {
		complain(p, "'%s' is not of the form KEY=VALUE\n", word);
		point_to_help(p);
		return -EINVAL;
	}
	if (!command->keys || cli_key(command, key))
		return 0;
	return unknown_key(p, key);
}

/* A KEY=VALUE in the place of the name that was left out. */
static int missing_name(struct parser *p, const char *word)
{
	int r = check_key(p, word);

	complain(p, "%s is missing before '%s'\n", p->call->command->args[0].name, word);
	if (r == 0)
		point_to_help(p);
	return -EINVAL;
}

static int check_words(struct parser *p)
{
	struct cli_call *call = p->call;
	size_t needed = 0;
	int r;

	while (needed < CLI_ARGS && call->command->args[needed].name &&
	       (call->command->args[needed].count == CLI_ONE ||
		call->command->args[needed].count == CLI_MANY))
		needed++;
	for (size_t i = 0; i < call->words_n; i++) {
		const struct cli_arg *arg = cli_arg(call->command, i);

		r = check_secret(p, call->words[i]);
		if (r < 0)
			return r;
		if (!arg) {
			complain(p, "'%s' is too much\n", call->words[i]);
			point_to_help(p);
			return -EINVAL;
		}
		if (arg->kind == CLI_KEYS && (r = check_key(p, call->words[i])) < 0)
			return r;
	}
	if (call->words_n == 1 && needed == 2 && call->command->args[1].kind == CLI_KEYS &&
	    strchr(call->words[0], '='))
		return missing_name(p, call->words[0]);
	if (call->words_n < needed) {
		complain(p, "%s is missing\n", call->command->args[call->words_n].name);
		point_to_help(p);
		return -EINVAL;
	}
	return 0;
}

static int check_given(struct parser *p)
{
	struct cli_call *call = p->call;
	int r;

	for (size_t i = 0; i < call->given_n; i++) {
		const struct cli_option *option = call->given[i].option;

		if (cli_option(p->cli, call->command, option->name, strlen(option->name)) != option)
			return unknown_option(p, option->name, strlen(option->name));
		if (option->kind != CLI_KEYS)
			continue;
		r = check_secret(p, call->given[i].value);
		if (r < 0 || (r = check_key(p, call->given[i].value)) < 0)
			return r;
	}
	if (cli_has(call, "wait") && cli_has(call, "no-wait")) {
		complain(p, "--wait and --no-wait exclude each other\n");
		return -EINVAL;
	}
	return 0;
}

/* ---- reading ---- */

static int take_option(struct parser *p, char *const *argv, int argc, int *i)
{
	struct cli_call *call = p->call;
	const char *name = argv[*i] + 2, *value = NULL;
	size_t len = strcspn(name, "=");
	const struct cli_option *option;

	option = cli_option(p->cli, call->command, name, len);
	if (!option)
		return p->help ? 0 : unknown_option(p, name, len);
	if (name[len] == '=')
		value = name + len + 1;
	if (!option->value && value) {
		complain(p, "--%s takes no value\n", option->name);
		return -EINVAL;
	}
	if (option->value && !value) {
		if (*i + 1 >= argc) {
			if (p->help)
				return 0;
			complain(p, "--%s wants %s\n", option->name, option->value);
			return -EINVAL;
		}
		value = argv[++*i];
	}
	if (!option->repeats && cli_has(call, option->name) && option->value) {
		complain(p, "--%s is given twice\n", option->name);
		return -EINVAL;
	}
	if (call->given_n == CLI_GIVEN_MAX) {
		complain(p, "too many options\n");
		return -EINVAL;
	}
	call->given[call->given_n++] = (struct cli_given){ option, value };
	return 0;
}

/* Whether some command starts with the words so far. */
static bool words_lead_on(struct parser *p)
{
	for (size_t i = 0; i < p->cli->commands_n; i++) {
		size_t all;

		if (common_words(&p->cli->commands[i], p->call->words, p->call->words_n, &all) ==
		    p->call->words_n)
			return true;
	}
	return false;
}

static int take_word(struct parser *p, const char *word)
{
	struct cli_call *call = p->call;
	size_t used;

	if (call->words_n == CLI_WORDS_MAX) {
		complain(p, "too many arguments\n");
		return -EINVAL;
	}
	call->words[call->words_n++] = word;
	if (call->command)
		return 0;
	call->command = cli_find(p->cli, call->words, call->words_n, &used);
	if (call->command) {
		call->words_n = 0;
		p->only_words = call->command->flags & CLI_RAW;
		return 0;
	}
	if (!words_lead_on(p))
		return unknown_word(p);
	return 0;
}

static int take(struct parser *p, char *const *argv, int argc, int *i)
{
	const char *word = argv[*i];
	/* No option begins with a digit, so this is a number. */
	bool is_number = p->call->command && word[0] == '-' && isdigit((unsigned char)word[1]);

	if (p->only_words || word[0] != '-' || !word[1] || is_number)
		return take_word(p, word);
	if (strcmp(word, "--") == 0) {
		p->only_words = true;
		return 0;
	}
	if (strcmp(word, "-h") == 0)
		return 0; /* found before, by asks_help() */
	if (word[1] == '-')
		return take_option(p, argv, argc, i);
	complain(p, "unknown option %.2s; options are written out, as in --json\n", word);
	point_to_dashes(p);
	return -EINVAL;
}

static bool asks_help(int argc, char *const *argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int cli_parse(const struct cli *cli, int argc, char *const *argv, FILE *err, struct cli_call *ret)
{
	struct parser p = { .cli = cli, .err = err, .call = ret, .help = asks_help(argc, argv) };
	int r;

	*ret = (struct cli_call){ .cli = cli };
	for (int i = 1; i < argc; i++) {
		r = take(&p, argv, argc, &i);
		if (r < 0)
			return r;
		if (ret->command && (ret->command->flags & CLI_RAW))
			p.help = false;
	}
	if (p.help) {
		static const struct cli_option help = { "help", NULL, "", CLI_TEXT, false };

		if (!cli_has(ret, "help") && ret->given_n < CLI_GIVEN_MAX)
			ret->given[ret->given_n++] = (struct cli_given){ &help, NULL };
		return 0;
	}
	if (cli_has(ret, "version"))
		return 0;
	if (!ret->command) {
		if (ret->words_n)
			complain(&p, "'%s' wants another word\n", ret->words[ret->words_n - 1]);
		else
			complain(&p, "a command is missing\n");
		cli_write_help(ret, err);
		return -EINVAL;
	}
	r = check_given(&p);
	return r < 0 ? r : check_words(&p);
}
