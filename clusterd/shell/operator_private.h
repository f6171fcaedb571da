/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_OPERATOR_PRIVATE_H
#define CLUSTERD_SHELL_OPERATOR_PRIVATE_H

/*
 * A client is one connection to the operator socket, with at most one request at a time and one
 * record that it has not taken yet. Only for operator.c, which has them all, and
 * operator_client.c, which answers them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "clusterd/shell/local_socket.h"
#include "clusterd/shell/operator.h"
#include "clusterd/shell/operator_judge.h"
#include "clusterd/shell/operator_read.h"

/*
 *   IDLE --question--> READING --last page--> IDLE
 *   IDLE --change--> WAITING --answer or time--> IDLE
 *   IDLE --backup--> COPYING --made, failed or time--> IDLE
 */
enum client_state { IDLE, READING, WAITING, COPYING };

struct client {
	struct client *next;
	struct operator *operator;
	int fd, events;			/* POLL…: what its descriptor is listened to for */
	struct local_peer peer;
	enum client_state state;
	json_t *id;			/* of the request at hand */
	unsigned seq;
	struct reading *reading;
	uint64_t tag;			/* of the change it waits for */
	char *unsent;			/* one record that did not fit into the socket */
	size_t unsent_size;
	int unsent_fd;			/* goes with it; -1: none does */
	bool caught_up;			/* it has all there is; news may add to that */
	uint64_t since_ms;		/* in this state, or not reading */
	bool dead;			/* freed by the next sweep */
};

struct operator {
	const struct shell *shell;
	struct operator_config config;
	const struct core *core;
	struct store *store;		/* NULL: no backup is to be had */
	uint32_t node;
	bool open;			/* an epoch was, after the last step */
	uint64_t closed_ms;		/* wall clock; when that ended */
	uint64_t members;		/* after the last step, bit n-1 */
	uint64_t unseen_ms[JUDGE_NODES];	/* wall clock; since when node n, at n-1, is none */
	int listener;
	char path[120];
	long group;
	struct client *clients;
	size_t clients_n, strangers_n;
	uint64_t next_tag;
	struct shell_timer check_timer;
};

/* Waits for what the client may do next: a request, or that it takes a record. */
void operator_client_listen(struct client *client);
void operator_client_set_state(struct client *client, enum client_state state);
/* Closed now and freed by the sweep: it may be in use further up. */
void operator_client_drop(struct client *client);
void operator_client_free(struct client *client);

/* Ends the request at hand with a code of doc/operator.md and a sentence. */
void operator_client_refuse(struct client *client, const char *code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Ends the change that it waits for. */
void operator_client_answer(struct client *client, const Wire__Verdict *verdict);
/* The backup that it waits for may be made. */
void operator_client_backed_up(struct client *client);
/* Reads on: as many pages as it takes, not more than its turn; woken again for the next. */
void operator_client_go_on(struct client *client);

/* Of the loop: the client can be read from or written to, or is gone. */
int32_t operator_client_on_event(int32_t fd, int32_t revents, void *context);

#endif
