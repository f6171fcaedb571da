/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/operator_private.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/log.h"
#include "clusterd/shell/operator_write.h"
#include "clusterd/shell/store_copy.h"
#include "wire/check.h"
#include "wire/json.h"
#include "wire/message.h"

enum { PAGES_A_TURN = 4, WHO_SIZE = 160, WORD_SIZE = 40 };

/* ---------------------------------------------------------------- life of a client */

static void listen_for(struct client *client, int events)
{
	if (client->events == events)
		return;
	client->events = events;
	qb_loop_poll_mod(client->operator->shell->loop, QB_LOOP_MED, client->fd, events, client,
			 operator_client_on_event);
}

/* Whoever waits mostly says nothing more until it is answered; what it says then is left there. */
void operator_client_listen(struct client *client)
{
	if (client->unsent)
		listen_for(client, POLLOUT);
	else if (client->state == IDLE)
		listen_for(client, POLLIN);
	else if (client->events != POLLIN)
		listen_for(client, 0);
}

void operator_client_set_state(struct client *client, enum client_state state)
{
	client->state = state;
	client->since_ms = shell_boot_ms();
}

void operator_client_drop(struct client *client)
{
	if (client->dead)
		return;
	client->dead = true;
	if (client->state == COPYING)
		store_copy_cancel(client->operator->store);
	qb_loop_poll_del(client->operator->shell->loop, client->fd);
	shell_close_fd(&client->fd);
}

void operator_client_free(struct client *client)
{
	struct operator *operator = client->operator;

	operator->clients_n--;
	operator->strangers_n -= !client->peer.trusted;
	json_decref(client->id);
	reading_free(client->reading);
	free(client->unsent);
	shell_close_fd(&client->unsent_fd);
	free(client);
}

/* ---------------------------------------------------------------- records */

