/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/group.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct message {
	uint32_t sender;
	struct buf frame;
};

struct view {
	uint64_t members;
	bool told;				/* not so the one a node starts in */
	struct message *messages;
	size_t n, cap;
	unsigned int users;
};

struct member {
	bool up;
	struct view *view;
	size_t next;				/* message to deliver */
	struct buf *queue;
	size_t queued, queue_cap;
};

struct group {
	uint32_t nodes;
	struct rng *rng;
	const struct group_ops *ops;
	void *world;
	struct member members[GROUP_NODES_MAX];
};

struct group *group_new(uint32_t nodes, struct rng *rng, const struct group_ops *ops, void *world)
{
	struct group *group = mem_new(struct group);

	assert(nodes >= 1 && nodes <= GROUP_NODES_MAX);
	group->nodes = nodes;
	group->rng = rng;
	group->ops = ops;
	group->world = world;
	return group;
}

static struct view *view_new(uint64_t members)
{
	struct view *view = mem_new(struct view);

	view->members = members;
	return view;
}

static void view_leave(struct member *member)
{
	struct view *view = member->view;

	member->view = NULL;
	if (!view || --view->users > 0)
		return;
	for (size_t i = 0; i < view->n; i++)
		buf_free(&view->messages[i].frame);
	free(view->messages);
	free(view);
}

static void view_enter(struct member *member, struct view *view)
{
	view->users++;
	view_leave(member);
	member->view = view;
	member->next = 0;
}

static struct member *member_of(struct group *group, uint32_t node)
{
	assert(node >= 1 && node <= group->nodes);
	return &group->members[node - 1];
}

static void queue_drop(struct member *member)
{
	for (size_t i = 0; i < member->queued; i++)
		buf_free(&member->queue[i]);
	member->queued = 0;
}

void group_free(struct group *group)
{
	if (!group)
		return;
	for (uint32_t node = 1; node <= group->nodes; node++) {
		struct member *member = member_of(group, node);

		queue_drop(member);
		free(member->queue);
		view_leave(member);
	}
	free(group);
}

void group_start(struct group *group, uint32_t node)
{
	struct member *member = member_of(group, node);

	assert(!member->up);
	member->up = true;
	view_enter(member, view_new(UINT64_C(1) << (node - 1)));
}

void group_crash(struct group *group, uint32_t node)
{
	struct member *member = member_of(group, node);
	uint32_t sent = rng_below(group->rng, (uint32_t)member->queued + 1);

	assert(member->up);
	while (sent-- > 0)
		group_place(group, node, false);
	queue_drop(member);
	member->up = false;
	view_leave(member);
}

bool group_up(const struct group *group, uint32_t node)
{
	return group->members[node - 1].up;
}

uint64_t group_members(const struct group *group, uint32_t node)
{
	const struct member *member = &group->members[node - 1];

	return member->view ? member->view->members : 0;
}

void group_send(struct group *group, uint32_t node, struct buf *frame)
{
	struct member *member = member_of(group, node);

	assert(member->up);
	if (member->queued == member->queue_cap) {
		member->queue_cap = member->queue_cap ? member->queue_cap * 2 : 16;
		member->queue = mem_resize(member->queue, member->queue_cap,
					   sizeof(*member->queue));
	}
	member->queue[member->queued++] = *frame;
	*frame = (struct buf){ 0 };
}

bool group_place(struct group *group, uint32_t node, bool lost)
{
	struct member *member = member_of(group, node);
	struct view *view = member->view;
	struct buf frame;

	if (!member->up || member->queued == 0)
		return false;
	frame = member->queue[0];
	member->queued--;
	memmove(member->queue, member->queue + 1, member->queued * sizeof(*member->queue));
	if (lost) {
		buf_free(&frame);
		return true;
	}
	if (view->n == view->cap) {
		view->cap = view->cap ? view->cap * 2 : 64;
		view->messages = mem_resize(view->messages, view->cap, sizeof(*view->messages));
	}
	view->messages[view->n++] = (struct message){ node, frame };
	return true;
}

bool group_deliver(struct group *group, uint32_t node)
{
	struct member *member = member_of(group, node);
	struct message *message;

	if (!member->up || member->next == member->view->n)
		return false;
	message = &member->view->messages[member->next++];
	group->ops->deliver(group->world, node, message->sender, &message->frame);
	return true;
}

/* ---------------------------------------------------------------- new views */

/* How far those who leave a view together get in it: as far as one of them has, or further. */
static size_t cut_of(struct group *group, const struct view *view, uint64_t together)
{
	size_t cut = 0;

	for (uint32_t node = 1; node <= group->nodes; node++) {
		const struct member *member = member_of(group, node);

		if ((together >> (node - 1) & 1) && member->view == view && member->next > cut)
			cut = member->next;
	}
	return cut + rng_below(group->rng, (uint32_t)(view->n - cut + 1));
}

static void deliver_until(struct group *group, uint32_t node, const struct view *view, size_t cut)
{
	struct member *member = member_of(group, node);

	/* What it does about a message may be the end of it. */
	while (member->up && member->view == view && member->next < cut)
		group_deliver(group, node);
}

/* All of a component finish their old views; those of the same one at the same message. */
static void finish_old(struct group *group, uint64_t members)
{
	uint64_t left = members;

	for (uint32_t node = 1; node <= group->nodes; node++) {
		const struct view *view = member_of(group, node)->view;
		size_t cut;

		if (!(left >> (node - 1) & 1))
			continue;
		cut = cut_of(group, view, members);
		for (uint32_t other = node; other <= group->nodes; other++)
			if ((left >> (other - 1) & 1) && member_of(group, other)->view == view) {
				left &= ~(UINT64_C(1) << (other - 1));
				deliver_until(group, other, view, cut);
			}
	}
}

static bool unchanged(struct group *group, uint64_t members)
{
	const struct view *view = NULL;

	for (uint32_t node = 1; node <= group->nodes; node++)
		if (members >> (node - 1) & 1) {
			if (view && member_of(group, node)->view != view)
				return false;
			view = member_of(group, node)->view;
		}
	return view && view->told && view->members == members;
}

static void form(struct group *group, uint64_t members, uint64_t ghosts, bool in_ring)
{
	struct view *view;

	finish_old(group, members);
	view = view_new(members | ghosts);
	view->users = 1;
	view->told = true;
	for (uint32_t node = 1; node <= group->nodes; node++)
		if ((members >> (node - 1) & 1) && group_up(group, node))
			view_enter(member_of(group, node), view);
	for (uint32_t node = 1; node <= group->nodes; node++)
		if ((members >> (node - 1) & 1) && group_up(group, node))
			group->ops->view(group->world, node, members | ghosts,
					 in_ring ? members | ghosts : members);
	view_leave(&(struct member){ .view = view });
}

void group_regroup(struct group *group, const uint32_t *of, bool spare, uint64_t ghosts,
		   bool in_ring)
{
	uint64_t left = 0;

	for (uint32_t node = 1; node <= group->nodes; node++)
		if (group_up(group, node))
			left |= UINT64_C(1) << (node - 1);
	for (uint32_t node = 1; node <= group->nodes; node++) {
		uint64_t members = 0;

		if (!(left >> (node - 1) & 1))
			continue;
		for (uint32_t other = node; other <= group->nodes; other++)
			if ((left >> (other - 1) & 1) && of[other - 1] == of[node - 1])
				members |= UINT64_C(1) << (other - 1);
		left &= ~members;
		if (!spare || !unchanged(group, members))
			form(group, members, ghosts & ~members, in_ring);
	}
}
