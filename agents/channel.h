/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Channel: an agent's end of the socket to its daemon (descriptor 3).
 *
 * Every packet is one frame. Any thread may send; what the socket does not take at once waits in a
 * queue, in order, until the main thread sees that it can be written. The queue has a bound: an
 * agent whose daemon no longer reads has nobody to work for and is better started anew than
 * silently forgetful.
 */
#ifndef AGENTS_CHANNEL_H
#define AGENTS_CHANNEL_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/frame.h"

enum {
	CHANNEL_FD = 3,
	CHANNEL_QUEUE_MAX = 16 * 1024 * 1024, /* bytes */
	CHANNEL_CLUTTER_MAX = 256 * 1024,     /* bytes; above it, progress is not worth a place */
};

struct channel;

/* Takes fd, which must be a SOCK_SEQPACKET socket; it becomes non-blocking. -ENOTSOCK */
int channel_new(int fd, struct channel **ret);
void channel_free(struct channel *channel);

/* -EMSGSIZE, -EBADMSG: beyond the schema's limits. -ENOBUFS: the queue is full. -EPIPE. */
int channel_send(struct channel *channel, enum frame_type type, uint64_t request,
		 const ProtobufCMessage *body);
/* Whether more than CHANNEL_CLUTTER_MAX waits. */
bool channel_is_cluttered(struct channel *channel);

/*
 * The next frame; the body is freed by frame_body_free(). -EAGAIN: none; -EPIPE: the daemon is
 * gone; -EBADMSG and others of frame_decode(): damaged, it has been taken off the socket.
 */
int channel_receive(struct channel *channel, struct frame_header *ret_header,
		    ProtobufCMessage **ret_body);

/*
 * For the main thread's poll(): the socket with the events it waits for, and a descriptor that
 * becomes readable when another thread left something in the queue.
 */
void channel_poll_fds(struct channel *channel, struct pollfd fds[2]);
/* Writes what the socket takes. -EPIPE: the daemon is gone. */
int channel_flush(struct channel *channel);

#endif
