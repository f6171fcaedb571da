/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm console: the serial console of a VM, wherever it runs.
 *
 * When a VM moves, its console on the old node ends. Then the cluster is asked again where it
 * is, and the console there is opened; for a VM that was stopped this is the end, and so it is
 * when somebody else has it now.
 */
#include "base/mem.h"
#include "clusterctl/clock.h"
#include "clusterctl/commands.h"
#include "clusterctl/conf.h"
#include "clusterctl/console.h"
#include "clusterctl/place.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	LOOK_FOR_MS = 60000, /* after the console ended */
	LOOK_AGAIN_MS = 500,
	WHY_MAX = 512,
};

struct session {
	struct ctl *ctl;
	const char *name;
	const char *libvirt_uri;
	char *node; /* where it was open last; NULL before the first time */
	json_int_t generation; /* of the VM then */
	bool take_over;
	bool cut;     /* it ended with its connection: libvirt may not know that yet */
	bool busy;    /* when it was looked for last somebody else had it */
	bool off;     /* when it was looked for last it was off, and meant to be */
	bool failed;  /* or given up, so that nothing will come */
};

static void say_open(struct session *session, const struct place *place)
{
	const char *escape = isatty(STDIN_FILENO) ? " Escape with ^]." : "";

	if (!session->node)
		ctl_say("Console of %s on %s.%s", session->name, place->node, escape);
	else if (strcmp(session->node, place->node) == 0)
		ctl_say("Console of %s on %s, open again.%s", session->name, place->node, escape);
	else
		ctl_say("%s moved from %s to %s; here is its console.%s", session->name,
			session->node, place->node, escape);
	free(session->node);
	session->node = mem_strdup(place->node);
	session->generation = place->generation;
}

static bool is_state(const struct place *place, const char *state)
{
	return strcmp(place->state, state) == 0;
}

static struct ctl_error error_of_place(const struct session *session, const struct place *place,
				       const char *why)
{
	const char *name = session->name;

	if (is_state(place, "stopped") && strcmp(place->wanted, "stopped") != 0)
		return ctl_error_make(EXIT_FAILED, "wrong-state",
				      "%s does not run yet, so it has no console; why: "
				      "clusterctl vm show %s", name, name);
	if (is_state(place, "stopped") || is_state(place, "failed"))
		return ctl_error_make(EXIT_FAILED, "wrong-state",
				      "%s is %s, so it has no console: clusterctl vm start %s",
				      name, place->state, name);
	if (is_state(place, "stopping"))
		return ctl_error_make(EXIT_FAILED, "wrong-state",
				      "%s is being stopped, so it has no console any more (%s)",
				      name, why);
	if (is_state(place, "starting"))
		return ctl_error_make(EXIT_FAILED, "wrong-state",
				      "%s is only starting, so it has no console yet: try again "
				      "soon (%s)", name, why);
	if (!place_is_alive(place))
		return ctl_error_make(EXIT_FAILED, "wrong-state",
				      "no console of %s now: its state is %s%s%s%s%s",
				      session->name, place->state, *place->node ? ", on " : "",
				      place->node, *place->why ? ": " : "", place->why);
	return ctl_error_make(EXIT_FAILED, "wrong-state", "no console of %s on %s (%s): %s",
			      session->name, place->node, place->uri, why);
}

/* One that was ours and is where it was can only be held by who took it from us. */
static struct ctl_error error_of_busy(const struct session *session, const struct place *place,
				      const char *why)
{
	const char *name = session->name;

	if (session->node && strcmp(session->node, place->node) == 0 &&
	    session->generation == place->generation && !session->cut)
		return ctl_error_make(EXIT_FAILED, "busy",
				      "the console of %s on %s was taken over by another console; "
				      "to take it back: clusterctl vm console %s --force",
				      name, place->node, name);
	return ctl_error_make(EXIT_FAILED, "busy",
			      "somebody else has the console of %s on %s (%s); to end their "
			      "session: clusterctl vm console %s --force",
			      name, place->node, why, name);
}

/* Opens it where it is now. False with the error. */
static bool open_once(struct session *session, struct console **ret, struct ctl_error *ret_error)
{
	_cleanup_(place_free) struct place place = { 0 };
	char why[WHY_MAX] = "";
	int r = -ENOENT;

	session->busy = false;
	if (!place_find(session->ctl, session->name, session->libvirt_uri, &place, ret_error))
		return false;
	session->off = is_state(&place, "stopped") && strcmp(place.wanted, "stopped") == 0;
	session->failed = is_state(&place, "failed");
	if (place_is_alive(&place))
		r = console_open(place.uri, place.uuid, session->take_over, ret, why,
				 sizeof(why));
	session->busy = r == -EBUSY;
	if (r == 0)
		say_open(session, &place);
	else if (r == -EBUSY)
		*ret_error = error_of_busy(session, &place, why);
	else
		*ret_error = error_of_place(session, &place, why);
	return r == 0;
}

/* The same again and again; the VM may be between two nodes, or the daemon about to come back. */
static bool open_again(struct session *session, struct console **ret, struct ctl_error *ret_error)
{
	uint64_t end_ms = clock_ms() + LOOK_FOR_MS;

	for (;;) {
		clock_sleep(LOOK_AGAIN_MS);
		if (open_once(session, ret, ret_error))
			return true;
		if (session->off || session->failed || (session->busy && !session->cut) ||
		    ret_error->exit == EXIT_NO_SUCH || clock_ms() >= end_ms)
			return false;
		ctl_error_free(ret_error);
	}
}

static int say_off(struct session *session, struct ctl_error *error)
{
	ctl_error_free(error);
	ctl_say("%s is off; its console has ended.", session->name);
	return EXIT_OK;
}

static int talk(struct session *session, struct console *console)
{
	struct ctl_error error = { 0 };

	for (;;) {
		enum console_end end = console_run(console);

		console_free(console);
		console = NULL;
		if (isatty(STDOUT_FILENO))
			fputs("\r\n", stderr);
		if (end != CONSOLE_CLOSED && end != CONSOLE_CUT)
			return end == CONSOLE_LEFT ? EXIT_OK : EXIT_FAILED;
		ctl_say("The console of %s on %s has ended; asking where it is now.", session->name,
			session->node);
		/* Somebody else's session there is none of ours to end. */
		session->take_over = false;
		session->cut = end == CONSOLE_CUT;
		if (!open_again(session, &console, &error))
			return session->off ? say_off(session, &error)
					    : ctl_fail(session->ctl, &error);
	}
}

static int connect_terminal(struct session *session)
{
	struct ctl_error error = { 0 };
	struct console *console = NULL;

	if (!open_once(session, &console, &error))
		return ctl_fail(session->ctl, &error);
	return talk(session, console);
}

int cmd_vm_console(struct ctl *ctl, const struct cli_call *call)
{
	_cleanup_(ctl_conf_free) struct ctl_conf conf = { 0 };
	struct session session = { .ctl = ctl, .name = cli_word(call, 0) };
	struct ctl_error error = { 0 };
	int exit;

	ctl_conf_read(CLUSTERD_CONF_DIR "/clusterd.conf", &conf);
	session.libvirt_uri = conf.libvirt_uri;
	session.take_over = cli_has(call, "force");
	if (console_init() < 0) {
		error = ctl_error_make(EXIT_FAILED, "not-ready", "libvirt cannot be used here");
		return ctl_fail(ctl, &error);
	}
	console_watch_escape();
	exit = connect_terminal(&session);
	console_unwatch_escape();
	free(session.node);
	return exit;
}
