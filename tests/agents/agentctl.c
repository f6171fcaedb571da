/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentctl AGENT [ARGUMENT...]: stands in for the daemon and talks to one agent by hand.
 *
 * Reads lines of JSON from stdin, {"id": N, "request": {an AgentRequest}}, and prints every frame
 * of the agent as a line {"at": seconds, "type": ..., "id": N, "body": {...}}. The secret of a
 * fence call, which JSON never carries, is taken from the file named by "secret". At the end of
 * stdin the socket is closed, as by a daemon that died; the exit status is the agent's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/mem.h"
#include "wire/frame.h"
#include "wire/json.h"
#include "wire/message.h"
#include "wire/schema.pb-c.h"

enum { AGENT_FD = 3, LINE_MAX_SIZE = 256 * 1024, SECRET_MAX = 4096 };

static void print_frame(const struct frame_header *header, const ProtobufCMessage *body)
{
	struct timespec t;
	json_t *line;
	char *text;

	clock_gettime(CLOCK_BOOTTIME, &t);
	line = json_pack("{s:f, s:s, s:I, s:o}", "at", (double)t.tv_sec + (double)t.tv_nsec / 1e9,
			 "type", frame_type_name(header->type), "id", (json_int_t)header->request,
			 "body", wire_to_json(body, false));
	text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(13));
	puts(text);
	fflush(stdout);
	free(text);
	json_decref(line);
}

static bool take_frame(int fd)
{
	static unsigned char data[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
	struct frame_header header;
	ProtobufCMessage *body;
	ssize_t n = recv(fd, data, sizeof(data), 0);
	int r;

	if (n <= 0)
		return false;
	r = frame_decode(data, (size_t)n, &header, &body);
	if (r < 0) {
		printf("{\"bad-frame\": \"%s\"}\n", strerror(-r));
		return true;
	}
	print_frame(&header, body);
	frame_body_free(body);
	return true;
}

static void add_secret(Wire__AgentRequest *request, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t data[SECRET_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data));

	if (n < 0 || request->body_case != WIRE__AGENT_REQUEST__BODY_FENCE) {
		fprintf(stderr, "agentctl: no secret from %s: %s\n", path, strerror(errno));
		exit(2);
	}
	close(fd);
	request->fence->secret.data = mem_dup(data, (size_t)n);
	request->fence->secret.len = (size_t)n;
}

static void send_line(int fd, const char *text)
{
	json_error_t error;
	json_t *line = json_loads(text, 0, &error);
	json_t *secret = json_object_get(line, "secret");
	struct frame_header header = { .type = FRAME_AGENT_REQUEST };
	ProtobufCMessage *body;
	struct buf frame = { 0 };
	char why[400] = "";
	int r;

	if (!line) {
		fprintf(stderr, "agentctl: %s\n", error.text);
		exit(2);
	}
	header.request = (uint64_t)json_integer_value(json_object_get(line, "id"));
	r = wire_from_json(json_object_get(line, "request"), &wire__agent_request__descriptor,
			   &body, why, sizeof(why));
	if (r < 0) {
		fprintf(stderr, "agentctl: %s: %s\n", strerror(-r), why);
		exit(2);
	}
	if (secret)
		add_secret((Wire__AgentRequest *)(void *)body, json_string_value(secret));
	r = frame_encode(&header, body, &frame);
	if (r < 0 || send(fd, frame.data, frame.len, 0) < 0) {
		fprintf(stderr, "agentctl: not sent: %s\n", strerror(r < 0 ? -r : errno));
		exit(2);
	}
	buf_free(&frame);
	wire_free(body);
	json_decref(line);
}

static pid_t start_agent(char **argv, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		exit(2);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], AGENT_FD);
		fcntl(AGENT_FD, F_SETFD, 0);
		execv(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

/* Sends the complete lines of what was read; false: stdin has ended. */
static bool take_lines(int fd)
{
	static char text[LINE_MAX_SIZE];
	static size_t len;
	ssize_t n = read(0, text + len, sizeof(text) - 1 - len);
	char *end;

	if (n <= 0)
		return false;
	len += (size_t)n;
	text[len] = '\0';
	while ((end = strchr(text, '\n'))) {
		*end = '\0';
		if (text[0])
			send_line(fd, text);
		len -= (size_t)(end + 1 - text);
		memmove(text, end + 1, len + 1);
	}
	return true;
}

int main(int argc, char **argv)
{
	bool input = true;
	int fd, status;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: agentctl AGENT [ARGUMENT...] <lines of JSON\n");
		return 2;
	}
	pid = start_agent(argv + 1, &fd);
	while (input) {
		struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
					 { .fd = 0, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 2;
		if (fds[0].revents && !take_frame(fd))
			break;
		if (fds[1].revents)
			input = take_lines(fd);
	}
	close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
