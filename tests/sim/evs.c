/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/evs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct view {
	uint64_t members;
	bool told;				/* not so the one a node starts in */
	struct evs_message **messages;
	size_t n, cap;
	unsigned int users;
};

struct member {
	bool up;
	struct view *view;
	size_t next;				/* message to deliver */
	struct evs_message **queue;
	size_t queued, queue_cap;
};

struct evs {
	uint32_t nodes;
	struct rng *rng;
	const struct evs_ops *ops;
	void *context;
	struct member members[EVS_NODES_MAX];
};

struct evs_message *evs_message_ref(struct evs_message *message)
{
	message->refs++;
	return message;
}

void evs_message_unref(struct evs_message *message)
{
	if (!message || --message->refs > 0)
		return;
	frame_body_free(message->body);
	frame_body_free(message->other);
	buf_free(&message->frame);
	free(message);
}

struct evs *evs_new(uint32_t nodes, struct rng *rng, const struct evs_ops *ops, void *context)
{
	struct evs *evs = mem_new(struct evs);

	assert(nodes >= 1 && nodes <= EVS_NODES_MAX);
	evs->nodes = nodes;
	evs->rng = rng;
	evs->ops = ops;
	evs->context = context;
	return evs;
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
		evs_message_unref(view->messages[i]);
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

static struct member *member_of(struct evs *evs, uint32_t node)
{
	assert(node >= 1 && node <= evs->nodes);
	return &evs->members[node - 1];
}

static void queue_drop(struct member *member)
{
	for (size_t i = 0; i < member->queued; i++)
		evs_message_unref(member->queue[i]);
	member->queued = 0;
}

void evs_free(struct evs *evs)
{
	if (!evs)
		return;
	for (uint32_t node = 1; node <= evs->nodes; node++) {
		struct member *member = member_of(evs, node);

		queue_drop(member);
		free(member->queue);
		view_leave(member);
	}
	free(evs);
}

void evs_start(struct evs *evs, uint32_t node)
{
	struct member *member = member_of(evs, node);

	assert(!member->up);
	member->up = true;
	view_enter(member, view_new(UINT64_C(1) << (node - 1)));
}

void evs_crash(struct evs *evs, uint32_t node)
{
	struct member *member = member_of(evs, node);
	uint32_t sent = rng_below(evs->rng, (uint32_t)member->queued + 1);

	assert(member->up);
	while (sent-- > 0)
		evs_place(evs, node, false);
	queue_drop(member);
	member->up = false;
	view_leave(member);
}

bool evs_up(const struct evs *evs, uint32_t node)
{
	return evs->members[node - 1].up;
}

uint64_t evs_members(const struct evs *evs, uint32_t node)
{
	const struct member *member = &evs->members[node - 1];

	return member->view ? member->view->members : 0;
}

void evs_send(struct evs *evs, uint32_t node, struct buf *frame)
{
	struct member *member = member_of(evs, node);
	struct evs_message *message = mem_new(struct evs_message);
	int r;

	assert(member->up);
	message->refs = 1;
	message->sender = node;
	message->frame = *frame;
	*frame = (struct buf){ 0 };
	r = frame_decode(message->frame.data, message->frame.len, &message->header, &message->body);
	assert(r == 0 || r == -EPROTONOSUPPORT);
	if (member->queued == member->queue_cap) {
		member->queue_cap = member->queue_cap ? member->queue_cap * 2 : 16;
		member->queue = mem_resize(member->queue, member->queue_cap,
					   sizeof(*member->queue));
	}
	member->queue[member->queued++] = message;
}

size_t evs_queued(const struct evs *evs, uint32_t node)
{
	return evs->members[node - 1].queued;
}

bool evs_place(struct evs *evs, uint32_t node, bool lost)
{
	struct member *member = member_of(evs, node);
	struct view *view = member->view;
	struct evs_message *message;

	if (!member->up || member->queued == 0)
		return false;
	message = member->queue[0];
	member->queued--;
	memmove(member->queue, member->queue + 1, member->queued * sizeof(*member->queue));
	if (lost) {
		evs_message_unref(message);
		return true;
	}
	if (view->n == view->cap) {
		view->cap = view->cap ? view->cap * 2 : 64;
		view->messages = mem_resize(view->messages, view->cap, sizeof(*view->messages));
	}
	view->messages[view->n++] = message;
	return true;
}

bool evs_deliver(struct evs *evs, uint32_t node)
{
	struct member *member = member_of(evs, node);

	if (!member->up || member->next == member->view->n)
		return false;
	evs->ops->deliver(evs->context, node, member->view->messages[member->next++]);
	return true;
}

/* ---------------------------------------------------------------- new views */

/* How far those who leave a view together get in it: as far as one of them has, or further. */
static size_t cut_of(struct evs *evs, const struct view *view, uint64_t together)
{
	size_t cut = 0;

	for (uint32_t node = 1; node <= evs->nodes; node++) {
		const struct member *member = member_of(evs, node);

		if ((together >> (node - 1) & 1) && member->view == view && member->next > cut)
			cut = member->next;
	}
	return cut + rng_below(evs->rng, (uint32_t)(view->n - cut + 1));
}

static void deliver_until(struct evs *evs, uint32_t node, const struct view *view, size_t cut)
{
	struct member *member = member_of(evs, node);

	/* What it does about a message may be the end of it. */
	while (member->up && member->view == view && member->next < cut)
		evs_deliver(evs, node);
}

/* All of a component finish their old views; those of the same one at the same message. */
static void finish_old(struct evs *evs, uint64_t members)
{
	uint64_t left = members;

	for (uint32_t node = 1; node <= evs->nodes; node++) {
		const struct view *view = member_of(evs, node)->view;
		size_t cut;

		if (!(left >> (node - 1) & 1))
			continue;
		cut = cut_of(evs, view, members);
		for (uint32_t other = node; other <= evs->nodes; other++)
			if ((left >> (other - 1) & 1) && member_of(evs, other)->view == view) {
				left &= ~(UINT64_C(1) << (other - 1));
				deliver_until(evs, other, view, cut);
			}
	}
}

static bool unchanged(struct evs *evs, uint64_t members)
{
	const struct view *view = NULL;

	for (uint32_t node = 1; node <= evs->nodes; node++)
		if (members >> (node - 1) & 1) {
			if (view && member_of(evs, node)->view != view)
				return false;
			view = member_of(evs, node)->view;
		}
	return view && view->told && view->members == members;
}

static void form(struct evs *evs, uint64_t members, uint64_t ghosts, uint64_t ring_too)
{
	struct view *view;

	finish_old(evs, members);
	view = view_new(members | ghosts);
	view->users = 1;
	view->told = true;
	for (uint32_t node = 1; node <= evs->nodes; node++)
		if ((members >> (node - 1) & 1) && evs_up(evs, node))
			view_enter(member_of(evs, node), view);
	for (uint32_t node = 1; node <= evs->nodes; node++)
		if ((members >> (node - 1) & 1) && evs_up(evs, node))
			evs->ops->view(evs->context, node, members | ghosts, members | ring_too);
	view_leave(&(struct member){ .view = view });
}

void evs_regroup(struct evs *evs, const uint32_t *of, bool spare, uint64_t ghosts,
		 uint64_t ring_too)
{
	uint64_t left = 0;

	for (uint32_t node = 1; node <= evs->nodes; node++)
		if (evs_up(evs, node))
			left |= UINT64_C(1) << (node - 1);
	for (uint32_t node = 1; node <= evs->nodes; node++) {
		uint64_t members, together = 0;

		if (!(left >> (node - 1) & 1))
			continue;
		for (uint32_t other = 1; other <= evs->nodes; other++)
			if (of[other - 1] == of[node - 1])
				together |= UINT64_C(1) << (other - 1);
		members = left & together;
		left &= ~members;
		if (!spare || !unchanged(evs, members))
			form(evs, members, ghosts & ~members, ring_too & together);
	}
}
