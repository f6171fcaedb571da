// SPDX-License-Identifier: GPL-2.0-or-later
#include "clusterd/shell/operator.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/local_socket.h"
#include "clusterd/shell/log.h"
#include "clusterd/shell/operator_read.h"
#include "clusterd/shell/operator_write.h"
#include "wire/json.h"
#include "wire/message.h"

enum { PAGES_A_TURN = 4, ACCEPTS_A_TURN = 16, CHECK_MS = 1000, WHO_SIZE = 160, WORD_SIZE = 40 };

/*
 *   IDLE --question--> READING --last page--> IDLE
 *   IDLE --change--> WAITING --answer or time--> IDLE
 */
enum client_state { IDLE, READING, WAITING };

struct client {
	struct client *next;
	struct operator *operator;
	int fd;
	struct local_peer peer;
	enum client_state state;
	json_t *id;			/* of the request at hand */
	unsigned seq;
	struct reading *reading;
	uint64_t tag;			/* of the change it waits for */
	char *unsent;			/* one record that did not fit into the socket */
	size_t unsent_size;
	uint64_t since_ms;		/* in this state, or not reading */
	bool dead;			/* freed by the next sweep */
};

struct operator {
	const struct shell *shell;
	struct operator_config config;
	const struct core *core;
	uint32_t node;
	bool open;			/* an epoch was, after the last step */
	uint64_t closed_ms;		/* wall clock; when that ended */
	int listener;
	char path[120];
	long group;
	struct client *clients;
	size_t clients_n, strangers_n;
	uint64_t next_tag;
	struct shell_timer check_timer;
};

static void pump(struct client *client);

/* ---------------------------------------------------------------- life of a client */

static int32_t on_client(int32_t fd, int32_t revents, void *context);

static void listen_for(struct client *client)
{
	int events = client->state == IDLE ? POLLIN : 0;

	if (client->unsent)
		events = POLLOUT;
	qb_loop_poll_mod(client->operator->shell->loop, QB_LOOP_MED, client->fd, events, client,
			 on_client);
}

static void set_state(struct client *client, enum client_state state)
{
	client->state = state;
	client->since_ms = shell_boot_ms();
}

/* Closed now and freed by the sweep: it may be in use further up. */
static void drop(struct client *client)
{
	if (client->dead)
		return;
	client->dead = true;
	qb_loop_poll_del(client->operator->shell->loop, client->fd);
	shell_close_fd(&client->fd);
}

static void free_client(struct client *client)
{
	struct operator *operator = client->operator;

	operator->clients_n--;
	operator->strangers_n -= !client->peer.trusted;
	json_decref(client->id);
	reading_free(client->reading);
	free(client->unsent);
	free(client);
}

/* ---------------------------------------------------------------- records */

static void flush(struct client *client)
{
	if (!client->unsent || client->dead)
		return;
	if (send(client->fd, client->unsent, client->unsent_size,
		 MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			drop(client);
		return;
	}
	free(client->unsent);
	client->unsent = NULL;
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
	set_state(client, IDLE);
	if (!client->dead)
		listen_for(client);
}

static void send_refusal(struct client *client, const struct refusal *refusal, json_t *more)
{
	json_t *record = new_record(client, true, false), *error = more ? more : json_object();
	/* Part of a text from outside may be cut within a character. */
	json_t *text = json_string(refusal->text);

	json_object_set_new(error, "code", json_string(refusal->code));
	json_object_set_new(error, "text", text ? text : json_string("refused"));
	json_object_set_new(record, "error", error);
	send_record(client, record);
	end_request(client);
}

__attribute__((format(printf, 3, 4)))
static void send_no(struct client *client, const char *code, const char *format, ...)
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
		send_no(client, "limit", "the answer is larger than %d KiB: ask for less",
			OPERATOR_RECORD_MAX / 1024);
	} else if (last)
		end_request(client);
}

/* ---------------------------------------------------------------- questions */

/* As many pages as the client takes, but not more than its turn. */
static void pump(struct client *client)
{
	struct operator *operator = client->operator;
	const struct reading_source source = {
		.core = operator->core, .node = operator->node, .wall_ms = shell_wall_ms(),
		.closed_ms = operator->closed_ms,
	};

	for (int n = 0; n < PAGES_A_TURN && client->state == READING && !client->unsent &&
	     !client->dead; n++) {
		struct refusal refusal;
		json_t *data = NULL;
		bool last = false;
		int error = reading_page(client->reading, &source, &data, &last, &refusal);

		if (error == -EAGAIN)
			return;
		if (error)
			send_refusal(client, &refusal, NULL);
		else
			send_data(client, data, last);
	}
}

/* Whether it wants to be woken as soon as it can be written to. */
static void go_on(struct client *client)
{
	pump(client);
	if (client->dead)
		return;
	listen_for(client);
	/* More pages, and the socket takes them: after the others had their turn. */
	if (client->state == READING && !client->unsent)
		qb_loop_poll_mod(client->operator->shell->loop, QB_LOOP_MED, client->fd, POLLOUT,
				 client, on_client);
}

