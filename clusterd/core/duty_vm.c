/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this node does in each phase of a VM in which it has a part. Each handler compares
 * the record with what the agent sees and does the next thing that is missing.
 */
#include <stdio.h>
#include <string.h>

#include "clusterd/core/duty.h"
#include "clusterd/core/look.h"
#include "domain/essence.h"
#include "wire/check.h"

#define STATE(x) WIRE__DOMAIN_NEWS__STATE__##x
#define SAYS(x) WIRE__VM_REPORT__WHAT__##x
#define CAUSE(x) WIRE__VM_REPORT__CAUSE__##x

/* A destination whose source has handed over is given so long to turn out complete. */
enum { COMPLETE_GRACE_MS = 10000 };
/* That a source handed over may be told so long after it is gone. */
enum { WORD_GRACE_MS = 2000 };
/* A move that fails within the first second is tried again, twice. */
enum { MOVES_MAX = 3, MOVE_BEGINS_MS = 1000, MOVE_PAUSE_MS = 500 };
/* Between two tellings of one live definition. */
enum { LIVE_AGAIN_MS = 30000 };

static bool is(const struct turn *turn, Wire__DomainNews__State state)
{
	return turn->duty->state == state;
}

static bool absent(const struct turn *turn)
{
	return is(turn, STATE(ABSENT));
}

static bool me(const struct turn *turn, uint32_t node)
{
	return turn->core->node == node;
}

static const char *text_of(const struct turn *turn, const struct duty_done *done)
{
	if (done && done->text && *done->text)
		return done->text;
	return turn->duty->text ? turn->duty->text : "";
}

/* Paused by a move of ours that ended, not by the guest, an I/O error or a person. */
static bool paused_by_move(const struct turn *turn)
{
	static const char *const reasons[] = { "migration", "postmigrate", "save", "restored",
					       "postcopy" };
	const char *reason = turn->duty->reason;

	if (!is(turn, STATE(PAUSED)) && !is(turn, STATE(COMPLETE)))
		return false;
	for (size_t i = 0; reason && i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i], reason) == 0)
			return true;
	return false;
}

static void ask_once(struct turn *turn, unsigned slot, enum duty_ask kind)
{
	if (!duty_busy(turn, slot) && !duty_too_soon(turn, kind))
		duty_ask_simple(turn, slot, kind);
}

/* A copy that has no part in the phase: away with it, and say so. */
static void no_part(struct turn *turn)
{
	if (absent(turn)) {
		if (!duty_busy(turn, SLOT_MAIN))
			duty_report_absent(turn, CAUSE(KILLED), "removed");
		return;
	}
	ask_once(turn, SLOT_SIDE, ASK_KILL);
}

/* ------------------------------------------------------------------ start, run, stop */

static Wire__VmReport__Cause start_cause(const struct duty_done *done)
{
	if (done->code == WIRE__AGENT_REPLY__CODE__CHAIN_CHANGED)
		return CAUSE(CHAIN_CHANGED);
	return done->code == WIRE__AGENT_REPLY__CODE__REFUSED ? CAUSE(REFUSED)
							       : CAUSE(START_FAILED);
}

/* Has the agent answered a look that the cluster still waits for? */
static bool looked_for(const struct turn *turn)
{
	return look_due(turn->vm, turn->core->node) && turn->duty->looked == turn->vm->look;
}

/* The right to start it is from before it was set managed=no: since then it may run anywhere. */
static void give_back(struct turn *turn)
{
	if (looked_for(turn))
		duty_report_absent(turn, CAUSE(START_FAILED),
				   "it was set managed=no before it was started");
}

static void starting(struct turn *turn)
{
	const struct duty_done *done = duty_done(turn, ASK_START);
	struct duties *duties = turn->core->duties;

	if (is(turn, STATE(RUNNING))) {
		duty_report(turn, SAYS(RUNNING), CAUSE(UNKNOWN), "");
		return;
	}
	if (duty_busy(turn, SLOT_MAIN))
		return;
	if (turn->vm->look && absent(turn)) {
		give_back(turn);
		return;
	}
	if (done && absent(turn)) {
		/* Started, and gone again before anybody was told: that is a death, too. */
		if (done->code == WIRE__AGENT_REPLY__CODE__OK)
			duty_report_absent(turn, turn->duty->cause, text_of(turn, NULL));
		else
			duty_report_absent(turn, start_cause(done), text_of(turn, done));
		return;
	}
	if (!absent(turn)) {
		/* Half made by an agent that died: begin again from nothing. */
		ask_once(turn, SLOT_SIDE, ASK_KILL);
		return;
	}
	if (duties->starting >= state_setting_number(turn->core->state, SET_VM_STARTS_PER_NODE)) {
		duties->crowded = true;
		return;
	}
	duties->starting++;
	duty_ask_start(turn);
}

