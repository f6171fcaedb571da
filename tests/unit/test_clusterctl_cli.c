/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsing and help, on the real table of clusterctl. */
#include "base/mem.h"
#include "clusterctl/cli.h"
#include "clusterctl/ctl.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

enum { WORDS_MAX = 200 };

/* Parses a line, apart at blanks. The words live as long as the line. */
static int parse(char *line, struct cli_call *call, char **ret_said)
{
	char *argv[WORDS_MAX] = { (char *)"clusterctl" };
	size_t size = 0;
	FILE *err = open_memstream(ret_said, &size);
	char *rest = NULL;
	int argc = 1, r;

	for (char *word = strtok_r(line, " ", &rest); word && argc < WORDS_MAX - 1;
	     word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	r = cli_parse(&ctl_cli, argc, argv, err, call);
	fclose(err);
	return r;
}

/* What was understood, in one line: words|argument argument|--option=value. */
static char *told(const struct cli_call *call)
{
	char *text = mem_printf("%s|", call->command ? call->command->words : "");

	for (size_t i = 0; i < call->words_n; i++) {
		char *longer = mem_printf("%s%s%s", text, i ? " " : "", call->words[i]);

		free(text);
		text = longer;
	}
	for (size_t i = 0; i < call->given_n; i++) {
		const char *value = call->given[i].value;
		char *longer = mem_printf("%s|%s%s%s", text, call->given[i].option->name,
					  value ? "=" : "", value ? value : "");

		free(text);
		text = longer;
	}
	return text;
}

static void test_good(void)
{
	static const struct {
		const char *line, *told;
	} cases[] = {
		{ "status", "status|" },
		{ "vm list", "vm list|" },
		{ "vm list --json", "vm list||json" },
		{ "--json vm list", "vm list||json" },
		{ "vm --json list", "vm list||json" },
		{ "vm stop web1 --force --timeout 5s", "vm stop|web1|force|timeout=5s" },
		{ "--no-wait vm stop web1", "vm stop|web1|no-wait" },
		{ "vm stop --timeout=5s web1", "vm stop|web1|timeout=5s" },
		{ "vm migrate web1", "vm migrate|web1" },
		{ "vm migrate web1 n2 --live", "vm migrate|web1 n2|live" },
		{ "vm set web1 ha=no owners=", "vm set|web1 ha=no owners=" },
		{ "vm add - --set ha=no --set owners=n1,n2",
		  "vm add|-|set=ha=no|set=owners=n1,n2" },
		{ "vm show -- --odd", "vm show|--odd" },
		{ "vm show -- --help", "vm show|--help" },
		{ "settings set a.b -5", "settings set|a.b -5" },
		{ "settings set a.b -5 --json", "settings set|a.b -5|json" },
		{ "settings set a.b -- -x", "settings set|a.b -x" },
		{ "settings set a.b -x", NULL },
		{ "-5 settings get", NULL },
		{ "settings set -- a.b -5", "settings set|a.b -5" },
		{ "fence add f fence_x ip=1 --node n1=4 --node n2",
		  "fence add|f fence_x ip=1|node=n1=4|node=n2" },
		{ "fence add f fence_x passwd_script=/x --node n1",
		  "fence add|f fence_x passwd_script=/x|node=n1" },
		{ "__complete vm --he", "__complete|vm --he" },
		{ "__complete --help --json", "__complete|--help --json" },
		{ "--version", "||version" },
		{ "--help", "||help" },
		{ "vm --help", "|vm|help" },
		{ "vm start --help --wrong", "vm start||help" },
		{ "vm set web1 nonsense --help", "vm set|web1 nonsense|help" },
		{ "-h", "||help" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *line = mem_strdup(cases[i].line), *said = NULL,
			*text = NULL;
		struct cli_call call;
		int r = parse(line, &call, &said);

		text = told(&call);
		if (!cases[i].told) {
			CU_ASSERT_EQUAL(r, -EINVAL);
			continue;
		}
		if (r < 0 || strcmp(text, cases[i].told) != 0) {
			printf("%s: %d %s\n%s", cases[i].line, r, text, said);
			CU_FAIL("understood");
		}
	}
}

static void test_bad(void)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{ "", "clusterctl: a command is missing\nUsage: clusterctl" },
		{ "vm", "'vm' wants another word" },
		{ "vmm", "unknown command 'vmm'; did you mean 'vm'?" },
		{ "stauts", "did you mean 'status'?" },
		{ "vm strat web1", "unknown command 'vm strat'; did you mean 'start'?" },
		{ "migrate web1 n2", "unknown command 'migrate'; did you mean 'vm migrate'?\n" },
		{ "migarte web1", "unknown command 'migarte'; did you mean 'vm migrate'?\n" },
		{ "destroy web1", "did you mean 'vm stop'?\n" },
		{ "vm delete web1", "unknown command 'vm delete'; did you mean 'vm remove'?\n" },
		{ "vm complete", "unknown command 'vm complete'\n" },
		{ "show web1",
		  "did you mean 'node show', 'vm show' or 'operation show'?\n" },
		{ "list", "did you mean 'node list', 'vm list', 'fence list', 'volume list' or "
			  "'operation list'?\n" },
		{ "node drain n1", "unknown command 'node drain'; did you mean 'node set'?\n" },
		{ "node set n1 drained=yes",
		  "unknown key 'drained'; did you mean 'placement' (no: it takes no VMs; those it "
		  "has stay)?\nKeys: address domain placement witness vote\n" },
		{ "node set drained=yes", "did you mean 'placement' (no: it takes no VMs" },
		{ "node set drained=yes", "clusterctl: node set: NAME is missing before "
					  "'drained=yes'\n" },
		{ "node set placement=no",
		  "clusterctl: node set: NAME is missing before 'placement=no'\nusage: " },
		{ "vm xyzzy", "unknown command 'vm xyzzy'\n" },
		{ "__complet", "unknown command '__complet'\n" },
		{ "vm start", "NAME is missing" },
		{ "vm start a b", "'b' is too much" },
		{ "vm set web1", "KEY=VALUE is missing" },
		{ "vm set web1 ha", "'ha' is not of the form KEY=VALUE" },
		{ "vm set web1 =x", "'=x' is not of the form KEY=VALUE" },
		{ "vm set web1 priorty=high", "unknown key 'priorty'; did you mean 'priority'?" },
		{ "vm add f --set priorty=high", "did you mean 'priority'?" },
		{ "vm stop web1 --froce", "unknown option --froce; did you mean '--force'?" },
		{ "settings set a.b -x",
		  "Before a value that begins with '-' write --, as in: clusterctl settings set … "
		  "-- -x\n" },
		{ "settings set a.b --five", "begins with '-' write --" },
		{ "vm list --force", "unknown option --force" },
		{ "vm list --no-wait", "unknown option --no-wait" },
		{ "--no-wait vm list", "unknown option --no-wait" },
		{ "vm list --json=yes", "--json takes no value" },
		{ "vm stop web1 --timeout", "--timeout wants TIME" },
		{ "vm stop w --timeout 1s --timeout 2s", "--timeout is given twice" },
		{ "vm stop w --wait --no-wait", "exclude each other" },
		{ "vm list -j", "unknown option -j" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(freep) char *line = mem_strdup(cases[i].line), *said = NULL;
		struct cli_call call;
		int r = parse(line, &call, &said);

		if (r != -EINVAL || !strstr(said, cases[i].says)) {
			printf("%s: %d\n%s", cases[i].line, r, said);
			CU_FAIL("refused");
		}
	}
}

/* However it is written, it is refused, nothing of it is repeated, and the way out is named. */
static void test_secrets(void)
{
	static const char *const lines[] = {
		"fence add f fence_x password=geheim --node n1",
		"fence add f fence_x ip=1 passwd=geheim --node n1",
		"fence add f fence_x PASSWD=geheim --node n1",
		"fence add f fence_x snmp_priv_passwd=geheim --node n1",
		"fence add f fence_x api_token=geheim --node n1",
		"fence add f fence_x hexadecimal_kg=geheim --node n1",
		"fence add password=geheim fence_x --node n1",
		"fence add f fence_x --node n1 --password=geheim",
		"fence add f fence_x --node n1 --passwd geheim",
		"vm set web1 password=geheim",
		"vm add f --set secret=geheim",
		"settings set password=geheim 1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(freep) char *line = mem_strdup(lines[i]), *said = NULL;
		struct cli_call call;
		int r = parse(line, &call, &said);

		if (r != -EINVAL || strstr(said, "geheim") || !strstr(said, "--secret-stdin")) {
			printf("%s: %d\n%s", lines[i], r, said);
			CU_FAIL("secret");
		}
	}
}

static void test_too_much(void)
{
	_cleanup_(freep) char *line = mem_array(1, 8 * WORDS_MAX), *said = NULL;
	struct cli_call call;

	strncat(line, "vm add f", 8 * WORDS_MAX - 1);
	for (int i = 0; i <= CLI_GIVEN_MAX; i++)
		memcpy(line + 8 + 12 * (size_t)i, " --set=ha=no", 13);
	CU_ASSERT_EQUAL(parse(line, &call, &said), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "too many options"));
}

