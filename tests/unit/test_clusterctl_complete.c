/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "clusterctl/complete.h"
#include "clusterctl/ctl.h"
#include "tests/unit/unit.h"

#include <string.h>

/* A cluster with a few names. */
static json_t *names(void *context, enum cli_kind kind)
{
	switch (kind) {
	case CLI_VM:
		return json_pack("[s,s,s]", "web1", "web2", "db1");
	case CLI_NODE:
		return json_pack("[s,s]", "n1", "n2");
	case CLI_SETTING:
		return json_pack("[s,s]", "vm.stop_timeout_s", "fence.budget");
	default:
		return NULL;
	}
}

/* The candidates for a line, apart at '|' (so that "" can be a word), joined with blanks. */
static char *offers(const char *line, complete_names get)
{
	_cleanup_(freep) char *copy = mem_strdup(line);
	const char *words[32];
	char *rest = copy, *word, *text = NULL;
	size_t n = 0, size = 0;
	FILE *out = open_memstream(&text, &size);

	while (n < ARRAY_SIZE(words) && (word = strsep(&rest, "|")))
		words[n++] = word;
	complete_write(&ctl_cli, words, n, get, NULL, out);
	fclose(out);
	for (char *at = text; (at = strchr(at, '\n')); at++)
		*at = at[1] ? ' ' : '\0';
	return text;
}

static void test_offers(void)
{
	static const struct {
		const char *line, *offers;
	} cases[] = {
		{ "", "status backup cluster node vm fence volume events operation settings help" },
		{ "v", "vm volume" },
		{ "vm|m", "migrate" },
		{ "vm|re", "reset reboot resume remove" },
		{ "vmx|", "" },
		{ "vm|show|", "web1 web2 db1" },
		{ "vm|show|w", "web1 web2" },
		{ "vm|show|web1|", "" },
		{ "--json|vm|show|d", "db1" },
		{ "--socket|/x|vm|show|d", "db1" },
		{ "--socket=/x|vm|show|d", "db1" },
		{ "vm|migrate|web1|", "n1 n2" },
		{ "vm|migrate|--live|web1|", "n1 n2" },
		{ "vm|migrate|web1|--",
		  "--live --quick --wait --no-wait --timeout --json --socket --help --version" },
		{ "vm|stop|--f", "--force" },
		{ "vm|list|--no", "" },
		{ "vm|set|web1|p", "priority= prefer=" },
		{ "vm|set|web1|priority=", "priority=high priority=medium priority=low" },
		{ "vm|set|web1|priority=m", "priority=medium" },
		{ "vm|set|web1|priority=low|ha=", "ha=yes ha=no" },
		{ "vm|set|web1|owners=", "owners=n1 owners=n2" },
		{ "vm|set|web1|owners=n1,", "owners=n1,n1 owners=n1,n2" },
		{ "vm|set|web1|nothing=", "" },
		{ "vm|add|x.xml|--set|ha=y", "ha=yes" },
		{ "vm|add|", ":files" },
		{ "fence|add|f|fence_x|--node|", "n1 n2" },
		{ "fence|add|f|fence_x|--node=n", "--node=n1 --node=n2" },
		{ "settings|set|v", "vm.stop_timeout_s" },
		{ "vm|show|--|", "web1 web2 db1" },
		{ "volume|remove|", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *text = offers(cases[i].line, names);

		if (strcmp(text, cases[i].offers) != 0) {
			printf("%s: %s\n", cases[i].line, text);
			CU_FAIL("offers");
		}
	}
}

static void test_no_daemon(void)
{
	_cleanup_(freep) char *text = offers("vm|show|", NULL), *words = offers("vm|sh", NULL);

	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_STRING_EQUAL(words, "show");
}

UNIT_MAIN("clusterctl/complete", { "offers", test_offers }, { "no-daemon", test_no_daemon })