/*
 * It was set managed=no before its start was told of. Untold, it would be taken for half made when
 * it is managed again, however long it has run, and be killed if it is paused then.
 */
static void tell_started(struct turn *turn)
{
	if (turn->vm->phase == WIRE__VM__PHASE__STARTING && me(turn, turn->vm->owner) &&
	    is(turn, STATE(RUNNING)))
		duty_report(turn, SAYS(RUNNING), CAUSE(UNKNOWN), "");
}

static void do_action(struct turn *turn)
{
	const struct duty_done *done = duty_done(turn, ASK_ACTION);

	if (turn->vm->action == WIRE__VM__ACTION__NO_ACTION || duty_busy(turn, SLOT_SIDE))
		return;
	if (!done || done->op != turn->vm->action_op) {
		duty_ask_simple(turn, SLOT_SIDE, ASK_ACTION);
		return;
	}
	duty_report_action(turn, done->code == WIRE__AGENT_REPLY__CODE__OK ? SAYS(ACTION_DONE)
									    : SAYS(ACTION_FAILED),
			   turn->vm->action_op, done->text);
}

/* Said in this epoch and not long ago; it may have been lost all the same, or come too late. */
static bool told_lately(struct turn *turn)
{
	const struct duty *duty = turn->duty;

	if (duty->live_reported != duty->live->digest ||
	    duty->live_epoch != turn->core->standing.epoch ||
	    turn->core->now_ms >= duty->live_ms + LIVE_AGAIN_MS)
		return false;
	update_wake(turn->update, duty->live_ms + LIVE_AGAIN_MS);
	return true;
}

/* The definition that runs is not the one on record: say it for each change. */
static void tell_live(struct turn *turn)
{
	const Wire__Vm *vm = turn->vm;
	struct duty *duty = turn->duty;
	const Wire__Essence *known = vm->live ? vm->live : vm->essence;
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__VmLive live = WIRE__VM_LIVE__INIT;
	char difference[WIRE_TEXT_MAX + 1], chain[DOMAIN_CHAIN_DIGEST_SIZE];

	if (!duty->live || !known)
		return;
	domain_chain_digest(duty->live->disks, duty->live->n_disks, chain);
	if ((duty->live->digest == known->digest && strcmp(chain, vm->chain_last) == 0) ||
	    told_lately(turn))
		return;
	duty->live_ms = turn->core->now_ms;
	duty->live_reported = duty->live->digest;
	duty->live_epoch = turn->core->standing.epoch;
	domain_essence_diff(known, duty->live, difference, sizeof(difference));
	live.vm = vm->id;
	live.generation = vm->generation;
	live.live = duty->live;
	live.difference = difference;
	live.adopt = duty->live_xml && strlen(duty->live_xml) <= WIRE_XML_MAX;
	live.xml = live.adopt ? duty->live_xml : (char *)protobuf_c_empty_string;
	command.body_case = WIRE__COMMAND__BODY_VM_LIVE;
	command.vm_live = &live;
	core_propose(turn->core, &command, turn->update);
}

static void run_running(struct turn *turn)
{
	const Wire__Vm *vm = turn->vm;

	if (vm->wanted == WIRE__VM__WANTED__PAUSED) {
		ask_once(turn, SLOT_MAIN, ASK_PAUSE);
		return;
	}
	if (vm->seen != WIRE__VM__SEEN__ACTIVE || vm->unpause || looked_for(turn))
		duty_report(turn, SAYS(RUNNING), CAUSE(UNKNOWN), "");
	do_action(turn);
}

static void run_paused(struct turn *turn)
{
	const Wire__Vm *vm = turn->vm;
	const char *reason = turn->duty->reason ? turn->duty->reason : "";

	/* What comes back after this node has called it gone is not what it had a right to. */
	if (turn->duty->dropped != vm->generation && vm->wanted == WIRE__VM__WANTED__RUNNING &&
	    (vm->unpause || paused_by_move(turn))) {
		ask_once(turn, SLOT_MAIN, ASK_RESUME);
		return;
	}
	if (vm->seen != WIRE__VM__SEEN__SUSPENDED || strcmp(vm->seen_reason, reason) != 0 ||
	    looked_for(turn))
		duty_report(turn, SAYS(PAUSED), CAUSE(UNKNOWN), "");
}

