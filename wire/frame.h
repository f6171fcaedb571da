/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

/*
 * A frame is what crosses a process boundary of clusterd: a fixed header and a protobuf
 * body of wire/schema.proto. The decoder is total: every byte string is either a frame
 * within all limits (wire/check.h) or refused.
 *
 * The protocol says how a frame is to be read, so versions of the daemon that differ in it can
 * share a cluster: a round chooses one that all who take part speak, and the frames of its epoch
 * carry it. What members meet by before that is chosen (SYNC_START, HELLO, CLOSE, REJOIN,
 * SUPERSEDED), and what the daemon and its agents say, is of FRAME_PROTOCOL_ALWAYS, which every
 * version reads.
 *
 * Header, little endian, 72 bytes; magic, protocol and type stay where they are for ever:
 *   0 magic "CLD1"   4 protocol u16   6 type u16   8 body length u32
 *  12 crc32c u32 of header (this field zero) and body
 *  16 cluster uuid 16 bytes
 *  32 round: node u32, sequence u32, boot id u64
 *  48 epoch u64   56 sender's boot id u64   64 request id u64
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"

enum {
	FRAME_HEADER_SIZE = 72,
	FRAME_BODY_MAX = 60 * 1024,
	FRAME_PROTOCOL_ALWAYS = 1,
};

/* Of the frames of an epoch: those that this program can read and write (protocol.c). */
struct frame_protocols {
	uint16_t min, max;
};
extern const struct frame_protocols frame_protocols;

enum frame_type {
	FRAME_SYNC_START = 1, FRAME_HELLO, FRAME_CLOSE, FRAME_LOG_CHUNK, FRAME_SNAP_CHUNK,
	FRAME_READY, FRAME_APPEND, FRAME_ACK, FRAME_PROGRESS, FRAME_REJOIN,
	FRAME_SUPERSEDED,
	FRAME_AGENT_REQUEST = 32, FRAME_AGENT_REPLY, FRAME_AGENT_NEWS,
};

struct frame_round {
	uint32_t node, sequence;
	uint64_t boot_id;
};

struct frame_header {
	uint16_t protocol;
	uint16_t type;
	uint8_t cluster[16];
	struct frame_round round;
	uint64_t epoch;
	uint64_t boot_id;
	uint64_t request;
};

/* The message that a type carries; NULL for an unknown type. */
const ProtobufCMessageDescriptor *frame_body_descriptor(uint16_t type);
const char *frame_type_name(uint16_t type);
/* Whether frames of that type are of FRAME_PROTOCOL_ALWAYS, in every version. */
bool frame_type_is_always(uint16_t type);

/*
 * Appends a frame to out. -EMSGSIZE if the body is larger than FRAME_BODY_MAX or a field is
 * beyond a limit of wire/check.h; -EBADMSG if a text is not clean: every receiver would
 * refuse it. A protocol of 0 in the header stands for FRAME_PROTOCOL_ALWAYS. The body must be of
 * the type that the header names.
 */
int frame_encode(const struct frame_header *header, const ProtobufCMessage *body, struct buf *out);

/*
 * -EBADMSG: no frame, or damaged; -EPROTONOSUPPORT: another protocol; -EMSGSIZE: beyond a
 * limit; -ENOMSG: a type this version does not know. The body is freed by frame_body_free.
 */
int frame_decode(const void *data, size_t size, struct frame_header *ret_header,
		 ProtobufCMessage **ret_body);
void frame_body_free(ProtobufCMessage *body);

/*
 * A message of the group is one frame or several, one after the other. How many bytes the first one
 * takes, which its decoder then judges: all of them, if they do not begin with a frame that can be
 * read and that ends before they do.
 */
size_t frame_first(const void *data, size_t size);

#endif
