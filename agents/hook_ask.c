/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/hook_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

enum {
	REPLY_MAX = 8 * 1024,
	FRESH_MS = 10000, /* an announcement is followed by its start within some 10 ms */
	PATH_SIZE = 200,
};

/* The same as in domain/metadata.h; this program stays free of an XML library, which would cost
 * more time than everything else it does. A test holds the two together. */
static const char namespace[] = "https://clusterd.example/xmlns/domain/1";

static const struct {
	const char *operation, *question;
	bool announces;
} questions[] = {
	{ "prepare", "start", false },
	{ "start", "start", false },
	{ "migrate", "incoming", true },
	{ "restore", "restore", true },
};

enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

const char *hook_question_of(const char *operation)
{
	for (size_t i = 0; i < QUESTIONS; i++) {
		if (strcmp(questions[i].operation, operation) == 0)
			return questions[i].question;
	}
	return NULL;
}

bool hook_announces(const char *operation)
{
	for (size_t i = 0; i < QUESTIONS; i++) {
		if (strcmp(questions[i].operation, operation) == 0)
			return questions[i].announces;
	}
	return false;
}

uint64_t hook_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------- the definition */

static const char *find(const char *from, const char *end, const char *what)
{
	return from && from < end ? memmem(from, (size_t)(end - from), what, strlen(what)) : NULL;
}

/* A number of our mark's element, which ends at end, a '>'. */
static uint64_t number_in(const char *element, const char *end, const char *attribute)
{
	const char *at = find(element, end, attribute);

	return at ? strtoull(at + strlen(attribute), NULL, 10) : 0;
}

/* The element that has our namespace at its place. */
static void read_mark(const char *namespace_at, const char *from, const char *to,
		      struct hook_guest *ret)
{
	const char *element = memrchr(from, '<', (size_t)(namespace_at - from));
	const char *end = memchr(namespace_at, '>', (size_t)(to - namespace_at));

	if (!element || !end)
		return;
	ret->vm = number_in(element, end, " id=\"");
	ret->generation = number_in(element, end, " generation=\"");
}

/* How many of the first max characters a uuid may have: the text need not end behind them. */
static size_t uuid_length(const char *text, size_t max)
{
	size_t n = 0;

	while (n < max && text[n] && strchr("0123456789abcdefABCDEF-", text[n]))
		n++;
	return n;
}

int hook_read_xml(const char *xml, size_t len, struct hook_guest *ret)
{
	const char *end = xml + len, *uuid = find(xml, end, "<uuid>"), *from, *to, *mark;

	if (!uuid || end - uuid < (ptrdiff_t)(strlen("<uuid>") + HOOK_UUID_SIZE))
		return -EBADMSG;
	uuid += strlen("<uuid>");
	if (uuid_length(uuid, HOOK_UUID_SIZE) != HOOK_UUID_SIZE - 1)
		return -EBADMSG;
	*ret = (struct hook_guest){ .marked = false };
	memcpy(ret->uuid, uuid, HOOK_UUID_SIZE - 1);
	from = find(xml, end, "<metadata>");
	to = find(from, end, "</metadata>");
	mark = to ? find(from, to, namespace) : NULL;
	if (mark) {
		ret->marked = true;
		read_mark(mark, from, to, ret);
	}
	return 0;
}

/* ---------------------------------------------------------------- the question */

static bool wait_for(int fd, short events, uint64_t deadline_ms)
{
	for (;;) {
		uint64_t now_ms = hook_now_ms();
		struct pollfd p = { .fd = fd, .events = events };
		int n = now_ms < deadline_ms ? poll(&p, 1, (int)(deadline_ms - now_ms)) : 0;

		if (n >= 0 || errno != EINTR)
			return n > 0;
	}
}

