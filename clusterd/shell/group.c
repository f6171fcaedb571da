/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/group.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <corosync/cpg.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/log.h"
#include "wire/frame.h"

/*
 *   ABSENT --connect--> CONNECTED --join--> JOINED
 *      ^                    |                 |
 *      +--- any error ------+-----------------+      after CONNECT_MIN..CONNECT_MAX ms again
 */
enum {
	CONNECT_MIN_MS = 200,
	CONNECT_MAX_MS = 2000,
	SEND_MIN_MS = 2,
	SEND_MAX_MS = 20,
	DISPATCH_MAX = 10000,	/* messages taken over in one go */
	SLICE_MS = 20,		/* of work on the inbox before others have their turn */
	NODES_MAX = 128,	/* CPG_MEMBERS_MAX */
	BAD_SENDERS_MAX = 64,
	BAD_EVERY_MS = 60000,
	MESSAGE_MAX = FRAME_HEADER_SIZE + FRAME_BODY_MAX,
	PARTS_MAX = 64,		/* frames of one message */
};

/* What Corosync told, in its order. */
enum item_kind { ITEM_FRAME, ITEM_MEMBERS, ITEM_RING };
struct item {
	struct item *next;
	enum item_kind kind;
	uint32_t sender;
	size_t cost;				/* bytes of memory */
	size_t size;				/* bytes, or nodes */
	_Alignas(uint32_t) uint8_t bytes[];	/* of the frame, or node ids ascending */
};

struct outgoing {
	struct outgoing *next;
	struct buf frame;
};

struct group {
	const struct shell *shell;
	void (*node_known)(void *context, uint32_t node);
	void *context;

	cpg_handle_t handle;
	int fd;
	bool connected, joined, polled, broken, told_absent;
	bool members_told;		/* the members that stand here are a view already */
	uint64_t connect_ms;
	struct shell_timer connect_timer;

	uint32_t members[NODES_MAX], ring[NODES_MAX];
	size_t members_n, ring_n;

	struct shell_timer work_timer;
	struct item *inbox, **inbox_tail;
	size_t inbox_bytes;

	struct outgoing *outbox, **outbox_tail;
	size_t outbox_bytes;
	uint64_t send_ms;
	bool send_waits;
	struct shell_timer send_timer;

	struct group_counts counts;
	struct {
		uint32_t sender;
		uint64_t told_ms, bad;
	} bad[BAD_SENDERS_MAX];
};

static void connect_later(struct group *group);
static void break_off(struct group *group, const char *what, cs_error_t error);

static const struct cpg_name group_name = { .length = 8, .value = "clusterd" };

uint32_t group_ask_node(void)
{
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1 };
	cpg_handle_t handle;
	uint32_t node = 0;

	if (cpg_model_initialize(&handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL) != CS_OK)
		return 0;
	if (cpg_local_get(handle, &node) != CS_OK)
		node = 0;
	cpg_finalize(handle);
	return node;
}

const struct group_counts *group_counts(const struct group *group)
{
	return &group->counts;
}

static const char *reason(cs_error_t error)
{
	switch (error) {
	case CS_ERR_LIBRARY:
		return "corosync does not run";
	case CS_ERR_TRY_AGAIN:
		return "corosync is busy";
	case CS_ERR_ACCESS:
		return "corosync refuses this user";
	case CS_ERR_QUEUE_FULL:
		return "a queue ran over";
	case CS_ERR_BAD_HANDLE:
		return "the connection was closed";
	case CS_ERR_SECURITY:
		return "not allowed";
	default:
		return "unexpected error, see corosync(8)";
	}
}

/* ---------------------------------------------------------------- what Corosync tells */

