/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/core/solo.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/conduct.h"
#include "clusterd/core/core_private.h"
#include "clusterd/core/record.h"
#include "wire/message.h"

enum { REPEAT_MS = 1000 };

void solo_free(struct solo *solo)
{
	wire_free(solo->reply);
	wire_free(solo->proof.reply);
}

static bool is_member(const struct core *core, uint32_t node)
{
	return (core->standing.members & vmop_bit(node)) != 0;
}

/* ------------------------------------------------------------------ the proof */

static void forget_proof(struct solo *solo)
{
	wire_free(solo->proof.reply);
	solo->proof = (struct solo_proof){ 0 };
}

static bool is_alone(const struct core *core)
{
	return core->standing.open && core->standing.alone;
}

/* Is it still true, as far as anybody can tell? */
static bool holds(const struct core *core, const struct solo_proof *proof)
{
	if (is_member(core, proof->node) || (core->standing.open && !core->standing.alone))
		return false;
	if (!proof->used && core_in_ring(core, proof->node))
		return false;
	return core->now_ms < proof->good_ms + CORE_FENCE_ANSWER_MS;
}

static void keep_proof(struct core *core, struct update *update)
{
	struct solo_proof *proof = &core->solo.proof;

	if (!proof->node)
		return;
	if (is_alone(core) && !proof->used)
		proof->base = core->standing.applied;
	proof->used |= is_alone(core);
	/* Its age counts from when the epoch was closed, and that is told by the step after it. */
	if (is_alone(core) || proof->in_use)
		proof->good_ms = core->now_ms;
	proof->in_use = is_alone(core);
	if (!holds(core, proof))
		forget_proof(&core->solo);
	else if (!core->standing.open)
		update_wake(update, proof->good_ms + CORE_FENCE_ANSWER_MS);
}

/* ------------------------------------------------------------------ on record */

/* The entry is applied, or the conductor has asked the device anew. */
static bool is_on_record(const struct core *core, const struct solo_proof *proof)
{
	const struct state *state = core->state;

	for (size_t i = state_count(state, WIRE__TABLE__TABLE_OPERATION); i-- > 0;) {
		const Wire__Operation *op = state_at(state, WIRE__TABLE__TABLE_OPERATION, i);

		if (op->kind == WIRE__OPERATION__KIND__FENCE && op->node == proof->node &&
		    op->index > proof->base)
			return true;
	}
	return false;
}

/* Said lately in this epoch: it may be on its way. */
static bool was_told_lately(struct core *core, struct update *update)
{
	struct solo_proof *proof = &core->solo.proof;

	if (proof->told_epoch != core->standing.epoch ||
	    core->now_ms >= proof->told_ms + REPEAT_MS) {
		proof->told_epoch = core->standing.epoch;
		proof->told_ms = core->now_ms;
		return false;
	}
	update_wake(update, proof->told_ms + REPEAT_MS);
	return true;
}

static void tell(struct core *core, struct update *update)
{
	struct solo_proof *proof = &core->solo.proof;
	const Wire__Node *node = state_node(core->state, proof->node);
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__WentAlone went = WIRE__WENT_ALONE__INIT;

	if (!proof->node || !proof->used || proof->told || !is_alone(core) ||
	    !core->standing.ready)
		return;
	proof->told = !node || is_on_record(core, proof);
	if (proof->told || was_told_lately(core, update))
		return;
	went.node = proof->node;
	went.incarnation = node->incarnation;
	went.device = proof->device;
	went.status_only = proof->status_only;
	went.text = proof->reply->text;
	went.marks = proof->reply->marks;
	went.n_marks = proof->reply->n_marks;
	went.off = !core_in_ring(core, proof->node) &&
		   core->now_ms < proof->at_ms + CORE_FENCE_ANSWER_MS;
	command.body_case = WIRE__COMMAND__BODY_WENT_ALONE;
	command.went_alone = &went;
	core_propose(core, &command, update);
}

/* ------------------------------------------------------------------ calls */

static void drop_call(struct solo *solo, struct update *update)
{
	if (solo->ask && !solo->answered)
		update_cancel(update, solo->ask);
	wire_free(steal_ptr(solo->reply));
	solo->ask = 0;
	solo->answered = false;
}

bool solo_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply)
{
	struct solo *solo = &core->solo;

	if (!solo->ask || solo->ask != ask || solo->answered)
		return false;
	solo->answered = true;
	solo->reply = reply ? wire_dup(&reply->base) : NULL;
	return true;
}