/* A daemon whose backlog is full answers EAGAIN, which no poll tells the end of. */
static int connect_to(const char *path, uint64_t deadline_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	while ((r = connect(fd, (struct sockaddr *)&address, sizeof(address))) < 0 &&
	       errno == EAGAIN && hook_now_ms() < deadline_ms)
		usleep(5000);
	if (r < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int exchange(int fd, const struct hook_question *q, char *reply, size_t size,
		    size_t *ret_len)
{
	uint64_t deadline_ms = q->deadline_ms;
	char request[200];
	ssize_t n;
	int len = snprintf(request, sizeof(request),
			   "{\"do\":\"may-run\",\"uuid\":\"%s\",\"op\":\"%s\",\"marked\":%s}",
			   q->uuid, q->what, q->marked ? "true" : "false");

	if (!wait_for(fd, POLLOUT, deadline_ms))
		return -ETIMEDOUT;
	if (send(fd, request, (size_t)len, MSG_NOSIGNAL) < 0)
		return -errno;
	if (!wait_for(fd, POLLIN, deadline_ms))
		return -ETIMEDOUT;
	n = recv(fd, reply, size, 0);
	if (n <= 0)
		return n < 0 ? -errno : -EPIPE;
	*ret_len = (size_t)n;
	return 0;
}

enum hook_answer hook_judge(const char *reply, size_t len, char *ret_why, size_t why_size)
{
	json_t *json = json_loadb(reply, len, 0, NULL), *ok = json_object_get(json, "ok");
	const char *why = json_string_value(json_object_get(json, "why"));
	enum hook_answer answer = HOOK_NO_ANSWER;

	if (json_is_true(ok))
		answer = HOOK_MAY;
	else if (json_is_false(ok))
		answer = HOOK_MAY_NOT;
	if (answer == HOOK_MAY_NOT)
		snprintf(ret_why, why_size, "%s",
			 why ? why : "clusterd on this node gave no reason");
	else if (answer == HOOK_NO_ANSWER)
		snprintf(ret_why, why_size, "its answer cannot be understood");
	json_decref(json);
	return answer;
}

enum hook_answer hook_ask(const char *path, const struct hook_question *q, char *ret_why,
			  size_t why_size)
{
	char reply[REPLY_MAX];
	size_t len = 0;
	int fd = connect_to(path, q->deadline_ms), r;

	if (fd < 0) {
		snprintf(ret_why, why_size, "%s: %s", path, strerror(-fd));
		return HOOK_NO_ANSWER;
	}
	r = exchange(fd, q, reply, sizeof(reply), &len);
	close(fd);
	if (r < 0) {
		snprintf(ret_why, why_size, "%s: %s", path, strerror(-r));
		return HOOK_NO_ANSWER;
	}
	return hook_judge(reply, len, ret_why, why_size);
}

/* ---------------------------------------------------------------- announcements */

static bool announcement_path(char path[PATH_SIZE], const char *run_dir,
			      const struct hook_guest *guest)
{
	return snprintf(path, PATH_SIZE, "%s/hook-%s", run_dir, guest->uuid) < PATH_SIZE;
}

/* Fails only where there is no daemon's directory; then nothing was allowed either. */
void hook_announce(const char *run_dir, const struct hook_guest *guest, const char *question)
{
	char path[PATH_SIZE];
	int fd;

	if (!announcement_path(path, run_dir, guest))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	dprintf(fd, "%s %llu %llu %llu\n", question, (unsigned long long)hook_now_ms(),
		(unsigned long long)guest->vm, (unsigned long long)guest->generation);
	close(fd);
}

const char *hook_announced(const char *run_dir, const struct hook_guest *guest)
{
	char path[PATH_SIZE], text[100] = "", word[16];
	unsigned long long at_ms, vm, generation;
	int fd = announcement_path(path, run_dir, guest)
			 ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
			 : -1;
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0 || sscanf(text, "%15s %llu %llu %llu", word, &at_ms, &vm, &generation) != 4 ||
	    at_ms > hook_now_ms() || hook_now_ms() - at_ms > FRESH_MS || vm != guest->vm ||
	    generation != guest->generation)
		return NULL;
	for (size_t i = 0; i < QUESTIONS; i++) {
		if (questions[i].announces && strcmp(questions[i].question, word) == 0)
			return questions[i].question;
	}
	return NULL;
}

void hook_forget(const char *run_dir, const struct hook_guest *guest)
{
	char path[PATH_SIZE];

	if (announcement_path(path, run_dir, guest))
		unlink(path);
}