static uint32_t *item_nodes(struct item *item)
{
	return (uint32_t *)(void *)item->bytes;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void put_item(struct group *group, struct item *item)
{
	item->next = NULL;
	*group->inbox_tail = item;
	group->inbox_tail = &item->next;
	group->inbox_bytes += item->cost;
}

/* size elements of each bytes. */
static struct item *new_item(enum item_kind kind, uint32_t sender, size_t size, size_t each)
{
	size_t cost = sizeof(struct item) + size * each;
	struct item *item = mem_array(1, cost);

	item->kind = kind;
	item->sender = sender;
	item->size = size;
	item->cost = cost;
	return item;
}

static void on_deliver(cpg_handle_t handle, const struct cpg_name *name, uint32_t sender,
		       uint32_t pid, void *message, size_t size)
{
	struct group *group = NULL;
	const uint8_t *at = message;

	if (cpg_context_get(handle, (void **)&group) != CS_OK || !group)
		return;
	/* No frame of ours; the decoder sees to the rest. */
	if (size > MESSAGE_MAX)
		size = 0;
	do {
		size_t first = frame_first(at, size);
		struct item *item = new_item(ITEM_FRAME, sender, first, 1);

		memcpy(item->bytes, at, first);
		put_item(group, item);
		at += first;
		size -= first;
	} while (size > 0);
}

static void on_members(cpg_handle_t handle, const struct cpg_name *name,
		       const struct cpg_address *members, size_t members_n,
		       const struct cpg_address *left, size_t left_n,
		       const struct cpg_address *joined, size_t joined_n)
{
	struct group *group = NULL;
	struct item *item;
	size_t n = members_n < NODES_MAX ? members_n : NODES_MAX, kept = 0;
	uint32_t *nodes;

	if (cpg_context_get(handle, (void **)&group) != CS_OK || !group)
		return;
	for (size_t i = 0; i < left_n; i++)
		log_info("group left node=%u pid=%u reason=%u", left[i].nodeid, left[i].pid,
			 left[i].reason);
	for (size_t i = 0; i < joined_n; i++)
		log_info("group joined node=%u pid=%u", joined[i].nodeid, joined[i].pid);
	item = new_item(ITEM_MEMBERS, 0, n, sizeof(uint32_t));
	nodes = item_nodes(item);
	for (size_t i = 0; i < n; i++)
		nodes[i] = members[i].nodeid;
	qsort(nodes, n, sizeof(*nodes), by_number);
	/* Two processes of one node: the old one is on its way out. One node, one member. */
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || nodes[kept - 1] != nodes[i])
			nodes[kept++] = nodes[i];
	item->size = kept;
	put_item(group, item);
}

static void on_ring(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t members_n,
		    const uint32_t *members)
{
	struct group *group = NULL;
	struct item *item;
	size_t n = members_n < NODES_MAX ? members_n : NODES_MAX;

	if (cpg_context_get(handle, (void **)&group) != CS_OK || !group)
		return;
	log_info("ring seq=%" PRIu64 " representative=%u nodes=%zu", ring.seq, ring.nodeid, n);
	item = new_item(ITEM_RING, 0, n, sizeof(uint32_t));
	memcpy(item->bytes, members, n * sizeof(uint32_t));
	qsort(item_nodes(item), n, sizeof(uint32_t), by_number);
	put_item(group, item);
}

/* ---------------------------------------------------------------- telling the core */

static void tell_view(struct group *group, bool ring_only)
{
	struct event event = { .kind = EVENT_VIEW };

	event.view = (struct event_view){ group->members, group->members_n, group->ring,
					  group->ring_n, ring_only };
	group->told_absent = group->members_n == 0;
	group->shell->event(group->shell->context, &event);
}

/* Once a minute for each sender, with how many there were. */
static void complain_about_frame(struct group *group, uint32_t sender, int error)
{
	uint64_t now = shell_boot_ms();
	size_t at = 0;

	group->counts.bad++;
	while (at < BAD_SENDERS_MAX && group->bad[at].sender != sender && group->bad[at].sender)
		at++;
	if (at == BAD_SENDERS_MAX)
		return;
	group->bad[at].sender = sender;
	group->bad[at].bad++;
	if (group->bad[at].told_ms && now - group->bad[at].told_ms < BAD_EVERY_MS)
		return;
	group->bad[at].told_ms = now;
	log_warning("bad frame sender=%u reason=\"%s\" count=%" PRIu64, sender, strerror(-error),
		    group->bad[at].bad);
}

