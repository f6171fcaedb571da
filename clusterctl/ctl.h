/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ctl: one run of clusterctl: what was asked for in general, and the daemon behind it.
 *
 * Handlers of commands get one. They ask with the functions below, which connect when they must
 * and turn every way in which asking can fail into a ctl_error; ctl_fail() then says it and
 * gives the exit. Results go to stdout, a JSON document with --json, a table otherwise;
 * everything else goes to stderr.
 */
#ifndef CLUSTERCTL_CTL_H
#define CLUSTERCTL_CTL_H

#include "base/cleanup.h"
#include "clusterctl/cli.h"
#include "clusterctl/client.h"
#include "clusterctl/exits.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	CTL_READ_MS = 10000,   /* a question about what is */
	CTL_FILE_MS = 620000,  /* a file; the daemon itself gives up after 10 min */
	CTL_CHANGE_MS = 45000, /* a change; the daemon itself answers after 30 s */
	CTL_RETRY_MS =
		15000, /* a daemon that goes away meanwhile may take that long to come back */
};

struct ctl {
	const struct cli_call *call;
	const char *socket;
	bool json;
	bool wait;
	uint64_t timeout_ms;   /* of the whole command; 0: none */
	uint64_t end_ms;       /* clock_ms() of that; 0: none */
	bool colour;           /* of stdout */
	size_t width;          /* of stdout, if it is a terminal; 0: no limit */
	bool live;             /* stderr is a terminal: a line of progress makes sense */
	bool silent;           /* an answer stands on stdout already */
	struct client *client; /* NULL until the first question */
};

struct ctl_error {
	enum ctl_exit exit;
	const char *code; /* borrowed from json or static */
	const char *text; /* the same */
	json_t *json;     /* what the daemon said, NULL if it said nothing */
	char *own;        /* the text, where it was made here */
};
void ctl_error_free(struct ctl_error *error);

/* One error from here, formatted. */
struct ctl_error ctl_error_make(enum ctl_exit exit, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Runs the command line and returns the exit; all of main(). */
int ctl_main(int argc, char **argv);
void ctl_close(struct ctl *ctl);

/* The whole of what clusterctl can do (clusterctl/commands.c). */
extern const struct cli ctl_cli;

/* ---- asking ---- */

/*
 * Asks and waits for the whole answer: an array of the data of each record. Takes the request
 * over. Returns false with *ret_error set. A question that was cut off by a daemon's restart is
 * asked again.
 */
bool ctl_ask(struct ctl *ctl, json_t *request, json_t **ret_records, struct ctl_error *ret_error);

/*
 * The same for a verb whose data are arrays: all of them as one; and for one whose data is an
 * object.
 */
bool ctl_ask_list(struct ctl *ctl, json_t *request, json_t **ret_list, struct ctl_error *ret_error);
bool ctl_ask_object(struct ctl *ctl, json_t *request, json_t **ret, struct ctl_error *ret_error);

/*
 * Asks for a change. It carries a random number by which the daemon knows a repetition, so it
 * is asked again when the daemon goes away in between, and is still made once.
 */
bool ctl_change(struct ctl *ctl, json_t *request, json_t **ret_verdict,
		struct ctl_error *ret_error);

/*
 * The same for an object that comes with a file, which takes its time; ret_file is the caller's.
 */
bool ctl_ask_file(struct ctl *ctl, json_t *request, json_t **ret, int *ret_file,
		  struct ctl_error *ret_error);

/* The connection, for a command that talks by itself. */
bool ctl_connect(struct ctl *ctl, struct ctl_error *ret_error);
void ctl_disconnect(struct ctl *ctl);

/* {"do": verb}, to be completed. */
json_t *ctl_request(const char *verb);

/* ---- answering ---- */

/*
 * Says an error on stderr (with --json also on stdout), frees it and returns its exit. Of what
 * is not there, adds which one may have been meant.
 */
int ctl_fail(struct ctl *ctl, struct ctl_error *error);

/* A sentence for people on stderr, without what could drive a terminal; a line end is added. */
void ctl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The document on stdout; takes it over. Returns EXIT_OK, or EXIT_FAILED where stdout takes no
 * more.
 */
int ctl_print_json(json_t *json);

/* ---- looking up ---- */

/*
 * The names of all things of a kind, for suggestions and completion. False if the daemon does
 * not tell.
 */
bool ctl_names(struct ctl *ctl, enum cli_kind kind, json_t **ret_names);

/* The id of a node by its name in a list of nodes; 0 if there is none. */
json_int_t ctl_node_id(const json_t *nodes, const char *name);

#endif
