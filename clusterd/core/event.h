/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_EVENT_H
#define CLUSTERD_CORE_EVENT_H

/*
 * An event is everything that can happen to a core, as a value: the shell turns each
 * callback of the outside world into one of these and hands it to core_step(). The core
 * borrows what an event points to for the time of that call.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"
#include "wire/schema.pb-c.h"

enum event_kind {
	EVENT_TICK,		/* the deadline of the last update has come */
	EVENT_VIEW,		/* the process group or the totem ring changed */
	EVENT_FRAME,		/* a frame was delivered by the group, in total order */
	EVENT_PERSISTED,	/* every batch up to .persisted is on disk */
	EVENT_AGENT_UP,		/* the vm agent was started anew: nothing it knew counts */
	EVENT_AGENT_DOWN,	/* the vm agent died; asks under way there have no answer */
	EVENT_AGENT_NEWS,	/* the vm agent tells something by itself */
	EVENT_AGENT_REPLY,	/* an agent's answer to an ask */
	EVENT_CLIENT,		/* an operator asks for a change */
	EVENT_LEAVE,		/* the daemon is asked to stop: leave cleanly */
};

/* The group's members, and the nodes whose corosync is in the totem ring; both ascending. */
struct event_view {
	const uint32_t *members;
	size_t members_n;
	const uint32_t *ring;
	size_t ring_n;
	/*
	 * Set when Corosync told of the ring alone, without a change of the group: the order
	 * of messages goes on. Never guess it from equal lists: a member may leave and come
	 * back in one step, and what was delivered before is then not the same for all.
	 */
	bool ring_only;
};

struct event_frame {
	uint32_t sender;
	const struct frame_header *header;
	const ProtobufCMessage *body;		/* of the type the header names */
};

struct event_reply {
	uint64_t ask;				/* id of the ask; unknown ones are ignored */
	const Wire__AgentReply *reply;		/* NULL: the agent died or missed its deadline */
};

/*
 * A NOOP is a barrier: its verdict is OK when it was applied here, and with it all that was
 * committed when it was asked for. There is an answer within 1.5 s, and if it is another one, it
 * says nothing.
 */
struct event_client {
	uint64_t tag;				/* returned with the answer */
	const Wire__Command *command;		/* request id, who, time and body filled in */
};

struct event {
	enum event_kind kind;
	uint64_t now_ms;			/* CLOCK_BOOTTIME */
	uint64_t wall_ms;			/* for display only */
	union {
		struct event_view view;
		struct event_frame frame;
		uint64_t persisted;
		const Wire__AgentNews *news;
		struct event_reply reply;
		struct event_client client;
	};
};

#endif