static void run(struct turn *turn)
{
	if (!me(turn, turn->vm->owner)) {
		no_part(turn);
		return;
	}
	switch (turn->duty->state) {
	case STATE(RUNNING):
		run_running(turn);
		break;
	case STATE(PAUSED):
	case STATE(COMPLETE):
		run_paused(turn);
		break;
	case STATE(ABSENT):
		duty_report_absent(turn, turn->duty->cause, text_of(turn, NULL));
		return;
	default:
		break;
	}
	tell_live(turn);
}

/* The agent says how it went off, in a reply that may come after the news that it has. */
static void gone_off(struct turn *turn)
{
	const struct duty_done *kill = duty_done(turn, ASK_KILL), *stop = duty_done(turn, ASK_STOP);
	const struct duty_done *done = kill ? kill : stop;

	if (!done && duty_busy(turn, SLOT_MAIN))
		return;
	duty_report_absent(turn, CAUSE(KILLED), done && *done->text ? done->text : "stopped");
}

static void stopping(struct turn *turn)
{
	if (!me(turn, turn->vm->owner)) {
		no_part(turn);
		return;
	}
	if (absent(turn)) {
		gone_off(turn);
		return;
	}
	if (turn->vm->force)
		ask_once(turn, SLOT_SIDE, ASK_KILL);
	else if (!duty_busy(turn, SLOT_MAIN) && !duty_too_soon(turn, ASK_STOP))
		duty_ask_stop(turn);
}

/* ------------------------------------------------------------------ live migration */

/*
 * Did the move fail before it began? The destination's libvirtd may be busy with the end of
 * an earlier copy, or just be starting: that passes. Arms a wake-up for the next try.
 */
static bool move_again(struct turn *turn, const struct duty_done *done)
{
	const struct duty *duty = turn->duty;

	if (done->code != WIRE__AGENT_REPLY__CODE__FAILED || turn->vm->cancel ||
	    !is(turn, STATE(RUNNING)) || duty->moves >= MOVES_MAX ||
	    done->at_ms >= duty->moved_ms + MOVE_BEGINS_MS)
		return false;
	if (turn->core->now_ms >= done->at_ms + MOVE_PAUSE_MS)
		duty_ask_migrate(turn);
	else
		update_wake(turn->update, done->at_ms + MOVE_PAUSE_MS);
	return true;
}

/*
 * The guest is gone from its source. Whether it has run there since it was copied, the agent knows
 * from the hand-over, from libvirt's event, or from the end of the move, whichever comes first.
 */
static bool word_may_come(struct turn *turn)
{
	uint64_t until = turn->duty->state_ms + WORD_GRACE_MS;

	if (turn->duty->cause == CAUSE(HANDED_OVER))
		return false;
	if (duty_busy(turn, SLOT_SIDE))
		return true;
	if (!duty_busy(turn, SLOT_MAIN) || turn->core->now_ms >= until)
		return false;
	update_wake(turn->update, until);
	return true;
}

static void source_gone(struct turn *turn, const struct duty_done *done)
{
	bool handed_over = turn->duty->cause == CAUSE(HANDED_OVER);

	if (!word_may_come(turn))
		duty_report_absent(turn, turn->duty->cause,
				   handed_over ? "handed over" : text_of(turn, done));
}

static void copying_source(struct turn *turn)
{
	const struct duty_done *done = duty_done(turn, ASK_MIGRATE);

	if (turn->vm->cancel && duty_busy(turn, SLOT_MAIN))
		ask_once(turn, SLOT_SIDE, ASK_CANCEL);
	if (duty_busy(turn, SLOT_MAIN))
		return;
	if (absent(turn)) {
		source_gone(turn, done);
		return;
	}
	if (done && done->code == WIRE__AGENT_REPLY__CODE__OK)
		return;
	if (done && move_again(turn, done))
		return;
	if (done || turn->vm->cancel) {
		duty_report(turn, SAYS(MOVE_FAILED), CAUSE(UNKNOWN),
			    done ? text_of(turn, done) : "cancelled");
		return;
	}
	if (turn->duty->job)
		ask_once(turn, SLOT_SIDE, ASK_CANCEL);
	else
		duty_ask_migrate(turn);
}

