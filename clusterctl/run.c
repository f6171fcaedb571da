/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/* One run: from argv to the exit. */
#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/clock.h"
#include "clusterctl/commands.h"
#include "clusterctl/complete.h"
#include "clusterctl/conf.h"
#include "clusterctl/ctl.h"
#include "clusterctl/table.h"

#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COMPLETE_MS = 1500 };

/* JSON texts may hold a secret on its way to the daemon: nothing of them stays in freed memory. */
static void wiping_free(void *p)
{
	if (!p)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* Words that are no UTF-8 cannot be said in JSON. */
static bool words_are_text(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		json_t *probe = json_string(argv[i]);

		if (!probe)
			return false;
		json_decref(probe);
	}
	return true;
}

static bool wants_colour(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term &&
	       strcmp(term, "dumb") != 0;
}

/* Only people with a terminal read less than what there is. */
static size_t terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = { 0 };
	uint64_t width;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (columns && text_parse_uint(columns, 1, 10000, &width) == 0)
		return (size_t)width;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static bool parse_timeout(struct ctl *ctl, const char *timeout)
{
	struct ctl_error error;

	if (!timeout)
		return true;
	if (text_parse_duration(timeout, &ctl->timeout_ms) < 0 || ctl->timeout_ms == 0) {
		error = ctl_error_make(EXIT_USAGE, "invalid",
				       "--timeout is a time like 60s or 5m, not '%s'", timeout);
		ctl_fail(ctl, &error);
		return false;
	}
	ctl->end_ms = clock_ms() + ctl->timeout_ms;
	return true;
}

/* The socket: --socket, $CLUSTERD_SOCKET, or where clusterd.conf says. The caller frees it. */
static char *socket_path(const struct cli_call *call)
{
	_cleanup_(ctl_conf_free) struct ctl_conf conf = { 0 };
	const char *given = cli_value(call, "socket");

	if (!given)
		given = getenv("CLUSTERD_SOCKET");
	if (given && *given)
		return mem_strdup(given);
	ctl_conf_read(CLUSTERD_CONF_DIR "/clusterd.conf", &conf);
	return mem_printf("%s/operator.sock", conf.run_dir);
}

static int run(const struct cli_call *call)
{
	_cleanup_(freep) char *socket = socket_path(call);
	struct ctl ctl = {
		.call = call,
		.socket = socket,
		.json = cli_has(call, "json"),
		.wait = !cli_has(call, "no-wait"),
		.colour = wants_colour(),
		.width = terminal_width(),
		.live = isatty(STDERR_FILENO),
	};
	int exit = EXIT_USAGE;

	if (parse_timeout(&ctl, cli_value(call, "timeout")))
		exit = call->command->run(&ctl, call);
	ctl_close(&ctl);
	return exit;
}

/* The end of a pipe, a full disk: what was printed is not what was asked for. */
static int flush(int exit)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return exit;
	ctl_say("%s: stdout: %s", ctl_cli.program, strerror(errno));
	return exit == EXIT_OK ? EXIT_FAILED : exit;
}

static bool begins_with_status(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "status") == 0)
			return true;
	return false;
}

/* Of a command line that is not understood as a whole it is known all the same. */
static bool asks_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

/* The first line of a complaint as an error; what follows it is help for people. */
static void print_complaint(const char *complaint)
{
	_cleanup_(freep) char *line = NULL, *clean = NULL;
	size_t prefix = strlen(ctl_cli.program);

	if (strncmp(complaint, ctl_cli.program, prefix) == 0 &&
	    strncmp(complaint + prefix, ": ", 2) == 0)
		complaint += prefix + 2;
	line = mem_printf("%.*s", (int)strcspn(complaint, "\n"), complaint);
	clean = table_clean(line);
	ctl_print_json(json_pack("{s:{s:s,s:s}}", "error", "code", "invalid", "text", clean));
}

/* cli_parse(), which with --json also says on stdout what is wrong. */
static bool parse(int argc, char **argv, bool json, struct cli_call *ret)
{
	char *complaint = NULL;
	size_t size = 0;
	FILE *err = open_memstream(&complaint, &size);
	bool is_good;

	if (!err)
		return cli_parse(&ctl_cli, argc, argv, stderr, ret) == 0;
	is_good = cli_parse(&ctl_cli, argc, argv, err, ret) == 0;
	fclose(err);
	fputs(complaint, stderr);
	if (!is_good && json)
		print_complaint(complaint);
	free(complaint);
	return is_good;
}

int ctl_main(int argc, char **argv)
{
	/* Exit 2 of status means that the cluster is broken, which a mistyped option is not. */
	int usage = begins_with_status(argc, argv) ? (int)STATUS_UNKNOWN : (int)EXIT_USAGE;
	bool json = asks_json(argc, argv);
	struct cli_call call;

	setlocale(LC_CTYPE, "");
	json_set_alloc_funcs(malloc, wiping_free);
	if (!words_are_text(argc, argv)) {
		ctl_say("%s: an argument is not UTF-8 text", ctl_cli.program);
		if (json)
			print_complaint("an argument is not UTF-8 text");
		return flush(usage);
	}
	if (!parse(argc, argv, json, &call))
		return flush(usage);
	if (cli_has(&call, "help")) {
		cli_write_help(&call, stdout);
		return flush(EXIT_OK);
	}
	if (cli_has(&call, "version")) {
		printf("%s %s\n", ctl_cli.program, PACKAGE_VERSION);
		return flush(EXIT_OK);
	}
	return flush(run(&call));
}

/* ---- commands about the command line itself ---- */

int cmd_help(struct ctl *ctl, const struct cli_call *call)
{
	struct cli_call asked = { .cli = call->cli };
	char *argv[CLI_WORDS_MAX + 2] = { (char *)ctl_cli.program };
	int argc = 1;

	for (size_t i = 0; i < call->words_n; i++)
		argv[argc++] = (char *)call->words[i];
	argv[argc++] = (char *)"--help";
	if (!parse(argc, argv, ctl->json, &asked))
		return EXIT_USAGE;
	cli_write_help(&asked, stdout);
	return EXIT_OK;
}

static json_t *names_of(void *context, enum cli_kind kind)
{
	json_t *names = NULL;

	return ctl_names(context, kind, &names) ? names : NULL;
}

int cmd_complete(struct ctl *ctl, const struct cli_call *call)
{
	/* Somebody waits with a finger on the key. */
	ctl->end_ms = clock_ms() + COMPLETE_MS;
	complete_write(call->cli, call->words, call->words_n, names_of, ctl, stdout);
	return EXIT_OK;
}
