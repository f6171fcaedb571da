/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/cli.h"

#include <stdint.h>
#include <string.h>

enum { HELP_COLUMNS = 80, BRIEF_COLUMN = 26 };

static void write_arg(const struct cli_arg *arg, FILE *out)
{
	switch (arg->count) {
	case CLI_ONE:
		fprintf(out, " %s", arg->name);
		break;
	case CLI_OPTIONAL:
		fprintf(out, " [%s]", arg->name);
		break;
	case CLI_MANY:
		fprintf(out, " %s…", arg->name);
		break;
	case CLI_SOME:
		fprintf(out, " [%s…]", arg->name);
		break;
	}
}

void cli_write_synopsis(const struct cli_command *command, FILE *out)
{
	fprintf(out, "%s", command->words);
	for (size_t i = 0; i < CLI_ARGS && command->args[i].name; i++)
		write_arg(&command->args[i], out);
	for (size_t i = 0; i < CLI_OPTIONS && command->options[i].name; i++) {
		const struct cli_option *option = &command->options[i];

		fprintf(out, " [--%s%s%s]%s", option->name, option->value ? " " : "",
			option->value ? option->value : "", option->repeats ? "…" : "");
	}
}

/*
 * Text in lines of at most HELP_COLUMNS, each behind `indent` blanks; `at` is the column it
 * starts in.
 */
static void write_wrapped(const char *text, int at, int indent, FILE *out)
{
	int column = at;

	while (*text) {
		int len = (int)strcspn(text, " \n");

		if (column > indent && column + 1 + len > HELP_COLUMNS) {
			fprintf(out, "\n");
			column = 0;
		}
		if (column < indent)
			column += fprintf(out, "%*s", indent - column, "");
		else if (column > indent)
			column += fprintf(out, " ");
		column += fprintf(out, "%.*s", len, text);
		text += len;
		if (*text == '\n') {
			fprintf(out, "\n");
			column = 0;
		}
		if (*text)
			text++;
	}
	fprintf(out, "\n");
}

static void write_row(const char *head, const char *brief, FILE *out)
{
	int at = fprintf(out, "  %s", head);

	if (at >= BRIEF_COLUMN) {
		fprintf(out, "\n");
		at = 0;
	}
	write_wrapped(brief, at, BRIEF_COLUMN, out);
}

static void write_options(const struct cli_option *options, size_t max, FILE *out)
{
	for (size_t i = 0; i < max && options[i].name; i++) {
		char head[64];

		snprintf(head, sizeof(head), "--%s%s%s", options[i].name,
			 options[i].value ? " " : "", options[i].value ? options[i].value : "");
		write_row(head, options[i].help, out);
	}
}

static void write_keys(const struct cli_key *keys, FILE *out)
{
	fprintf(out, "\nKeys:\n");
	for (; keys->name; keys++) {
		char head[64], brief[200];

		snprintf(head, sizeof(head), "%s=", keys->name);
		if (keys->values)
			snprintf(brief, sizeof(brief), "%s (%s)", keys->help, keys->values);
		else
			snprintf(brief, sizeof(brief), "%s", keys->help);
		write_row(head, brief, out);
	}
}

static void write_command(const struct cli *cli, const struct cli_command *command, FILE *out)
{
	fprintf(out, "Usage: %s ", cli->program);
	cli_write_synopsis(command, out);
	fprintf(out, "\n\n");
	write_wrapped(command->help, 0, 0, out);
	if (command->keys)
		write_keys(command->keys, out);
	fprintf(out, "\nOptions:\n");
	write_options(command->options, CLI_OPTIONS, out);
	if (command->flags & CLI_CHANGES)
		write_options(cli->changing, SIZE_MAX, out);
	write_options(cli->globals, SIZE_MAX, out);
	if (command->example)
		fprintf(out, "\nExample:\n%s\n", command->example);
}

static bool starts_with_words(const struct cli_command *command, const struct cli_call *call)
{
	const char *at = command->words;

	for (size_t i = 0; i < call->words_n; i++) {
		size_t len = strcspn(at, " ");

		if (len != strlen(call->words[i]) || memcmp(at, call->words[i], len) != 0)
			return false;
		at += len;
		at += strspn(at, " ");
	}
	return true;
}

static void write_overview(const struct cli_call *call, FILE *out)
{
	const struct cli *cli = call->cli;

	fprintf(out, "Usage: %s", cli->program);
	for (size_t i = 0; i < call->words_n; i++)
		fprintf(out, " %s", call->words[i]);
	fprintf(out, " COMMAND …\n%s%s%s\nCommands:\n", call->words_n ? "" : "\n",
		call->words_n ? "" : cli->brief, call->words_n ? "" : "\n");
	for (size_t i = 0; i < cli->commands_n; i++) {
		const struct cli_command *command = &cli->commands[i];

		if (!(command->flags & CLI_HIDDEN) && starts_with_words(command, call))
			write_row(command->words, command->brief, out);
	}
	fprintf(out, "\nOptions of every command:\n");
	write_options(cli->globals, SIZE_MAX, out);
	fprintf(out, "\nOptions of commands that change something:\n");
	write_options(cli->changing, SIZE_MAX, out);
	fprintf(out, "\n'%s COMMAND --help' tells more about one of them, %s(8) about all.\n",
		cli->program, cli->program);
}

void cli_write_help(const struct cli_call *call, FILE *out)
{
	if (call->command)
		write_command(call->cli, call->command, out);
	else
		write_overview(call, out);
}