static void test_values(void)
{
	_cleanup_(freep) char *line = mem_strdup("vm add f --set ha=no --set owners=n1"),
			      *said = NULL;
	struct cli_call call;

	CU_ASSERT_EQUAL(parse(line, &call, &said), 0);
	CU_ASSERT_TRUE(cli_has(&call, "set"));
	CU_ASSERT_FALSE(cli_has(&call, "stopped"));
	CU_ASSERT_STRING_EQUAL(cli_value(&call, "set"), "owners=n1");
	CU_ASSERT_PTR_NULL(cli_value(&call, "stopped"));
	CU_ASSERT_STRING_EQUAL(cli_word(&call, 0), "f");
	CU_ASSERT_PTR_NULL(cli_word(&call, 1));
}

static void test_split(void)
{
	char key[4] = "old";
	const char *value = "old";

	CU_ASSERT_TRUE(cli_split("abc=d=e", key, sizeof(key), &value));
	CU_ASSERT_STRING_EQUAL(key, "abc");
	CU_ASSERT_STRING_EQUAL(value, "d=e");
	CU_ASSERT_FALSE(cli_split("abcd=e", key, sizeof(key), &value));
	CU_ASSERT_FALSE(cli_split("=e", key, sizeof(key), &value));
	CU_ASSERT_FALSE(cli_split("e", key, sizeof(key), &value));
	CU_ASSERT_STRING_EQUAL(key, "abc");
}