static void copying_destination(struct turn *turn)
{
	struct duty *duty = turn->duty;

	if (is(turn, STATE(COMPLETE))) {
		duty_report(turn, SAYS(READY), CAUSE(UNKNOWN), "");
		return;
	}
	if (turn->vm->owner != 0)
		return;
	if (duty->alone_generation != turn->vm->generation) {
		duty->alone_generation = turn->vm->generation;
		duty->alone_ms = turn->core->now_ms;
	}
	/*
	 * The source handed over what is complete here. What is not by then never will be; and what
	 * the agent has not told of yet, it will have by then.
	 */
	if (turn->core->now_ms < duty->alone_ms + COMPLETE_GRACE_MS &&
	    !(absent(turn) && duty->cause == CAUSE(INCOMING_LOST)))
		update_wake(turn->update, duty->alone_ms + COMPLETE_GRACE_MS);
	else if (absent(turn))
		duty_report_absent(turn, CAUSE(INCOMING_LOST),
				   "it was handed over, but its copy here is gone");
	else
		ask_once(turn, SLOT_SIDE, ASK_KILL);
}

static void copying(struct turn *turn)
{
	if (me(turn, turn->vm->from))
		copying_source(turn);
	else if (me(turn, turn->vm->to))
		copying_destination(turn);
	else
		no_part(turn);
}

static void go(struct turn *turn)
{
	const struct duty_done *done = duty_done(turn, ASK_HAND_OVER);

	if (me(turn, turn->vm->to)) {
		if (absent(turn))
			duty_report_absent(turn, CAUSE(INCOMING_LOST), text_of(turn, NULL));
		return;
	}
	if (!me(turn, turn->vm->from)) {
		no_part(turn);
		return;
	}
	if (absent(turn)) {
		source_gone(turn, done);
		return;
	}
	if (done && done->code == WIRE__AGENT_REPLY__CODE__RAN_ON)
		duty_report(turn, SAYS(GO_REFUSED), CAUSE(UNKNOWN), text_of(turn, done));
	else if (!duty_busy(turn, SLOT_SIDE) && !duty_too_soon(turn, ASK_HAND_OVER))
		duty_ask_hand_over(turn);
}

static void resuming(struct turn *turn)
{
	if (!me(turn, turn->vm->owner)) {
		no_part(turn);
		return;
	}
	if (is(turn, STATE(RUNNING)))
		duty_report(turn, SAYS(RUNNING), CAUSE(UNKNOWN), "");
	else if (absent(turn))
		duty_report_absent(turn, CAUSE(INCOMING_LOST), text_of(turn, NULL));
	else if (!is(turn, STATE(COMPLETE)) && !is(turn, STATE(PAUSED)) &&
		 !is(turn, STATE(INCOMING)))
		return;
	else if (turn->vm->wanted == WIRE__VM__WANTED__PAUSED)
		/* It is here, and it is to stay paused: not even for a moment does it run. */
		duty_report(turn, SAYS(RUNNING), CAUSE(UNKNOWN), "");
	else
		ask_once(turn, SLOT_MAIN, ASK_RESUME);
}

static void aborting(struct turn *turn)
{
	if (!me(turn, turn->vm->from)) {
		no_part(turn);
		return;
	}
	if (absent(turn))
		duty_report_absent(turn, turn->duty->cause, text_of(turn, NULL));
	else if (turn->duty->job)
		ask_once(turn, SLOT_SIDE, ASK_CANCEL);
	else if (paused_by_move(turn) && turn->vm->wanted == WIRE__VM__WANTED__RUNNING)
		ask_once(turn, SLOT_MAIN, ASK_RESUME);
}

/* ------------------------------------------------------------------ quick migration */

static void save_over(struct turn *turn, const struct duty_done *done)
{
	if (done->code == WIRE__AGENT_REPLY__CODE__OK)
		duty_report(turn, SAYS(SAVED), CAUSE(UNKNOWN), "");
	else if (absent(turn))
		duty_report_absent(turn, CAUSE(CRASHED), text_of(turn, done));
	else
		duty_report(turn, SAYS(SAVE_FAILED), CAUSE(UNKNOWN), text_of(turn, done));
}

/* No result by its deadline is no end, nor is a connection to libvirt that was lost. */
static bool may_save_on(const struct turn *turn, const struct duty_done *done)
{
	return done->code == WIRE__AGENT_REPLY__CODE__TIMEOUT ||
	       (done->code != WIRE__AGENT_REPLY__CODE__OK && turn->duty->job);
}

