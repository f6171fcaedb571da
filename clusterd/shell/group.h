/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_GROUP_H
#define CLUSTERD_SHELL_GROUP_H

/*
 * The group is this daemon's seat among the daemons of the cluster: Corosync's process
 * group "clusterd". It turns deliveries into EVENT_FRAME and changes of membership into
 * EVENT_VIEW, in the one order that all members see.
 *
 * A view is told at every change of the group and at every new totem ring, even when the
 * lists are the same as before: the same node with a new process is a change. For one
 * cause there may be two views: Corosync tells the group first and the ring last.
 *
 * When Corosync goes, one view without members is told and the group joins again by
 * itself; guests are not concerned.
 */

#include <stdint.h>

#include "base/buf.h"
#include "clusterd/shell/shell.h"

struct group;

enum {
	GROUP_INBOX_MAX = 64 * 1024 * 1024,	/* bytes delivered and not yet looked at */
	GROUP_OUTBOX_MAX = 16 * 1024 * 1024,	/* bytes that wait for flow control */
};

/*
 * Starts to connect; nothing is told to the sink before the loop runs. node_known is
 * called with our node id each time Corosync was reached, before the view that follows.
 */
struct group *group_new(const struct shell *shell, void (*node_known)(void *context, uint32_t node),
			void *context);
/* Leaves the group. NULL is fine. */
void group_free(struct group *group);

/*
 * Multicasts a frame, soon. Takes what the buffer holds. Not an error without Corosync or
 * with a full outbox: the frame is lost, as frames are, and a new view follows.
 */
void group_send(struct group *group, struct buf *frame);

/* What Corosync calls this node, asked once and without joining anything; 0 = it does not run. */
uint32_t group_ask_node(void);

/* Of the daemon's life, for status. */
struct group_counts {
	uint64_t sent, received, bad, busy, lost;
};
const struct group_counts *group_counts(const struct group *group);

#endif
