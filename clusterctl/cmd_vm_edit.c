/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm edit: a definition in somebody's editor.
 *
 * What was typed is never lost: when the cluster refuses it, the file stays, and the editor is
 * offered again. The digest of the definition the edit began with goes along, so that of two
 * people only one wins and the other is told.
 */
#include "base/argv.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/change.h"
#include "clusterctl/commands.h"
#include "clusterctl/definition.h"
#include "clusterctl/field.h"
#include "clusterctl/params.h"
#include "domain/xml.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct edit {
	struct ctl *ctl;
	const char *name;
	json_int_t id;
	char *before;   /* the XML it began with */
	json_t *digest; /* and its digest as the daemon writes it */
	char *path;     /* of the file that is edited; NULL: none is there */
};

static void edit_free(struct edit *edit)
{
	if (edit->path)
		unlink(edit->path);
	free(edit->path);
	free(edit->before);
	json_decref(edit->digest);
}

/* ---- the file and the editor ---- */

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int write_file(struct edit *edit)
{
	const char *dir = getenv("TMPDIR");
	char *path = mem_printf("%s/clusterctl-%s-XXXXXX.xml", dir && *dir ? dir : "/tmp",
				text_valid_name(edit->name, 64) ? edit->name : "vm");
	int fd = mkostemps(path, 4, O_CLOEXEC), r;

	if (fd < 0) {
		r = -errno;
		free(path);
		return r;
	}
	edit->path = path;
	r = write_all(fd, edit->before);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

/* The editor's words; it may be given with options, as in EDITOR="vim -n". */
static void editor_words(struct argv *words)
{
	const char *editor = getenv("VISUAL");

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = access("/usr/bin/editor", X_OK) == 0 ? "editor" : "vi";
	while (*editor) {
		size_t len = strcspn(editor, " \t");

		if (len)
			argv_addf(words, "%.*s", (int)len, editor);
		editor += len;
		editor += strspn(editor, " \t");
	}
}

/*
 * Editors that show a screen make a mess without a terminal, or hang. What else is named, or
 * lies elsewhere, may be a script's.
 */
static bool needs_terminal(const char *editor)
{
	static const char *const screens[] = {
		"editor", "sensible-editor", "vi",  "vim",    "vim.basic", "vim.tiny",
		"nvi",    "nvim",            "joe", "mcedit", "emacs",     "emacsclient",
		"nano",   "pico",            "jed", "micro",
	};
	static const char system_dir[] = "/usr/bin/";

	if (strncmp(editor, system_dir, strlen(system_dir)) == 0)
		editor += strlen(system_dir);
	for (size_t i = 0; i < ARRAY_SIZE(screens); i++)
		if (strcmp(editor, screens[i]) == 0)
			return true;
	return false;
}

/* Looked at before anything is asked or written. */
static bool has_terminal_for_editor(const char *name, struct ctl_error *ret_error)
{
	_cleanup_(argv_free) struct argv words = { 0 };

	editor_words(&words);
	if ((isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) || !needs_terminal(words.items[0]))
		return true;
	*ret_error = ctl_error_make(EXIT_USAGE, "invalid",
				    "the editor (%s) needs a terminal, and there is none; a script "
				    "may take the new definition from a file: EDITOR='cp FILE' "
				    "clusterctl vm edit %s",
				    words.items[0], name);
	return false;
}

/* 0: the editor ended well. -ECHILD: it did not. */
static int wait_editor(pid_t pid)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	int status = 0;
	pid_t ended;

	/* Ctrl-C in the editor is meant for the editor. */
	sigaction(SIGINT, &ignore, &before);
	do
		ended = waitpid(pid, &status, 0);
	while (ended < 0 && errno == EINTR);
	sigaction(SIGINT, &before, NULL);
	return ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

static bool run_editor(struct edit *edit, struct ctl_error *ret_error)
{
	_cleanup_(argv_free) struct argv words = { 0 };
	pid_t pid;
	int r;

	editor_words(&words);
	argv_add(&words, edit->path);
	r = -posix_spawnp(&pid, words.items[0], NULL, NULL, argv_items(&words), environ);
	if (r == 0)
		r = wait_editor(pid);
	if (r == 0)
		return true;
	*ret_error = ctl_error_make(EXIT_FAILED, "invalid", "the editor (%s) %s%s", words.items[0],
				    r == -ECHILD ? "ended with an error" : "cannot be run: ",
				    r == -ECHILD ? "" : strerror(-r));
	return false;
}

/* ---- asking people ---- */

/* Says what is wrong and whether to go on; without a terminal nobody can be asked. */
static bool offer_again(const struct ctl_error *error, bool *ret_said)
{
	char answer[16];

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	*ret_said = true;
	ctl_say("%s: %s", ctl_cli.program, error->text);
	fprintf(stderr, "Edit again? [Y/n] ");
	fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	return answer[0] != 'n' && answer[0] != 'N';
}

/* Of a file that cannot be read it is not known. */
static bool is_as_before(const struct edit *edit)
{
	_cleanup_(buf_free) struct buf now = { 0 };

	return params_read_text(edit->path, CLIENT_REQUEST_MAX, &now) == 0 &&
	       strcmp(buf_str(&now), edit->before) == 0;
}

/* The error is said here unless it was said when the editor was offered again. */
static int keep_text(struct edit *edit, struct ctl_error *error, bool said)
{
	int exit = error->exit;

	if (said)
		ctl_error_free(error);
	else
		exit = ctl_fail(edit->ctl, error);
	if (is_as_before(edit))
		return exit;
	ctl_say("Your text is kept in %s", edit->path);
	free(edit->path);
	edit->path = NULL;
	return exit;
}

/* ---- whether anything was changed ---- */

/* As the cluster would keep it. False: it is no definition that the cluster would take. */
static bool kept_form(const char *xml, struct buf *ret)
{
	_cleanup_(domain_freep) struct domain *domain = NULL;
	struct domain_rules rules = { 0 };
	char why[DOMAIN_WHY_SIZE];

	if (domain_read(xml, strlen(xml), &rules, &domain, why, sizeof(why)) < 0)
		return false;
	domain_canonical(domain, ret);
	return true;
}

static size_t len_without_blanks(const char *text)
{
	size_t len = strlen(text);

	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	return len;
}

/* Editors add a line end to a text that has none; comments and blanks are not kept at all. */
static bool is_unchanged(const char *before, const char *after)
{
	_cleanup_(buf_free) struct buf kept_before = { 0 }, kept_after = { 0 };
	size_t len = len_without_blanks(before);

	if (len == len_without_blanks(after) && memcmp(before, after, len) == 0)
		return true;
	return kept_form(before, &kept_before) && kept_form(after, &kept_after) &&
	       strcmp(buf_str(&kept_before), buf_str(&kept_after)) == 0;
}

/* ---- one round ---- */

enum round { ROUND_AGAIN, ROUND_OVER };

/* Sends what was typed. */
static enum round send_text(struct edit *edit, const char *xml, int *ret_exit)
{
	struct change change = { .name = edit->name, .done = "%s is changed" };
	struct ctl_error error = { 0 };
	json_t *request, *verdict = NULL;
	bool said = false;

	request = json_pack("{s:s,s:s,s:s}", "do", "vm-edit", "name", edit->name, "xml", xml);
	if (edit->digest)
		json_object_set(request, "digest", edit->digest);
	if (ctl_change(edit->ctl, request, &verdict, &error)) {
		*ret_exit = change_finish(edit->ctl, verdict, &change);
		return ROUND_OVER;
	}
	if (strcmp(error.code, "stale") != 0 && offer_again(&error, &said)) {
		ctl_error_free(&error);
		return ROUND_AGAIN;
	}
	/* Of a stale one another try from the same text would undo what somebody else has done. */
	*ret_exit = keep_text(edit, &error, said);
	return ROUND_OVER;
}

static enum round edit_round(struct edit *edit, int *ret_exit)
{
	_cleanup_(buf_free) struct buf xml = { 0 };
	struct ctl_error error = { 0 };
	int r;

	if (!run_editor(edit, &error)) {
		*ret_exit = keep_text(edit, &error, false);
		return ROUND_OVER;
	}
	r = params_read_text(edit->path, CLIENT_REQUEST_MAX, &xml);
	if (r < 0) {
		error = ctl_error_make(EXIT_FAILED, "invalid", "%s: %s", edit->path,
				       r == -EFBIG    ? "too large for a definition"
				       : r == -EILSEQ ? "not UTF-8 text"
						      : strerror(-r));
		*ret_exit = keep_text(edit, &error, false);
		return ROUND_OVER;
	}
	if (is_unchanged(edit->before, buf_str(&xml))) {
		struct change change = { .name = edit->name, .done = "%s is unchanged" };

		*ret_exit = change_finish(edit->ctl, json_pack("{s:i,s:I,s:s}", "op", 0, "record",
							       edit->id, "text", ""), &change);
		return ROUND_OVER;
	}
	return send_text(edit, buf_str(&xml), ret_exit);
}

/*
 * The digest is asked for before the text: if somebody is faster in between, the edit is
 * refused, not his change lost.
 */
static bool fetch(struct edit *edit, struct ctl_error *ret_error)
{
	json_t *vm = NULL;

	if (!ctl_ask_object(edit->ctl, json_pack("{s:s,s:s}", "do", "vm", "name", edit->name), &vm,
			    ret_error))
		return false;
	edit->digest = json_incref(json_object_get(json_object_get(vm, "essence"), "digest"));
	edit->id = field_number(vm, "id");
	json_decref(vm);
	return definition_get(edit->ctl, edit->name, &edit->before, ret_error);
}

static void on_signal(int signal)
{
}

/* From now on a signal only ends the waiting, so that the file is named or removed. */
static void outlive_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}

int cmd_vm_edit(struct ctl *ctl, const struct cli_call *call)
{
	_cleanup_(edit_free) struct edit edit = { .ctl = ctl, .name = cli_word(call, 0) };
	struct ctl_error error = { 0 };
	int exit = EXIT_OK, r;

	if (!has_terminal_for_editor(edit.name, &error) || !fetch(&edit, &error))
		return ctl_fail(ctl, &error);
	outlive_signals();
	r = write_file(&edit);
	if (r < 0) {
		error = ctl_error_make(EXIT_FAILED, "invalid", "no file to edit: %s", strerror(-r));
		return ctl_fail(ctl, &error);
	}
	while (edit_round(&edit, &exit) == ROUND_AGAIN)
		;
	return exit;
}