static void tell_frame(struct group *group, const struct item *item)
{
	struct frame_header header;
	ProtobufCMessage *body = NULL;
	struct event event = { .kind = EVENT_FRAME };
	int error = frame_decode(item->bytes, item->size, &header, &body);

	group->counts.received++;
	if (!error && header.type >= FRAME_AGENT_REQUEST) {
		frame_body_free(body);
		error = -ENOMSG;
	}
	/* Of an epoch that this daemon takes no part in, for its version: the status says so. */
	if (error == -EPROTONOSUPPORT) {
		log_debug("frame of another protocol sender=%u", item->sender);
		return;
	}
	if (error) {
		complain_about_frame(group, item->sender, error);
		return;
	}
	event.frame = (struct event_frame){ item->sender, &header, body };
	group->shell->event(group->shell->context, &event);
	frame_body_free(body);
}

static void tell_item(struct group *group, const struct item *item)
{
	switch (item->kind) {
	case ITEM_FRAME:
		tell_frame(group, item);
		break;
	case ITEM_MEMBERS:
		memcpy(group->members, item->bytes, item->size * sizeof(uint32_t));
		group->members_n = item->size;
		/* The first one comes just before the ring that belongs to it. */
		group->members_told = group->ring_n > 0;
		if (group->members_told)
			tell_view(group, false);
		break;
	case ITEM_RING:
		memcpy(group->ring, item->bytes, item->size * sizeof(uint32_t));
		group->ring_n = item->size;
		if (group->members_n > 0)
			tell_view(group, group->members_told);
		group->members_told = true;
		break;
	}
}

static void work(void *context);

/* By a timer: libqb may let its jobs wait for 50 ms. */
static void work_later(struct group *group)
{
	if (group->inbox)
		shell_timer_arm(group->shell, &group->work_timer, 0, work, group);
}

/* The inbox, in slices: everybody else in the loop has a turn in between. */
static void work(void *context)
{
	struct group *group = context;
	uint64_t begun = log_stall_begin();

	shell_timer_fired(&group->work_timer);
	while (group->inbox && log_stall_begin() - begun < SLICE_MS) {
		struct item *item = group->inbox;

		group->inbox = item->next;
		if (!group->inbox)
			group->inbox_tail = &group->inbox;
		group->inbox_bytes -= item->cost;
		tell_item(group, item);
		free(item);
	}
	work_later(group);
}

static void drop_inbox(struct group *group)
{
	while (group->inbox) {
		struct item *item = group->inbox;

		group->inbox = item->next;
		free(item);
	}
	group->inbox_tail = &group->inbox;
	group->inbox_bytes = 0;
}

/* ---------------------------------------------------------------- sending */

static void send_on(void *context)
{
	struct group *group = context;

	shell_timer_fired(&group->send_timer);
	group->send_waits = false;
	group_send(group, NULL);
}

static void send_later(struct group *group)
{
	group->counts.busy++;
	group->send_ms = group->send_ms ? group->send_ms * 2 : SEND_MIN_MS;
	if (group->send_ms > SEND_MAX_MS)
		group->send_ms = SEND_MAX_MS;
	group->send_waits = true;
	shell_timer_arm(group->shell, &group->send_timer, group->send_ms, send_on, group);
}

/* The first frames of the outbox that fit into one message. */
static size_t gather(const struct group *group, struct iovec parts[PARTS_MAX])
{
	size_t n = 0, bytes = 0;

	for (struct outgoing *out = group->outbox; out && n < PARTS_MAX; out = out->next) {
		bytes += out->frame.len;
		if (n > 0 && bytes > MESSAGE_MAX)
			break;
		parts[n++] = (struct iovec){ out->frame.data, out->frame.len };
	}
	return n;
}