/*
 * The phase may only end when nobody makes the file any more, and a guest that is gone may have
 * been saved whole. So what is under way is called off, and a save that is done is told by asking
 * again.
 */
static void end_save(struct turn *turn, const struct duty_done *done)
{
	const struct duty_done *cancel = duty_done(turn, ASK_CANCEL);
	bool asked = cancel && cancel->code == WIRE__AGENT_REPLY__CODE__OK &&
		     cancel->at_ms >= done->at_ms;

	if (duty_busy(turn, SLOT_SIDE))
		return;
	if (!absent(turn) && (!asked || turn->duty->job))
		ask_once(turn, SLOT_SIDE, ASK_CANCEL);
	else if (is(turn, STATE(RUNNING)) || is(turn, STATE(PAUSED)))
		duty_report(turn, SAYS(SAVE_FAILED), CAUSE(UNKNOWN),
			    "its memory was not saved in time (vm.save_timeout_s)");
	else if (absent(turn) && !duty_too_soon(turn, ASK_SAVE))
		duty_ask_save(turn);
}

static void saving(struct turn *turn)
{
	const struct duty_done *done = duty_done(turn, ASK_SAVE);

	if (!me(turn, turn->vm->from)) {
		no_part(turn);
		return;
	}
	if (duty_busy(turn, SLOT_MAIN)) {
		if (turn->vm->cancel)
			ask_once(turn, SLOT_SIDE, ASK_CANCEL);
		return;
	}
	if (done && may_save_on(turn, done))
		end_save(turn, done);
	else if (done)
		save_over(turn, done);
	else if (turn->duty->job)
		ask_once(turn, SLOT_SIDE, ASK_CANCEL);
	else
		duty_ask_save(turn);
}

static void restoring(struct turn *turn)
{
	const struct duty_done *done = duty_done(turn, ASK_RESTORE);

	if (!me(turn, turn->vm->owner)) {
		no_part(turn);
		return;
	}
	if (duty_busy(turn, SLOT_MAIN))
		return;
	if (!done)
		duty_ask_restore(turn);
	else if (done->code == WIRE__AGENT_REPLY__CODE__OK && !absent(turn))
		duty_report(turn, SAYS(RESTORED), CAUSE(UNKNOWN), "");
	else if (absent(turn))
		duty_report_absent(turn, CAUSE(START_FAILED), text_of(turn, done));
	else
		ask_once(turn, SLOT_SIDE, ASK_KILL);
}

/* ------------------------------------------------------------------ */

static void (*const handlers[])(struct turn *turn) = {
	[WIRE__VM__PHASE__OFF] = no_part,
	[WIRE__VM__PHASE__STARTING] = starting,
	[WIRE__VM__PHASE__RUN] = run,
	[WIRE__VM__PHASE__STOPPING] = stopping,
	[WIRE__VM__PHASE__COPYING] = copying,
	[WIRE__VM__PHASE__GO] = go,
	[WIRE__VM__PHASE__RESUMING] = resuming,
	[WIRE__VM__PHASE__ABORTING] = aborting,
	[WIRE__VM__PHASE__SAVING] = saving,
	[WIRE__VM__PHASE__SAVED] = no_part,
	[WIRE__VM__PHASE__RESTORING] = restoring,
	[WIRE__VM__PHASE__CONSUMED] = resuming,
	[WIRE__VM__PHASE__FAILED] = no_part,
};

void duty_run(struct turn *turn)
{
	const Wire__Vm *vm = turn->vm;
	bool here = !absent(turn) && !is(turn, STATE(UNKNOWN));

	if (is(turn, STATE(UNKNOWN)))
		return;
	if (vm->unmanaged) {
		tell_started(turn);
		return;
	}
	if (!vm_holds(vm, turn->core->node)) {
		/* While it was not the cluster's it may have been moved: its holder tells. */
		if (here && !(vm->look && vm->n_maybe))
			duty_report(turn, SAYS(PRESENT), CAUSE(UNKNOWN), "");
		else if (!here && looked_for(turn))
			duty_report(turn, SAYS(ABSENT), CAUSE(UNKNOWN), "looked for, not here");
		return;
	}
	if ((unsigned)vm->phase >= sizeof(handlers) / sizeof(handlers[0]))
		return;
	if (vm->phase == WIRE__VM__PHASE__STARTING && !me(turn, vm->owner))
		no_part(turn);
	else
		handlers[vm->phase](turn);
}