static void begin_reading(struct client *client, const char *verb, const json_t *request)
{
	struct refusal refusal;

	if (!client->operator->config.read_all && !client->peer.trusted) {
		send_no(client, "denied", "%s may not read here: be root or in the group "
			"clusterd, or set read_access = all", client->peer.name);
		return;
	}
	if (reading_new(verb, request, &client->reading, &refusal) < 0) {
		send_refusal(client, &refusal, NULL);
		return;
	}
	set_state(client, READING);
	go_on(client);
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
		send_no(client, "denied", "%s may not change anything: be root or in the group "
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
	set_state(client, WAITING);
	listen_for(client);
	event.client = (struct event_client){ client->tag, command };
	operator->shell->event(operator->shell->context, &event);
}

static struct client *waiting_for(struct operator *operator, uint64_t tag)
{
	for (struct client *client = operator->clients; client; client = client->next)
		if (client->tag == tag && client->state == WAITING && !client->dead)
			return client;
	return NULL;
}

static json_t *data_of_verdict(const Wire__Verdict *verdict)
{
	json_t *data = json_object();

	json_object_set_new(data, "op", json_integer((json_int_t)verdict->op));
	json_object_set_new(data, "record", json_integer((json_int_t)verdict->id));
	return data;
}

void operator_answer(struct operator *operator, uint64_t tag, const Wire__Verdict *verdict)
{
	struct client *client = waiting_for(operator, tag);
	struct refusal refusal;
	char word[WORD_SIZE] = "";
	json_t *data;

	if (!client)
		return;
	data = data_of_verdict(verdict);
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
		send_no(client, "bad-request", "a request is one JSON object: see doc/operator.md");
	else if (!id_is_fine(id))
		send_no(client, "bad-request", "'id' must be a number from 0 to 2^53");
	else if (!verb || (!reading_knows(verb) && !writing_knows(verb)))
		send_no(client, "bad-request", "there is no request '%.60s': see doc/operator.md",
			verb ? verb : "");
	else if (!client->operator->core)
		send_no(client, "not-ready", "this node does not know yet which one it is, "
			"because Corosync does not answer: systemctl status corosync");
	else if (reading_knows(verb))
		begin_reading(client, verb, request);
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
		drop(client);
		return;
	}
	if ((size_t)size <= sizeof(data))
		request = json_loadb(data, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
	/* There may have been a secret in it. */
	explicit_bzero(data, (size_t)size < sizeof(data) ? (size_t)size : sizeof(data));
	handle(client, request);
	json_decref(request);
}

static int32_t on_client(int32_t fd, int32_t revents, void *context)
{
	struct client *client = context;
	uint64_t begun = log_stall_begin();

	if (client->dead)
		return 0;
	if (revents & (POLLHUP | POLLERR | POLLNVAL)) {
		drop(client);
		return 0;
	}
	if (revents & POLLOUT)
		flush(client);
	if (!client->dead && client->state == IDLE && !client->unsent && revents & POLLIN)
		receive(client);
	else if (!client->dead)
		go_on(client);
	log_stall_end(begun, "operator");
	return 0;
}

/* ---------------------------------------------------------------- all clients */

void operator_stepped(struct operator *operator)
{
	struct core_standing standing;

	core_standing(operator->core, &standing);
	if (operator->open && !standing.open)
		operator->closed_ms = shell_wall_ms();
	operator->open = standing.open;
}

void operator_news(struct operator *operator)
{
	for (struct client *client = operator->clients; client; client = client->next)
		if (client->state == READING && !client->unsent && !client->dead) {
			pump(client);
			if (!client->dead)
				listen_for(client);
		}
}

static void check_client(struct client *client, uint64_t now)
{
	uint64_t age = now - client->since_ms;

	if (client->unsent && age > OPERATOR_UNREAD_MS) {
		log_info("operator dropped user=%s reason=\"does not read\"", client->peer.name);
		drop(client);
	} else if (client->state == WAITING && age > OPERATOR_ANSWER_MS)
		send_no(client, "unknown-outcome", "the cluster did not answer within %d s, so it "
			"is not known whether it is done: look, or repeat it with the same "
			"'request'", OPERATOR_ANSWER_MS / 1000);
	else if (client->state == IDLE && !client->unsent && age > OPERATOR_IDLE_MS)
		drop(client);
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
			free_client(client);
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
	client->peer = *peer;
	client->id = json_null();
	set_state(client, IDLE);
	client->next = operator->clients;
	operator->clients = client;
	operator->clients_n++;
	operator->strangers_n += !peer->trusted;
	if (qb_loop_poll_add(operator->shell->loop, QB_LOOP_MED, fd, POLLIN, client,
			     on_client) < 0) {
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
		drop(client);
		free_client(client);
	}
	free(operator);
}