static cs_error_t send_parts(struct group *group, const struct iovec *parts, size_t n)
{
	cpg_flow_control_state_t flow = CPG_FLOW_CONTROL_DISABLED;

	if (cpg_flow_control_state_get(group->handle, &flow) == CS_OK &&
	    flow == CPG_FLOW_CONTROL_ENABLED)
		return CS_ERR_TRY_AGAIN;
	return cpg_mcast_joined(group->handle, CPG_TYPE_AGREED, parts, (unsigned)n);
}

static void drop_first(struct group *group)
{
	struct outgoing *out = group->outbox;

	group->outbox = out->next;
	if (!group->outbox)
		group->outbox_tail = &group->outbox;
	group->outbox_bytes -= out->frame.len;
	buf_free(&out->frame);
	free(out);
}

static void drop_outbox(struct group *group)
{
	for (; group->outbox; group->counts.lost++)
		drop_first(group);
	group->send_ms = 0;
	group->send_waits = false;
	shell_timer_stop(group->shell, &group->send_timer);
}

static void send_outbox(struct group *group)
{
	while (group->outbox && !group->send_waits) {
		struct iovec parts[PARTS_MAX];
		size_t n = gather(group, parts);
		cs_error_t error = send_parts(group, parts, n);

		if (error == CS_ERR_TRY_AGAIN) {
			send_later(group);
			return;
		}
		if (error != CS_OK) {
			break_off(group, "send", error);
			return;
		}
		group->counts.sent += n;
		group->send_ms = 0;
		for (; n > 0; n--)
			drop_first(group);
	}
}

/*
 * Each message is a turn of Corosync's: what is sent after the first one, until all that is ready
 * now had its turn in the loop, goes as one.
 */
static void collect(struct group *group)
{
	group->send_waits = true;
	shell_timer_arm(group->shell, &group->send_timer, 0, send_on, group);
}

void group_send(struct group *group, struct buf *frame)
{
	struct outgoing *out;

	if (frame && (!group->joined || group->broken)) {
		group->counts.lost++;
		buf_free(frame);
		return;
	}
	if (frame) {
		out = mem_new(struct outgoing);
		out->frame = *frame;
		*frame = (struct buf){ 0 };
		*group->outbox_tail = out;
		group->outbox_tail = &out->next;
		group->outbox_bytes += out->frame.len;
	}
	if (group->outbox_bytes > GROUP_OUTBOX_MAX)
		break_off(group, "outbox", CS_ERR_QUEUE_FULL);
	if (group->broken || group->send_waits || !group->outbox)
		return;
	send_outbox(group);
	if (!group->broken && !group->send_waits)
		collect(group);
}

/* ---------------------------------------------------------------- connection */

/* Never by a negative answer to libqb: it would forget the descriptor and still be woken by it. */
static void stop_polling(struct group *group)
{
	if (group->polled)
		qb_loop_poll_del(group->shell->loop, group->fd);
	group->polled = false;
}

static void tear_down(struct group *group)
{
	stop_polling(group);
	group->fd = -1;
	if (group->connected)
		cpg_finalize(group->handle);
	group->connected = group->joined = group->broken = false;
	drop_inbox(group);
	drop_outbox(group);
	group->members_n = group->ring_n = 0;
	group->members_told = false;
}

/*
 * Only marks: the caller may be in the middle of an update or of a dispatch. What is in the
 * inbox is of the time before and may be dropped, as if the connection had gone earlier.
 */
static void break_off(struct group *group, const char *what, cs_error_t error)
{
	if (group->broken)
		return;
	log_error("corosync lost during=%s error=%d reason=\"%s\"", what, (int)error,
		  reason(error));
	group->broken = true;
	connect_later(group);
}

