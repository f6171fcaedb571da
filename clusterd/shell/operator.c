/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/operator_private.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "clusterd/shell/log.h"
#include "clusterd/shell/store_copy.h"

enum { ACCEPTS_A_TURN = 16, CHECK_MS = 1000 };

/* ---------------------------------------------------------------- all clients */

void operator_stepped(struct operator *operator)
{
	struct core_standing standing;

	core_standing(operator->core, &standing);
	if (operator->open && !standing.open)
		operator->closed_ms = shell_wall_ms();
	operator->open = standing.open;
	for (uint64_t gone = operator->members & ~standing.members; gone; gone &= gone - 1)
		operator->unseen_ms[__builtin_ctzll(gone)] = shell_wall_ms();
	operator->members = standing.members;
}

static struct client *waiting_for(struct operator *operator, uint64_t tag)
{
	for (struct client *client = operator->clients; client; client = client->next)
		if (client->tag == tag && client->state == WAITING && !client->dead)
			return client;
	return NULL;
}

void operator_answer(struct operator *operator, uint64_t tag, const Wire__Verdict *verdict)
{
	struct client *client = waiting_for(operator, tag);

	if (client)
		operator_client_answer(client, verdict);
}

void operator_news(struct operator *operator)
{
	for (struct client *client = operator->clients; client; client = client->next)
		if (client->state == READING && !client->unsent && !client->dead)
			operator_client_go_on(client);
}

void operator_store_told(struct operator *operator)
{
	for (struct client *client = operator->clients; client; client = client->next)
		if (client->state == COPYING && !client->dead)
			operator_client_backed_up(client);
}

static void check_client(struct client *client, uint64_t now)
{
	uint64_t age = now - client->since_ms;

	if (client->unsent && age > OPERATOR_UNREAD_MS) {
		log_info("operator dropped user=%s reason=\"does not read\"", client->peer.name);
		operator_client_drop(client);
	} else if (client->state == WAITING && age > OPERATOR_ANSWER_MS)
		operator_client_refuse(client, "unknown-outcome",
				       "the cluster did not answer within %d s, so it is not known "
				       "whether it is done: look, or repeat it with the same "
				       "'request'", OPERATOR_ANSWER_MS / 1000);
	else if (client->state == COPYING && age > OPERATOR_BACKUP_MS) {
		store_copy_cancel(client->operator->store);
		operator_client_refuse(client, "not-ready",
				       "the backup was not made within %d min: is the disk of this "
				       "node slow? Try again, or on another one",
				       OPERATOR_BACKUP_MS / 60000);
	} else if (client->state == IDLE && !client->unsent && age > OPERATOR_IDLE_MS)
		operator_client_drop(client);
}

static void sweep(void *context)
{
	struct operator *operator = context;
	struct client **at = &operator->clients;
	uint64_t now = shell_boot_ms();

	shell_timer_fired(&operator->check_timer);
	for (struct client *client = operator->clients; client; client = client->next)
		if (!client->dead)
			check_client(client, now);
	while (*at) {
		struct client *client = *at;

		if (client->dead) {
			*at = client->next;
			operator_client_free(client);
		} else
			at = &client->next;
	}
	if (operator->clients)
		shell_timer_arm(operator->shell, &operator->check_timer, CHECK_MS, sweep, operator);
}

static void add_client(struct operator *operator, int fd, const struct local_peer *peer)
{
	struct client *client = mem_new(struct client);

	client->operator = operator;
	client->fd = fd;
	client->unsent_fd = -1;
	client->peer = *peer;
	client->id = json_null();
	operator_client_set_state(client, IDLE);
	client->next = operator->clients;
	operator->clients = client;
	operator->clients_n++;
	operator->strangers_n += !peer->trusted;
	client->events = POLLIN;
	if (qb_loop_poll_add(operator->shell->loop, QB_LOOP_MED, fd, client->events, client,
			     operator_client_on_event) < 0) {
		client->dead = true;
		shell_close_fd(&client->fd);
	}
	if (!operator->check_timer.handle)
		shell_timer_arm(operator->shell, &operator->check_timer, CHECK_MS, sweep, operator);
}

static bool is_full(const struct operator *operator, const struct local_peer *peer)
{
	return operator->clients_n >= OPERATOR_CLIENTS_MAX ||
	       (!peer->trusted && operator->strangers_n >= OPERATOR_STRANGERS_MAX);
}

static void greet(struct operator *operator, int fd, const struct local_peer *peer)
{
	static const char full[] = "{\"id\":null,\"seq\":0,\"last\":true,\"ok\":false,\"error\":"
				   "{\"code\":\"limit\",\"text\":\"too many clients are connected: "
				   "try again later\"}}";

	/* Those that went away only wait for the sweep. */
	if (is_full(operator, peer)) {
		shell_timer_stop(operator->shell, &operator->check_timer);
		sweep(operator);
	}
	if (!is_full(operator, peer)) {
		add_client(operator, fd, peer);
		return;
	}
	send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	shell_close_fd(&fd);
}

static int32_t on_listener(int32_t fd, int32_t revents, void *context)
{
	struct operator *operator = context;
	struct local_peer peer;
	int client = -1;

	for (int n = 0; n < ACCEPTS_A_TURN; n++) {
		if (local_accept(operator->listener, operator->group, &peer, &client) < 0)
			break;
		greet(operator, client, &peer);
	}
	return 0;
}

/* ---------------------------------------------------------------- life */

/* Requests hold secrets, and JSON leaves copies of its texts behind. */
static void wiping_free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

static void *sure_malloc(size_t size)
{
	return mem_array(size, 1);
}

int operator_new(const struct shell *shell, const struct operator_config *config,
		 struct operator **ret)
{
	struct operator *operator = mem_new(struct operator);
	mode_t mode;
	int error;

	json_set_alloc_funcs(sure_malloc, wiping_free);
	operator->shell = shell;
	operator->config = *config;
	operator->listener = -1;
	operator->next_tag = 1;
	operator->group = local_group("clusterd");
	mode = config->read_all ? 0666 : operator->group == LOCAL_GROUP_NONE ? 0600 : 0660;
	snprintf(operator->path, sizeof(operator->path), "%s/operator.sock", config->run_dir);
	error = local_listen(operator->path, mode, operator->group, &operator->listener);
	if (!error)
		error = qb_loop_poll_add(shell->loop, QB_LOOP_MED, operator->listener, POLLIN,
					 operator, on_listener);
	if (error) {
		shell_close_fd(&operator->listener);
		free(operator);
		return error;
	}
	*ret = operator;
	return 0;
}

void operator_set_core(struct operator *operator, const struct core *core, uint32_t node)
{
	operator->core = core;
	operator->node = node;
}

void operator_set_store(struct operator *operator, struct store *store)
{
	operator->store = store;
}

void operator_free(struct operator *operator)
{
	if (!operator)
		return;
	shell_timer_stop(operator->shell, &operator->check_timer);
	qb_loop_poll_del(operator->shell->loop, operator->listener);
	shell_close_fd(&operator->listener);
	while (operator->clients) {
		struct client *client = operator->clients;

		operator->clients = client->next;
		operator_client_drop(client);
		operator_client_free(client);
	}
	free(operator);
}
