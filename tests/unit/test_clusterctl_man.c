/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doc/clusterctl.8.in says what the table of commands says: no command, argument, option or key
 * more or less.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "clusterctl/ctl.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1000, TOKENS_MAX = 64 };

/* Whether a token closes what an item says about words and arguments. */
static bool is_macro(const char *token)
{
	static const char *const macros[] = { "Ar", "Op", "Oo", "Oc", "Fl", "Ns", "..." };

	for (size_t i = 0; i < ARRAY_SIZE(macros); i++)
		if (strcmp(token, macros[i]) == 0)
			return true;
	return false;
}

/* The lines of the page from one item to the next, or to the end of the section. */
struct item {
	char *head; /* ".It Ic vm start Ar NAME" without ".It Ic " */
	char *body;
};

struct page {
	char *options; /* text of the section OPTIONS */
	struct item items[128];
	size_t items_n;
};

static void append(char **text, const char *line)
{
	char *longer = mem_printf("%s%s", *text ? *text : "", line);

	free(*text);
	*text = longer;
}

static FILE *open_page(void)
{
	const char *srcdir = getenv("srcdir");
	_cleanup_(freep) char *path = mem_printf("%s/doc/clusterctl.8.in", srcdir ? srcdir : ".");

	return fopen(path, "r");
}

static void read_page(struct page *page)
{
	char line[LINE_MAX_BYTES], section[LINE_MAX_BYTES] = "";
	FILE *file = open_page();

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, ".Sh ", 4) == 0)
			memcpy(section, line + 4, strlen(line + 4) + 1);
		if (strcmp(section, "OPTIONS\n") == 0)
			append(&page->options, line);
		if (strcmp(section, "COMMANDS\n") != 0)
			continue;
		if (strncmp(line, ".It Ic ", 7) == 0) {
			CU_ASSERT_FATAL(page->items_n < ARRAY_SIZE(page->items));
			line[strcspn(line, "\n")] = '\0';
			page->items[page->items_n++].head = mem_strdup(line + 7);
		} else if (page->items_n) {
			append(&page->items[page->items_n - 1].body, line);
		}
	}
	fclose(file);
}

static void free_page(struct page *page)
{
	free(page->options);
	for (size_t i = 0; i < page->items_n; i++) {
		free(page->items[i].head);
		free(page->items[i].body);
	}
}

/* What a head should be, made from the table. */
static char *head_of(const struct cli_command *command)
{
	struct buf head = { 0 };

	buf_append_str(&head, command->words);
	for (size_t i = 0; i < CLI_ARGS && command->args[i].name; i++) {
		const struct cli_arg *arg = &command->args[i];
		bool optional = arg->count == CLI_OPTIONAL || arg->count == CLI_SOME;

		buf_printf(&head, "%s Ar %s%s%s", optional ? " Oo" : "", arg->name,
			   arg->count >= CLI_MANY ? " ..." : "", optional ? " Oc" : "");
	}
	for (size_t i = 0; i < CLI_OPTIONS && command->options[i].name; i++) {
		const struct cli_option *option = &command->options[i];

		buf_printf(&head, " Oo Fl -%s%s%s Oc", option->name, option->value ? " Ar " : "",
			   option->value ? option->value : "");
	}
	return buf_steal_str(&head);
}

static const struct item *item_of(const struct page *page, const char *words)
{
	size_t len = strlen(words);

	for (size_t i = 0; i < page->items_n; i++) {
		const char *head = page->items[i].head;

		if (strncmp(head, words, len) == 0 &&
		    (!head[len] || (head[len] == ' ' && strchr("AO", head[len + 1]))))
			return &page->items[i];
	}
	return NULL;
}

static void check_keys(const struct cli_command *command, const struct item *item)
{
	/* vm add takes the keys of vm set, which has them. */
	if (strcmp(command->words, "vm add") == 0)
		return;
	for (const struct cli_key *key = command->keys; key && key->name; key++) {
		_cleanup_(freep) char *line = mem_printf(".It Cm %s\n", key->name);

		if (!item->body || !strstr(item->body, line)) {
			printf("%s: the page has no '%s'", command->words, line);
			CU_FAIL("key");
		}
	}
}

static void test_commands(void)
{
	_cleanup_(free_page) struct page page = { 0 };

	read_page(&page);
	for (size_t i = 0; i < ctl_cli.commands_n; i++) {
		const struct cli_command *command = &ctl_cli.commands[i];
		_cleanup_(freep) char *head = head_of(command);
		const struct item *item = item_of(&page, command->words);

		if (command->flags & CLI_HIDDEN) {
			CU_ASSERT_PTR_NULL(item);
			continue;
		}
		if (!item || strcmp(item->head, head) != 0) {
			printf("the page says  .It Ic %s\nthe table says .It Ic %s\n",
			       item ? item->head : "nothing", head);
			CU_FAIL("command");
		}
		if (item)
			check_keys(command, item);
	}
}

/* And nothing that is not there any more. */
static void test_nothing_else(void)
{
	_cleanup_(free_page) struct page page = { 0 };

	read_page(&page);
	CU_ASSERT_TRUE(page.items_n > 30);
	for (size_t i = 0; i < page.items_n; i++) {
		_cleanup_(freep) char *copy = mem_strdup(page.items[i].head);
		const char *words[TOKENS_MAX];
		char *rest = NULL;
		size_t n = 0, used = 0;

		for (char *token = strtok_r(copy, " ", &rest);
		     token && !is_macro(token) && n < TOKENS_MAX;
		     token = strtok_r(NULL, " ", &rest))
			words[n++] = token;
		if (!cli_find(&ctl_cli, words, n, &used) || used != n) {
			printf("the page has '%s', the table has not\n", page.items[i].head);
			CU_FAIL("command");
		}
	}
}

static void check_options(const char *text, const struct cli_option *options)
{
	for (; options->name; options++) {
		_cleanup_(freep) char *line =
			mem_printf(".It Fl -%s%s%s", options->name, options->value ? " Ar " : "",
				   options->value ? options->value : "");

		if (!strstr(text, line)) {
			printf("the page has no '%s'\n", line);
			CU_FAIL("option");
		}
	}
}

static void test_options(void)
{
	_cleanup_(free_page) struct page page = { 0 };

	read_page(&page);
	CU_ASSERT_PTR_NOT_NULL_FATAL(page.options);
	check_options(page.options, ctl_cli.globals);
	check_options(page.options, ctl_cli.changing);
}

UNIT_MAIN("clusterctl/man", { "commands", test_commands }, { "nothing-else", test_nothing_else },
	  { "options", test_options })