static int32_t on_readable(int32_t fd, int32_t revents, void *context)
{
	struct group *group = context;
	cs_error_t error = CS_OK;

	for (int n = 0; n < DISPATCH_MAX && error == CS_OK && !group->broken &&
	     group->inbox_bytes <= GROUP_INBOX_MAX; n++)
		error = cpg_dispatch(group->handle, CS_DISPATCH_ONE_NONBLOCKING);
	/* Corosync would keep what we do not read in memory of its own, without limit. */
	if (group->inbox_bytes > GROUP_INBOX_MAX)
		break_off(group, "inbox", CS_ERR_QUEUE_FULL);
	else if (error != CS_ERR_TRY_AGAIN && error != CS_OK)
		break_off(group, "dispatch", error);
	else if (revents & (POLLHUP | POLLERR | POLLNVAL))
		break_off(group, "poll", CS_ERR_LIBRARY);
	if (group->broken)
		stop_polling(group);
	shell_timer_stop(group->shell, &group->work_timer);
	work(group);
	return 0;
}

static cs_error_t open_handle(struct group *group)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = on_deliver,
		.cpg_confchg_fn = on_members,
		.cpg_totem_confchg_fn = on_ring,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	uint32_t node = 0;
	cs_error_t error;

	error = cpg_model_initialize(&group->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model,
				     group);
	if (error != CS_OK)
		return error;
	group->connected = true;
	error = cpg_local_get(group->handle, &node);
	if (error == CS_OK)
		error = cpg_fd_get(group->handle, &group->fd);
	if (error != CS_OK) {
		group->fd = -1;
		return error;
	}
	group->node_known(group->context, node);
	return CS_OK;
}

static cs_error_t connect_and_join(struct group *group)
{
	cs_error_t error = CS_OK;

	if (!group->connected)
		error = open_handle(group);
	if (error == CS_OK)
		error = cpg_join(group->handle, &group_name);
	if (error != CS_OK)
		return error;
	group->joined = true;
	if (qb_loop_poll_add(group->shell->loop, QB_LOOP_MED, group->fd, POLLIN, group,
			     on_readable) < 0)
		return CS_ERR_LIBRARY;
	group->polled = true;
	return CS_OK;
}

static void connect_now(void *context)
{
	struct group *group = context;
	uint64_t begun = log_stall_begin();
	cs_error_t error;

	shell_timer_fired(&group->connect_timer);
	if (group->broken) {
		tear_down(group);
		if (!group->told_absent)
			tell_view(group, false);
	}
	error = connect_and_join(group);
	log_stall_end(begun, "corosync-connect");
	if (error == CS_OK) {
		log_info("corosync joined group=%s", group_name.value);
		group->connect_ms = 0;
		return;
	}
	if (group->connect_ms == 0)
		log_warning("corosync does not answer error=%d reason=\"%s\"", (int)error,
			    reason(error));
	/* While a ring forms, joining is refused for a moment; that needs no new connection. */
	if (error != CS_ERR_TRY_AGAIN || !group->connected)
		tear_down(group);
	connect_later(group);
}

static void connect_later(struct group *group)
{
	uint64_t wait = group->connect_ms;

	/* The tear-down itself comes at once, so that the core knows. */
	if (group->broken)
		wait = 0;
	else if (wait == 0)
		wait = CONNECT_MIN_MS;
	group->connect_ms = wait * 2 > CONNECT_MAX_MS ? CONNECT_MAX_MS : wait * 2;
	shell_timer_arm(group->shell, &group->connect_timer, wait, connect_now, group);
}

struct group *group_new(const struct shell *shell, void (*node_known)(void *context, uint32_t node),
			void *context)
{
	struct group *group = mem_new(struct group);

	group->shell = shell;
	group->node_known = node_known;
	group->context = context;
	group->fd = -1;
	group->told_absent = true;
	group->inbox_tail = &group->inbox;
	group->outbox_tail = &group->outbox;
	shell_timer_arm(shell, &group->connect_timer, 0, connect_now, group);
	return group;
}

void group_free(struct group *group)
{
	if (!group)
		return;
	shell_timer_stop(group->shell, &group->connect_timer);
	shell_timer_stop(group->shell, &group->work_timer);
	if (group->joined && !group->broken)
		cpg_leave(group->handle, &group_name);
	tear_down(group);
	free(group);
}
