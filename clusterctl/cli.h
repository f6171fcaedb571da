/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cli: the grammar of the command line, as a table.
 *
 * One row per command: its words, its arguments, its options, who carries it out, and what its
 * help says. Parsing, the help of every level and the completion of the shell all read the same
 * rows (clusterctl/commands.c), and a test holds the man page against them, so that none of the
 * four can say something else.
 *
 * Everything here borrows from the table and from argv; nothing is copied.
 */
#ifndef CLUSTERCTL_CLI_H
#define CLUSTERCTL_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ctl;
struct cli_call;

/* What a word stands for: what completion offers in its place. */
enum cli_kind {
	CLI_TEXT, /* anything: nothing to offer */
	CLI_FILE,
	CLI_VM,
	CLI_NODE,
	CLI_FENCE,
	CLI_VOLUME,
	CLI_SETTING,
	CLI_OPERATION,
	CLI_KEYS, /* KEY=VALUE, of the command's keys */
};

enum cli_count {
	CLI_ONE,
	CLI_OPTIONAL,
	CLI_MANY,
	CLI_SOME
}; /* MANY: one or more; SOME: none or more */

/*
 * A KEY that KEY=VALUE of a command knows. values: words to offer, with a blank between; NULL
 * if it is free.
 */
struct cli_key {
	const char *name;
	const char *values;
	const char *help;
	enum cli_kind kind; /* of a free value */
};

struct cli_arg {
	const char *name; /* NULL ends the list */
	enum cli_kind kind;
	enum cli_count count;
};

struct cli_option {
	const char *name;  /* without the dashes; NULL ends the list */
	const char *value; /* what its value is called; NULL for a switch */
	const char *help;
	enum cli_kind kind;
	bool repeats;
};

enum {
	CLI_CHANGES = 1 << 0, /* has --wait, --no-wait and --timeout */
	CLI_HIDDEN = 1 << 1,
	CLI_RAW = 1 << 2, /* everything behind its words is an argument, even -x */
};

enum { CLI_ARGS = 4, CLI_OPTIONS = 6 };

struct cli_command {
	const char *words; /* "vm migrate" */
	struct cli_arg args[CLI_ARGS];
	struct cli_option options[CLI_OPTIONS];
	const struct cli_key *keys; /* of CLI_KEYS; ends with a NULL name; NULL: any key */
	unsigned flags;
	int (*run)(struct ctl *ctl, const struct cli_call *call);
	const char *brief;   /* one line */
	const char *help;    /* sentences */
	const char *example; /* lines */
};

struct cli {
	const char *program;
	const char *brief;
	const struct cli_command *commands;
	size_t commands_n;
	const struct cli_option *globals;  /* every command has them; ends with a NULL name */
	const struct cli_option *changing; /* those of CLI_CHANGES */
};

struct cli_given {
	const struct cli_option *option;
	const char *value;
};

enum { CLI_GIVEN_MAX = 80, CLI_WORDS_MAX = 160 };

/* A command line that was understood. */
struct cli_call {
	const struct cli *cli;
	const struct cli_command *command; /* NULL: of --help without a command */
	const char *words[CLI_WORDS_MAX];  /* arguments, and for the help of a group its words */
	size_t words_n;
	struct cli_given given[CLI_GIVEN_MAX];
	size_t given_n;
};

/*
 * Understands argv[1]…. 0, or -EINVAL after a sentence on err that names the nearest known
 * word. With --help among the words nothing but the command is looked at.
 */
int cli_parse(const struct cli *cli, int argc, char *const *argv, FILE *err, struct cli_call *ret);

/*
 * Whether an option was given; its value, the last one if it was repeated, NULL if it was not
 * given.
 */
bool cli_has(const struct cli_call *call, const char *option);
const char *cli_value(const struct cli_call *call, const char *option);

/* The argument at a position, NULL if there is none. */
const char *cli_word(const struct cli_call *call, size_t position);

/* Splits KEY=VALUE at the first '='. False if there is none or the key is empty. */
bool cli_split(const char *word, char *ret_key, size_t size, const char **ret_value);

/* The argument that a word at a position stands for; NULL behind the last. */
const struct cli_arg *cli_arg(const struct cli_command *command, size_t position);

/* The known key of that name, NULL if there is none. */
const struct cli_key *cli_key(const struct cli_command *command, const char *name);

/*
 * The option of that name as the command knows it, common ones included; NULL if there is none.
 * command may be NULL.
 */
const struct cli_option *cli_option(const struct cli *cli, const struct cli_command *command,
				    const char *name, size_t len);

/*
 * The command that the first words name; *ret_used of them are its own. NULL if none is named
 * whole.
 */
const struct cli_command *cli_find(const struct cli *cli, const char *const *words, size_t words_n,
				   size_t *ret_used);

/* Writes "vm migrate [--live] NAME [NODE]". */
void cli_write_synopsis(const struct cli_command *command, FILE *out);

/* Writes the help of a call: of its command, of the group its words begin, or of everything. */
void cli_write_help(const struct cli_call *call, FILE *out);

#endif
