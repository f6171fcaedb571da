/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/message.h"
#include "wire/schema.pb-c.h"

static struct channel *open_channel(int *ret_peer)
{
	struct channel *channel = NULL;
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	CU_ASSERT_EQUAL_FATAL(channel_new(fds[0], &channel), 0);
	*ret_peer = fds[1];
	return channel;
}

static int send_reply(struct channel *channel, uint64_t id, const char *text)
{
	Wire__AgentReply reply = WIRE__AGENT_REPLY__INIT;

	reply.text = (char *)text;
	return channel_send(channel, FRAME_AGENT_REPLY, id, &reply.base);
}

/* The request id of the next frame at the other end; 0: none. */
static uint64_t receive(int peer)
{
	static uint8_t data[FRAME_HEADER_SIZE + FRAME_BODY_MAX];
	struct frame_header header = { 0 };
	ProtobufCMessage *body;
	ssize_t n = recv(peer, data, sizeof(data), MSG_DONTWAIT);

	if (n <= 0 || frame_decode(data, (size_t)n, &header, &body) < 0)
		return 0;
	frame_body_free(body);
	return header.request;
}

static void test_both_ways(void)
{
	struct frame_header header;
	ProtobufCMessage *body;
	int peer;
	struct channel *channel = open_channel(&peer), *other = NULL;

	CU_ASSERT_EQUAL_FATAL(channel_new(peer, &other), 0);
	CU_ASSERT_EQUAL(channel_receive(channel, &header, &body), -EAGAIN);
	CU_ASSERT_EQUAL(send_reply(other, 7, "x"), 0);
	CU_ASSERT_EQUAL_FATAL(channel_receive(channel, &header, &body), 0);
	CU_ASSERT(header.request == 7 && header.type == FRAME_AGENT_REPLY);
	frame_body_free(body);
	CU_ASSERT_EQUAL(send(peer, "no frame", 8, 0), 8);
	CU_ASSERT_EQUAL(channel_receive(channel, &header, &body), -EBADMSG);
	CU_ASSERT_EQUAL(send_reply(other, 8, "bad \x01 text"), -EBADMSG);
	channel_free(other);
	CU_ASSERT_EQUAL(channel_receive(channel, &header, &body), -EPIPE);
	CU_ASSERT_EQUAL(send_reply(channel, 9, ""), -EPIPE);
	channel_free(channel);
}

/* The other end does not read: all waits, in order, up to a bound. */
static void test_queue(void)
{
	_cleanup_(freep) char *text = mem_array(1, 901);
	struct pollfd fds[2];
	uint64_t sent = 0, got = 0, id;
	int peer, r;
	struct channel *channel = open_channel(&peer);

	memset(text, 'x', 900);
	channel_poll_fds(channel, fds);
	CU_ASSERT_FALSE(fds[0].events & POLLOUT);
	while ((r = send_reply(channel, sent + 1, text)) == 0)
		sent++;
	CU_ASSERT_EQUAL(r, -ENOBUFS);
	CU_ASSERT(sent > CHANNEL_QUEUE_MAX / 1100);
	CU_ASSERT_TRUE(channel_is_cluttered(channel));
	channel_poll_fds(channel, fds);
	CU_ASSERT_TRUE(fds[0].events & POLLOUT);
	CU_ASSERT_EQUAL(poll(&fds[1], 1, 0), 1); /* the bell rings */
	while (got < sent) {
		while ((id = receive(peer)))
			CU_ASSERT_EQUAL_FATAL(id, ++got);
		CU_ASSERT_EQUAL_FATAL(channel_flush(channel), 0);
	}
	CU_ASSERT_FALSE(channel_is_cluttered(channel));
	CU_ASSERT_EQUAL(receive(peer), 0);
	close(peer);
	CU_ASSERT_EQUAL(send_reply(channel, 1, ""), -EPIPE);
	channel_free(channel);
}

static void test_no_socket(void)
{
	struct channel *channel;
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	CU_ASSERT_EQUAL(channel_new(fds[0], &channel), -ENOTSOCK);
	CU_ASSERT_EQUAL(channel_new(-1, &channel), -ENOTSOCK);
	close(fds[0]);
	close(fds[1]);
}

UNIT_MAIN("agents/channel", { "both-ways", test_both_ways }, { "queue", test_queue },
	  { "no-socket", test_no_socket })