static ssize_t send_unsent(struct client *client)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { client->unsent, client->unsent_size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	if (client->unsent_fd >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &client->unsent_fd, sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
	}
	return sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void flush(struct client *client)
{
	if (!client->unsent || client->dead)
		return;
	if (send_unsent(client) < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			operator_client_drop(client);
		return;
	}
	free(client->unsent);
	client->unsent = NULL;
	shell_close_fd(&client->unsent_fd);
	client->since_ms = shell_boot_ms();
}

/* Takes record. False: it is larger than a record may be. */
static bool send_record(struct client *client, json_t *record)
{
	size_t size = json_dumpb(record, NULL, 0, JSON_COMPACT);

	if (size == 0 || size > OPERATOR_RECORD_MAX) {
		json_decref(record);
		return false;
	}
	client->unsent = mem_array(size, 1);
	client->unsent_size = json_dumpb(record, client->unsent, size, JSON_COMPACT);
	json_decref(record);
	client->since_ms = shell_boot_ms();
	flush(client);
	return true;
}

static json_t *new_record(struct client *client, bool last, bool ok)
{
	json_t *record = json_object();

	json_object_set(record, "id", client->id);
	json_object_set_new(record, "seq", json_integer(client->seq++));
	json_object_set_new(record, "last", json_boolean(last));
	json_object_set_new(record, "ok", json_boolean(ok));
	return record;
}

static void end_request(struct client *client)
{
	reading_free(client->reading);
	client->reading = NULL;
	client->tag = 0;
	operator_client_set_state(client, IDLE);
	if (!client->dead)
		operator_client_listen(client);
}

static void send_refusal(struct client *client, const struct refusal *refusal, json_t *more)
{
	json_t *record = new_record(client, true, false), *error = more ? more : json_object();
	_cleanup_(freep) char *mended = mem_strdup(refusal->text);
	json_t *text;

	/* Part of a text from outside may be cut within a character. */
	wire_text_mend(mended);
	text = json_string(mended);
	json_object_set_new(error, "code", json_string(refusal->code));
	json_object_set_new(error, "text", text ? text : json_string("refused"));
	json_object_set_new(record, "error", error);
	send_record(client, record);
	end_request(client);
}

void operator_client_refuse(struct client *client, const char *code, const char *format, ...)
{
	struct refusal refusal = { .code = code };
	va_list args;

	va_start(args, format);
	vsnprintf(refusal.text, sizeof(refusal.text), format, args);
	va_end(args);
	send_refusal(client, &refusal, NULL);
}

/* Takes data. */
static void send_data(struct client *client, json_t *data, bool last)
{
	json_t *record = new_record(client, last, true);

	json_object_set_new(record, "data", data);
	if (!send_record(client, record)) {
		client->seq--;
		operator_client_refuse(client, "limit",
				       "the answer is larger than %d KiB: ask for less",
				       OPERATOR_RECORD_MAX / 1024);
	} else if (last)
		end_request(client);
}

/* ---------------------------------------------------------------- questions */

static void pump(struct client *client)
{
	struct operator *operator = client->operator;
	const struct reading_source source = {
		.core = operator->core, .node = operator->node, .wall_ms = shell_wall_ms(),
		.closed_ms = operator->closed_ms, .unseen_ms = operator->unseen_ms,
	};

	for (int n = 0; n < PAGES_A_TURN && client->state == READING && !client->unsent &&
	     !client->dead; n++) {
		struct refusal refusal;
		json_t *data = NULL;
		bool last = false;
		int error = reading_page(client->reading, &source, &data, &last, &refusal);

		client->caught_up = error == -EAGAIN;
		if (client->caught_up)
			return;
		if (error)
			send_refusal(client, &refusal, NULL);
		else
			send_data(client, data, last);
	}
}

void operator_client_go_on(struct client *client)
{
	pump(client);
	if (client->dead)
		return;
	operator_client_listen(client);
	/* More pages, and the socket takes them: after the others had their turn. */
	if (client->state == READING && !client->unsent && !client->caught_up)
		listen_for(client, POLLOUT);
}

static void begin_reading(struct client *client, const char *verb, const json_t *request)
{
	struct refusal refusal;

	if (!client->operator->config.read_all && !client->peer.trusted) {
		operator_client_refuse(client, "denied",
				       "%s may not read here: be root or in the group "
				       "clusterd, or set read_access = all", client->peer.name);
		return;
	}
	if (reading_new(verb, request, &client->reading, &refusal) < 0) {
		send_refusal(client, &refusal, NULL);
		return;
	}
	operator_client_set_state(client, READING);
	operator_client_go_on(client);
}

/* ---------------------------------------------------------------- changes */

/* As the fence agent process looks for them (agents/fence_call.c). */
static const char *const fence_dirs[] = { "/usr/sbin", "/sbin", NULL };

static void begin_change(struct client *client, const char *verb, const json_t *request)
{
	struct operator *operator = client->operator;
	const struct state *state = core_state(operator->core);
	const Wire__Node *node = state_node(state, operator->node);
	char who[WHO_SIZE], number[16];
	struct writing_source source = {
		.state = state, .secret_key = operator->config.secret_key,
		.fence_dirs = fence_dirs, .node = operator->node,
		.boot_id = operator->config.boot_id, .wall_ms = shell_wall_ms(),
		.random = shell_random(), .who = who,
	};
	_cleanup_(wire_freep) Wire__Command *command = NULL;
	struct refusal refusal;
	struct event event = { .kind = EVENT_CLIENT };

	if (!client->peer.trusted) {
		operator_client_refuse(client, "denied",
				       "%s may not change anything: be root or in the group "
				       "clusterd", client->peer.name);
		return;
	}
	snprintf(number, sizeof(number), "node %u", operator->node);
	snprintf(who, sizeof(who), "%s via %s", client->peer.name, node ? node->name : number);
	if (writing_command(verb, request, &source, &command, &refusal) < 0) {
		send_refusal(client, &refusal, NULL);
		return;
	}
	client->tag = operator->next_tag++;
	operator_client_set_state(client, WAITING);
	operator_client_listen(client);
	event.client = (struct event_client){ client->tag, command };
	operator->shell->event(operator->shell->context, &event);
}

static json_t *data_of_verdict(const Wire__Verdict *verdict)
{
	json_t *data = json_object();

	json_object_set_new(data, "op", json_integer((json_int_t)verdict->op));
	json_object_set_new(data, "record", json_integer((json_int_t)verdict->id));
	return data;
}

void operator_client_answer(struct client *client, const Wire__Verdict *verdict)
{
	json_t *data = data_of_verdict(verdict);
	struct refusal refusal;
	char word[WORD_SIZE] = "";

	if (verdict->code == WIRE__VERDICT__CODE__OK) {
		json_object_set_new(data, "text", json_string(verdict->text));
		send_data(client, data, true);
		return;
	}
	refuse(&refusal, wire_enum_word(&wire__verdict__code__descriptor, (int)verdict->code, word,
					sizeof(word)), "%s", verdict->text);
	if (!refusal.code)
		refusal.code = "invalid";
	send_refusal(client, &refusal, data);
}

/* ---------------------------------------------------------------- backup */

static bool only_keys(const json_t *request)
{
	return json_object_size(request) == 2;
}

static void begin_backup(struct client *client, const json_t *request)
{
	struct operator *operator = client->operator;

	if (!client->peer.trusted)
		operator_client_refuse(client, "denied",
				       "%s may not make a backup: be root or in the group "
				       "clusterd", client->peer.name);
	else if (!only_keys(request))
		operator_client_refuse(client, "bad-request", "backup takes no keys");
	else if (!state_cluster(core_state(operator->core)))
		operator_client_refuse(client, "not-ready",
				       "this node has not learnt of a cluster yet: there is "
				       "nothing to back up");
	else if (!operator->store || store_copy_begin(operator->store) < 0)
		operator_client_refuse(client, "busy",
				       "another backup is being made on this node: try again in a "
				       "moment");
	else {
		log_info("backup begins user=%s", client->peer.name);
		operator_client_set_state(client, COPYING);
		operator_client_listen(client);
	}
}

static json_t *data_of_backup(const struct operator *operator, const struct store_copy *copy)
{
	const struct state *state = core_state(operator->core);
	const Wire__Cluster *cluster = state_cluster(state);
	const Wire__Node *node = state_node(state, operator->node);
	json_t *data = json_object();

	json_object_set_new(data, "cluster", json_string(cluster ? cluster->name : ""));
	json_object_set_new(data, "uuid", json_string(cluster ? cluster->uuid : ""));
	json_object_set_new(data, "node", json_string(node ? node->name : ""));
	json_object_set_new(data, "index", json_integer((json_int_t)copy->index));
	json_object_set_new(data, "epoch", json_integer((json_int_t)copy->epoch));
	json_object_set_new(data, "time_ms", json_integer((json_int_t)shell_wall_ms()));
	json_object_set_new(data, "size", json_integer((json_int_t)copy->size));
	return data;
}

void operator_client_backed_up(struct client *client)
{
	struct operator *operator = client->operator;
	struct store_copy copy;
	char why[600];
	int error = store_copy_poll(operator->store, &copy, why, sizeof(why));

	if (error == -EAGAIN)
		return;
	if (error) {
		log_warning("backup failed reason=\"%s\"", why);
		operator_client_refuse(client, "not-ready", "there is no backup: %s", why);
		return;
	}
	log_info("backup made index=%" PRIu64 " size=%" PRIu64, copy.index, copy.size);
	client->unsent_fd = copy.fd;
	send_data(client, data_of_backup(operator, &copy), true);
}

/* ---------------------------------------------------------------- requests */

static bool id_is_fine(const json_t *id)
{
	return json_is_integer(id) && json_integer_value(id) >= 0 &&
	       json_integer_value(id) <= INT64_C(1) << 53;
}

static void handle(struct client *client, const json_t *request)
{
	const char *verb = json_string_value(json_object_get(request, "do"));
	json_t *id = json_object_get(request, "id");

	json_decref(client->id);
	client->id = id_is_fine(id) ? json_incref(id) : json_null();
	client->seq = 0;
	if (!json_is_object(request))
		operator_client_refuse(client, "bad-request",
				       "a request is one JSON object: see doc/operator.md");
	else if (!id_is_fine(id))
		operator_client_refuse(client, "bad-request",
				       "'id' must be a number from 0 to 2^53");
	else if (!verb || (!reading_knows(verb) && !writing_knows(verb) &&
			   strcmp(verb, "backup") != 0))
		operator_client_refuse(client, "bad-request",
				       "there is no request '%.60s': see doc/operator.md",
				       verb ? verb : "");
	else if (!client->operator->core)
		operator_client_refuse(client, "no-quorum",
				       "this node does not know yet which one it is, because "
				       "Corosync does not answer: systemctl status corosync");
	else if (reading_knows(verb))
		begin_reading(client, verb, request);
	else if (strcmp(verb, "backup") == 0)
		begin_backup(client, request);
	else
		begin_change(client, verb, request);
}

static void receive(struct client *client)
{
	static char data[OPERATOR_REQUEST_MAX];
	ssize_t size = recv(client->fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
	json_t *request = NULL;

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		operator_client_drop(client);
		return;
	}
	if ((size_t)size <= sizeof(data))
		request = json_loadb(data, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
	/* There may have been a secret in it. */
	explicit_bzero(data, (size_t)size < sizeof(data) ? (size_t)size : sizeof(data));
	handle(client, request);
	json_decref(request);
}

int32_t operator_client_on_event(int32_t fd, int32_t revents, void *context)
{
	struct client *client = context;
	uint64_t begun = log_stall_begin();

	if (client->dead)
		return 0;
	if (revents & (POLLHUP | POLLERR | POLLNVAL)) {
		operator_client_drop(client);
		return 0;
	}
	if (revents & POLLOUT)
		flush(client);
	if (!client->dead && client->state == IDLE && !client->unsent && revents & POLLIN)
		receive(client);
	else if (!client->dead && !(revents & POLLOUT))
		listen_for(client, 0);
	else if (!client->dead)
		operator_client_go_on(client);
	log_stall_end(begun, "operator");
	return 0;
}
