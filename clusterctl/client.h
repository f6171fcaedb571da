/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client: one connection to the daemon's operator socket (doc/operator.md).
 *
 * Requests and replies are JSON objects, one to a record of an AF_UNIX SOCK_SEQPACKET socket.
 * One request at a time. What comes from the daemon is checked as anything from outside: a
 * reply that does not have the agreed form is -EPROTO.
 */
#ifndef CLUSTERCTL_CLIENT_H
#define CLUSTERCTL_CLIENT_H

#include "base/cleanup.h"

#include <jansson.h>
#include <stdbool.h>

enum {
	CLIENT_REQUEST_MAX = 60 * 1024, /* bytes of a request */
	CLIENT_REPLY_MAX = 64 * 1024,   /* bytes of a record of a reply */
	CLIENT_RECORDS_MAX = 100000,    /* records of one reply that ends */
};

struct client;

/*
 * Connects. 0 or -errno of socket() and connect(); -ENAMETOOLONG for a path that no socket can
 * have.
 */
int client_open(const char *path, struct client **ret);
void client_free(struct client *client);
DEFINE_CLEANUP(struct client *, client_free);

/*
 * Sends a request, whose "id" it sets. -E2BIG: larger than CLIENT_REQUEST_MAX; else -errno of
 * send(), where -EPIPE and -ECONNRESET mean that the daemon closed the connection.
 */
int client_send(struct client *client, json_t *request);

/* A record of a reply. A failure is data == NULL and error, the object {code, text, …}. */
struct client_record {
	bool last;
	json_t *data;
	json_t *error;
};

/*
 * Waits for the next record that belongs to the last request. timeout_ms < 0: for ever.
 * -ETIMEDOUT; -ECONNRESET: the daemon closed; -EINTR: a signal came; -EPROTO: no record of the
 * agreed form; else -errno of poll() and recv().
 */
int client_next(struct client *client, int timeout_ms, struct client_record *ret);
void client_record_free(struct client_record *record);

/* The file that came with a record of the last reply, which is the caller's then; -1: none did. */
int client_take_file(struct client *client);

/* One of the two: the array of what each record's data was, or the error object. */
struct client_reply {
	json_t *records;
	json_t *error;
};

/*
 * Sends a request and waits for all of its records; timeout_ms is for the whole. Errors as
 * above.
 */
int client_ask(struct client *client, json_t *request, int timeout_ms, struct client_reply *ret);
void client_reply_free(struct client_reply *reply);

#endif