static char *help_of(const char *words)
{
	_cleanup_(freep) char *line = mem_printf("%s --help", words), *said = NULL;
	struct cli_call call;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	CU_ASSERT_EQUAL(parse(line, &call, &said), 0);
	out = open_memstream(&text, &size);
	cli_write_help(&call, out);
	fclose(out);
	return text;
}

/* Every row says what it must, fits a terminal, and shows an example that parses as itself. */
static void test_table(void)
{
	for (size_t i = 0; i < ctl_cli.commands_n; i++) {
		const struct cli_command *command = &ctl_cli.commands[i];
		_cleanup_(freep) char *help = NULL;

		CU_ASSERT_PTR_NOT_NULL(command->run);
		CU_ASSERT_TRUE(strlen(command->brief) > 0 && strlen(command->brief) <= 54);
		CU_ASSERT_TRUE(strlen(command->help) > 0);
		if (command->flags & CLI_HIDDEN)
			continue;
		help = help_of(command->words);
		CU_ASSERT_PTR_NOT_NULL(strstr(help, command->words));
		CU_ASSERT_PTR_NOT_NULL_FATAL(command->example);
		if (!strstr(command->example, command->words)) {
			printf("%s: its example is of another command\n", command->words);
			CU_FAIL("example");
		}
		for (const struct cli_option *o = command->options;
		     o < command->options + CLI_OPTIONS && o->name; o++)
			CU_ASSERT_PTR_NOT_NULL(strstr(help, o->name));
	}
}

static void test_overview(void)
{
	_cleanup_(freep) char *all = help_of(""), *vm = help_of("vm");

	CU_ASSERT_PTR_NOT_NULL(strstr(all, "vm migrate"));
	CU_ASSERT_PTR_NOT_NULL(strstr(all, "fence test"));
	CU_ASSERT_PTR_NULL(strstr(all, "__complete"));
	CU_ASSERT_PTR_NOT_NULL(strstr(vm, "vm migrate"));
	CU_ASSERT_PTR_NULL(strstr(vm, "fence test"));
}

UNIT_MAIN("clusterctl/cli", { "good", test_good }, { "bad", test_bad }, { "secrets",
	test_secrets },
	  { "too-much", test_too_much }, { "values", test_values }, { "split", test_split },
	  { "table", test_table }, { "overview", test_overview })
