/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

enum { FRAME_MAX = FRAME_HEADER_SIZE + FRAME_BODY_MAX };

struct packet {
	struct packet *next;
	struct buf frame;
};

struct channel {
	int fd, bell;
	uint8_t *incoming; /* FRAME_MAX + 1 */
	pthread_mutex_t lock;
	/* under lock */
	struct packet *first, **last;
	size_t queued; /* bytes */
};

int channel_new(int fd, struct channel **ret)
{
	struct channel *channel;
	int type = 0, flags;
	socklen_t size = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
		return -ENOTSOCK;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	channel = mem_new(struct channel);
	channel->fd = fd;
	channel->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	channel->incoming = mem_new_array(uint8_t, FRAME_MAX + 1);
	channel->last = &channel->first;
	pthread_mutex_init(&channel->lock, NULL);
	if (channel->bell < 0) {
		channel_free(channel);
		return -EMFILE;
	}
	*ret = channel;
	return 0;
}

static void drop_first(struct channel *channel)
{
	struct packet *packet = channel->first;

	channel->first = packet->next;
	if (!channel->first)
		channel->last = &channel->first;
	channel->queued -= packet->frame.len;
	buf_free(&packet->frame);
	free(packet);
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	while (channel->first)
		drop_first(channel);
	close(channel->fd);
	if (channel->bell >= 0)
		close(channel->bell);
	pthread_mutex_destroy(&channel->lock);
	free(channel->incoming);
	free(channel);
}

/* 0: sent; -EAGAIN: not now. */
static int send_packet(int fd, const struct buf *frame)
{
	for (;;) {
		if (send(fd, frame->data, frame->len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS)
			return -EAGAIN;
		return errno == ECONNRESET ? -EPIPE : -errno;
	}
}

static int flush_locked(struct channel *channel)
{
	int r = 0;

	while (channel->first && (r = send_packet(channel->fd, &channel->first->frame)) == 0)
		drop_first(channel);
	return r == -EAGAIN ? 0 : r;
}

static int enqueue(struct channel *channel, struct buf *frame)
{
	struct packet *packet;
	uint64_t one = 1;

	if (channel->queued + frame->len > CHANNEL_QUEUE_MAX)
		return -ENOBUFS;
	packet = mem_new(struct packet);
	packet->frame = *frame;
	*frame = (struct buf){ 0 };
	*channel->last = packet;
	channel->last = &packet->next;
	channel->queued += packet->frame.len;
	return write(channel->bell, &one, sizeof(one)) < 0 && errno != EAGAIN ? -errno : 0;
}

int channel_send(struct channel *channel, enum frame_type type, uint64_t request,
		 const ProtobufCMessage *body)
{
	struct frame_header header = { .type = (uint16_t)type, .request = request };
	_cleanup_(buf_free) struct buf frame = { 0 };
	int r = frame_encode(&header, body, &frame);

	if (r < 0)
		return r;
	pthread_mutex_lock(&channel->lock);
	r = channel->first ? -EAGAIN : send_packet(channel->fd, &frame);
	if (r == -EAGAIN)
		r = enqueue(channel, &frame);
	pthread_mutex_unlock(&channel->lock);
	return r;
}

bool channel_is_cluttered(struct channel *channel)
{
	bool cluttered;

	pthread_mutex_lock(&channel->lock);
	cluttered = channel->queued > CHANNEL_CLUTTER_MAX;
	pthread_mutex_unlock(&channel->lock);
	return cluttered;
}

int channel_receive(struct channel *channel, struct frame_header *ret_header,
		    ProtobufCMessage **ret_body)
{
	ssize_t n;

	do
		n = recv(channel->fd, channel->incoming, FRAME_MAX + 1, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	return frame_decode(channel->incoming, (size_t)n, ret_header, ret_body);
}

void channel_poll_fds(struct channel *channel, struct pollfd fds[2])
{
	pthread_mutex_lock(&channel->lock);
	fds[0] = (struct pollfd){ .fd = channel->fd,
				  .events = (short)(POLLIN | (channel->first ? POLLOUT : 0)) };
	fds[1] = (struct pollfd){ .fd = channel->bell, .events = POLLIN };
	pthread_mutex_unlock(&channel->lock);
}

int channel_flush(struct channel *channel)
{
	uint64_t count;
	int r;

	if (read(channel->bell, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	pthread_mutex_lock(&channel->lock);
	r = flush_locked(channel);
	pthread_mutex_unlock(&channel->lock);
	return r;
}
