/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/client.h"

#include "base/mem.h"
#include "base/text.h"
#include "clusterctl/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
	int fd;
	json_int_t id;  /* of the last request */
	json_int_t seq; /* of the next record */
	int file;       /* that came with one; -1: none */
	char record[CLIENT_REPLY_MAX + 1];
};

int client_open(const char *path, struct client **ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct client *client;
	int fd, r;

	r = text_copy(address.sun_path, sizeof(address.sun_path), path);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	client = mem_new(struct client);
	client->fd = fd;
	client->file = -1;
	*ret = client;
	return 0;
}

/* One that nobody has taken is closed. */
static void keep_file(struct client *client, int file)
{
	if (client->file >= 0)
		close(client->file);
	client->file = file;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	keep_file(client, -1);
	close(client->fd);
	free(client);
}

int client_take_file(struct client *client)
{
	int file = client->file;

	client->file = -1;
	return file;
}

int client_send(struct client *client, json_t *request)
{
	char text[CLIENT_REQUEST_MAX + 1];
	ssize_t sent;
	size_t len;
	int r = 0;

	json_object_set_new(request, "id", json_integer(++client->id));
	client->seq = 0;
	len = json_dumpb(request, text, sizeof(text), JSON_COMPACT);
	if (len == 0 || len > CLIENT_REQUEST_MAX) {
		r = len ? -E2BIG : -EINVAL;
	} else {
		do
			sent = send(client->fd, text, len, MSG_NOSIGNAL);
		while (sent < 0 && errno == EINTR);
		if (sent < 0)
			r = -errno;
	}
	/* There may have been a secret in it. */
	explicit_bzero(text, sizeof(text));
	return r;
}

static int wait_readable(struct client *client, int timeout_ms)
{
	struct pollfd p = { .fd = client->fd, .events = POLLIN };
	int n = poll(&p, 1, timeout_ms);

	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

static ssize_t receive_record(struct client *client)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { client->record, CLIENT_REPLY_MAX };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(client->fd, &message, MSG_TRUNC | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
	int file;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int))) {
		memcpy(&file, CMSG_DATA(header), sizeof(file));
		keep_file(client, file);
	}
	return n;
}

static int receive(struct client *client, json_t **ret)
{
	ssize_t n = receive_record(client);
	json_t *json;

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	if (n > CLIENT_REPLY_MAX)
		return -EPROTO;
	json = json_loadb(client->record, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(json)) {
		json_decref(json);
		return -EPROTO;
	}
	*ret = json;
	return 0;
}

/* Takes what a record says out of its JSON. */
static int understand(struct client *client, json_t *json, struct client_record *ret)
{
	json_t *ok = json_object_get(json, "ok"), *last = json_object_get(json, "last");
	json_t *data = json_object_get(json, "data"), *error = json_object_get(json, "error");
	json_t *seq = json_object_get(json, "seq");

	if (seq && json_integer_value(seq) != client->seq)
		return -EPROTO;
	client->seq++;
	if (json_is_true(ok) && data && json_is_boolean(last)) {
		*ret = (struct client_record){ json_is_true(last), json_incref(data), NULL };
		return 0;
	}
	if (json_is_false(ok) && json_is_string(json_object_get(error, "code")) &&
	    json_is_string(json_object_get(error, "text"))) {
		*ret = (struct client_record){ true, NULL, json_incref(error) };
		return 0;
	}
	return -EPROTO;
}

int client_next(struct client *client, int timeout_ms, struct client_record *ret)
{
	uint64_t end_ms = timeout_ms < 0 ? 0 : clock_ms() + (uint64_t)timeout_ms;

	for (;;) {
		json_t *json = NULL, *id;
		int r = wait_readable(client, timeout_ms < 0 ? -1 : clock_until(end_ms));

		if (r < 0 || (r = receive(client, &json)) < 0)
			return r;
		id = json_object_get(json, "id");
		/*
		 * What is left of an earlier request, given up after a timeout, is no answer to
		 * this one.
		 */
		if (json_is_integer(id) && json_integer_value(id) < client->id) {
			json_decref(json);
			continue;
		}
		/* A request that it could not read is answered without its id. */
		if (id && !json_is_null(id) && json_integer_value(id) != client->id &&
		    !json_is_false(json_object_get(json, "ok")))
			r = -EPROTO;
		else
			r = understand(client, json, ret);
		json_decref(json);
		return r;
	}
}

void client_record_free(struct client_record *record)
{
	json_decref(record->data);
	json_decref(record->error);
	*record = (struct client_record){ 0 };
}

static int collect(struct client *client, uint64_t end_ms, struct client_reply *reply)
{
	for (size_t i = 0; i < CLIENT_RECORDS_MAX; i++) {
		struct client_record record = { 0 };
		bool last;
		int r = client_next(client, end_ms ? clock_until(end_ms) : -1, &record);

		if (r < 0)
			return r;
		if (record.error)
			reply->error = json_incref(record.error);
		else
			json_array_append(reply->records, record.data);
		last = record.last;
		client_record_free(&record);
		if (last)
			return 0;
	}
	return -EPROTO;
}

int client_ask(struct client *client, json_t *request, int timeout_ms, struct client_reply *ret)
{
	uint64_t end_ms = timeout_ms < 0 ? 0 : clock_ms() + (uint64_t)timeout_ms;
	struct client_reply reply = { 0 };
	int r = client_send(client, request);

	if (r < 0)
		return r;
	reply.records = json_array();
	r = collect(client, end_ms, &reply);
	if (r < 0) {
		client_reply_free(&reply);
		return r;
	}
	if (reply.error) {
		json_decref(reply.records);
		reply.records = NULL;
	}
	*ret = reply;
	return 0;
}

void client_reply_free(struct client_reply *reply)
{
	json_decref(reply->records);
	json_decref(reply->error);
	*reply = (struct client_reply){ 0 };
}