/* Those first whose last test was good. */
static const Wire__Fence *next_device(const struct core *core, uint32_t other,
				      unsigned attempts, const Wire__Fence **ret_wrong)
{
	const Wire__Fence *devices[FENCE_DEVICES_MAX], *sorted[FENCE_DEVICES_MAX];
	size_t n = conduct_devices(core->state, other, devices, ret_wrong), k = 0;

	for (int good = 1; good >= 0; good--)
		for (size_t i = 0; i < n; i++)
			if (fence_is_tested(devices[i], other) == good)
				sorted[k++] = devices[i];
	return n ? sorted[attempts % n] : NULL;
}

static size_t count_vms(const struct state *state, uint32_t node)
{
	size_t n = 0;

	for (size_t i = 0; i < state_count(state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(state, WIRE__TABLE__TABLE_VM, i);

		n += !vm->unmanaged && vm->owner == node && vm_holds(vm, node);
	}
	return n;
}

/* Of two living nodes that see each other no more, the other one is to shoot first. */
static bool is_second(const struct core *core, uint32_t other)
{
	size_t here = count_vms(core->state, core->node), there = count_vms(core->state, other);

	return here < there || (here == there && core->node > other);
}

static uint64_t first_shot_ms(const struct core *core)
{
	const struct solo *solo = &core->solo;
	uint64_t delay_s = state_setting_number(core->state, SET_FENCE_DELAY_S);

	return solo->since_ms + (is_second(core, solo->other) ? delay_s * 1000 : 0);
}

/* Until when its device is only asked; 0: its power may be cut. */
static uint64_t spared_until_ms(const struct core *core)
{
	const struct solo *solo = &core->solo;
	const Wire__Node *node = state_node(core->state, solo->other);
	uint64_t grace_s = state_setting_number(core->state, SET_NODE_JOIN_GRACE_S), until_ms = 0;

	if (!(solo->seen & vmop_bit(solo->other)))
		until_ms = solo->begun_ms + grace_s * 1000;
	if (node->state == WIRE__NODE__STATE__LEFT && solo->since_ms + node->freeze_ms > until_ms)
		until_ms = solo->since_ms + node->freeze_ms;
	return core->now_ms < until_ms ? until_ms : 0;
}

static void take_answer(struct core *core, struct update *update)
{
	struct solo *solo = &core->solo;
	const Wire__Fence *fence = state_get(core->state, WIRE__TABLE__TABLE_FENCE, solo->device);

	if (solo->reply && solo->reply->code == WIRE__AGENT_REPLY__CODE__OFF) {
		forget_proof(solo);
		solo->proof = (struct solo_proof){
			.node = solo->other,
			.at_ms = core->now_ms,
			.good_ms = core->now_ms,
			.device = solo->device,
			.status_only = solo->status_only,
			.reply = steal_ptr(solo->reply),
		};
		solo->attempts = 0;
		solo->failed[0] = '\0';
		keep_proof(core, update);
	} else {
		solo->retry_ms = core->now_ms + conduct_pause_ms(++solo->attempts);
		solo->retry_wall_ms = core->wall_ms + solo->retry_ms - core->now_ms;
		snprintf(solo->failed, sizeof(solo->failed), "%s: %.200s",
			 fence ? fence->name : "a device that was removed",
			 !solo->reply ? "no answer in time, which proves nothing"
			 : solo->reply->code == WIRE__AGENT_REPLY__CODE__ON ? "it is on"
									    : solo->reply->text);
	}
	drop_call(solo, update);
}

static void begin_call(struct core *core, struct update *update)
{
	struct solo *solo = &core->solo;
	uint64_t spared_ms = spared_until_ms(core), begin_ms = first_shot_ms(core);
	const Wire__Fence *wrong, *fence;

	/* Now its power may be cut, and there is no pause to be kept after mere questions. */
	if (solo->status_only && !spared_ms)
		solo->attempts = solo->retry_ms = 0;
	solo->status_only = spared_ms != 0;
	if (spared_ms)
		update_wake(update, spared_ms);
	if (solo->retry_ms > begin_ms)
		begin_ms = solo->retry_ms;
	if (core->now_ms < begin_ms) {
		update_wake(update, begin_ms);
		return;
	}
	fence = next_device(core, solo->other, solo->attempts, &wrong);
	if (!fence)
		return;
	solo->device = fence->id;
	solo->ask = core_ask_fence(core, fence, solo->other, solo->status_only, update);
}

/* ------------------------------------------------------------------ why */

static void say_call(const struct core *core, const char *other, struct buf *text)
{
	const struct solo *solo = &core->solo;
	const Wire__Fence *fence = state_get(core->state, WIRE__TABLE__TABLE_FENCE, solo->device);

	buf_printf(text, "; fence device %s is asked %s; once it says that %s is off, this node "
		   "goes on alone", fence ? fence->name : "that was removed",
		   solo->status_only ? "whether that is off" : "to power it off", other);
	if (solo->failed[0])
		buf_printf(text, "; last time there was no proof by %s", solo->failed);
}

static void say_pause(const struct core *core, const char *other, struct buf *text)
{
	const struct solo *solo = &core->solo;
	uint64_t day_s = solo->retry_wall_ms / 1000 % 86400;

	if (!solo->failed[0]) {
		buf_printf(text, "; its fence device is asked once fence.delay_s is over, and this "
			   "node goes on alone once %s is off", other);
		return;
	}
	buf_printf(text, "; no proof that it is off by fence device %s; asked again at "
		   "%02u:%02u:%02u UTC; or start %s", solo->failed, (unsigned)(day_s / 3600),
		   (unsigned)(day_s / 60 % 60), (unsigned)(day_s % 60), other);
}

static void say_state(const struct core *core, const char *other, struct buf *text)
{
	const struct solo *solo = &core->solo;
	const Wire__Fence *wrong;

	if (core_in_ring(core, solo->other))
		buf_append_str(text, "; its corosync answers, its clusterd does not: start "
				     "clusterd there");
	else if (!core->standing.entitled)
		buf_printf(text, ", and this node may not go on alone: it was not together with %s "
			   "since this machine was switched on, so %s may know more; start %s",
			   other, other, other);
	else if (core->census.disputed)
		buf_printf(text, ", and the nodes' copies of the state differ, so this node does "
			   "not go on alone: start %s", other);
	else if (solo->ask)
		say_call(core, other, text);
	else if (!next_device(core, solo->other, 0, &wrong))
		buf_printf(text, ", and without a fence device for it nobody can tell whether it "
			   "is off: start %s", other);
	else
		say_pause(core, other, text);
}

static void say_why(struct core *core)
{
	struct solo *solo = &core->solo;
	_cleanup_(buf_free) struct buf text = { 0 };
	const char *other = node_name(core->state, solo->other);

	solo->why[0] = '\0';
	if (!core->standing.awaited || core->standing.awaited != solo->other || solo->proof.node)
		return;
	buf_printf(&text, "no quorum: of the voters %s and %s, %s is not here",
		   node_name(core->state, core->node), other, other);
	say_state(core, other, &text);
	snprintf(solo->why, sizeof(solo->why), "%s", buf_str(&text));
}

/* ------------------------------------------------------------------ run */

/* Who is missing, and since when. Rounds come and go between, for other nodes' sake. */
static void note_missing(struct core *core)
{
	struct solo *solo = &core->solo;
	uint32_t awaited = core->standing.awaited;

	if (core->standing.open || (awaited && awaited != solo->other) ||
	    (solo->other && is_member(core, solo->other))) {
		solo->other = 0;
		solo->attempts = 0;
		solo->retry_ms = 0;
		solo->failed[0] = '\0';
	}
	if (!awaited || solo->other)
		return;
	solo->other = awaited;
	solo->since_ms = core->now_ms;
}

/* May the other's power be asked about, and cut, on this node's own account? */
static bool may_ask(const struct core *core, const struct update *update)
{
	const struct solo *solo = &core->solo;

	return solo->other && !core->standing.open && core->standing.entitled &&
	       !is_member(core, solo->other) && !core_in_ring(core, solo->other) &&
	       state_node(core->state, core->node) && state_node(core->state, solo->other) &&
	       !core->census.disputed && !core->leave_ms && update->leave == LEAVE_NO;
}

void solo_run(struct core *core, struct update *update)
{
	struct solo *solo = &core->solo;

	if (!solo->begun_ms)
		solo->begun_ms = core->now_ms;
	solo->seen |= core->standing.ring;
	keep_proof(core, update);
	note_missing(core);
	if (!may_ask(core, update)) {
		drop_call(solo, update);
	} else {
		if (solo->answered)
			take_answer(core, update);
		if (!solo->ask && !solo->proof.node &&
		    core->standing.awaited == solo->other)
			begin_call(core, update);
	}
	replica_other_is_off(core->replica, solo->proof.node, update);
	tell(core, update);
	say_why(core);
}
