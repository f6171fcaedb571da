/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this node's duties ask of the vm agent and tell the cluster about a VM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "clusterd/core/duty.h"
#include "wire/check.h"
#include "wire/message.h"

enum { REPEAT_MS = 1000, QUICK_MS = 30000 };

bool duty_busy(const struct turn *turn, unsigned slot)
{
	const struct duty *duty = turn->duty;

	if (duty->slots[slot].id != 0)
		return true;
	if (turn->core->now_ms >= duty->quiet_ms[slot])
		return false;
	update_wake(turn->update, duty->quiet_ms[slot]);
	return true;
}

const struct duty_done *duty_done(const struct turn *turn, enum duty_ask kind)
{
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		const struct duty_done *done = &turn->duty->done[slot];

		if (done->kind == kind && done->generation == turn->vm->generation)
			return done;
	}
	return NULL;
}

bool duty_too_soon(struct turn *turn, enum duty_ask kind)
{
	const struct duty_done *done = duty_done(turn, kind);

	if (!done || turn->core->now_ms >= done->at_ms + REPEAT_MS)
		return false;
	update_wake(turn->update, done->at_ms + REPEAT_MS);
	return true;
}

/* ------------------------------------------------------------------ asks */

static Wire__AgentRequest *new_ask(struct turn *turn, unsigned slot, enum duty_ask kind,
				   uint32_t deadline_ms)
{
	struct ask *ask = core_ask(turn->core, AGENT_VM, deadline_ms, turn->update);
	Wire__AgentRequest *request = wire_new(&wire__agent_request__descriptor);
	Wire__DomainRef *domain = wire_new(&wire__domain_ref__descriptor);

	domain->vm = turn->vm->id;
	domain->generation = turn->vm->generation;
	wire_set(&domain->uuid, turn->vm->uuid);
	wire_set(&domain->name, turn->vm->name);
	request->domain = domain;
	request->deadline_ms = deadline_ms;
	ask->request = request;
	turn->duty->slots[slot] = (struct duty_slot){
		.id = ask->id, .kind = kind, .generation = turn->vm->generation,
		.op = turn->vm->action_op,
	};
	return request;
}

static uint32_t seconds(const struct turn *turn, enum setting_id setting)
{
	return (uint32_t)(state_setting_number(turn->core->state, setting) * 1000);
}

void duty_ask_start(struct turn *turn)
{
	const Wire__Essence *essence = turn->vm->essence;
	Wire__AgentRequest *request;
	Wire__DomStart *start = wire_new(&wire__dom_start__descriptor);

	request = new_ask(turn, SLOT_MAIN, ASK_START, seconds(turn, SET_VM_START_TIMEOUT_S));
	wire_set(&start->xml, turn->vm->xml);
	wire_set(&start->chain_accepted, turn->vm->chain_accepted);
	wire_set(&start->last_chain, turn->vm->chain_last);
	start->n_disks = essence ? essence->n_disks : 0;
	start->disks = mem_new_array(Wire__Disk *, start->n_disks);
	for (size_t i = 0; i < start->n_disks; i++)
		start->disks[i] = wire_dup(&essence->disks[i]->base);
	request->body_case = WIRE__AGENT_REQUEST__BODY_START;
	request->start = start;
}

void duty_ask_stop(struct turn *turn)
{
	uint32_t grace_s = turn->vm->stop_timeout_s;
	uint32_t grace_ms = grace_s ? grace_s * 1000 : seconds(turn, SET_VM_STOP_TIMEOUT_S);
	Wire__DomStop *stop = wire_new(&wire__dom_stop__descriptor);
	Wire__AgentRequest *request;

	request = new_ask(turn, SLOT_MAIN, ASK_STOP, grace_ms + QUICK_MS);
	stop->grace_ms = grace_ms;
	stop->force = turn->vm->force;
	request->body_case = WIRE__AGENT_REQUEST__BODY_STOP;
	request->stop = stop;
}

void duty_ask_simple(struct turn *turn, unsigned slot, enum duty_ask kind)
{
	Wire__AgentRequest *request = new_ask(turn, slot, kind, QUICK_MS);

	switch (kind) {
	case ASK_KILL:
		request->body_case = WIRE__AGENT_REQUEST__BODY_KILL;
		request->kill = wire_new(&wire__dom_kill__descriptor);
		break;
	case ASK_PAUSE:
		request->body_case = WIRE__AGENT_REQUEST__BODY_PAUSE;
		request->pause = wire_new(&wire__dom_pause__descriptor);
		break;
	case ASK_RESUME:
		request->body_case = WIRE__AGENT_REQUEST__BODY_RESUME;
		request->resume = wire_new(&wire__dom_resume__descriptor);
		request->resume->verify = true;
		break;
	case ASK_ACTION:
		request->body_case = WIRE__AGENT_REQUEST__BODY_ACTION;
		request->action = wire_new(&wire__dom_action__descriptor);
		request->action->action = turn->vm->action;
		break;
	case ASK_CANCEL:
	default:
		request->body_case = WIRE__AGENT_REQUEST__BODY_CANCEL;
		request->cancel = wire_new(&wire__dom_cancel__descriptor);
		break;
	}
}

/* "qemu+tls://%s/system" and an address. The pattern was checked when it was set. */
static char *fill_in(const char *pattern, const char *address)
{
	const char *hole = strstr(pattern, "%s");
	bool is_ipv6;

	if (!hole)
		return mem_strdup(pattern);
	/* In a URI its colons would be taken for that of a port (RFC 3986). */
	is_ipv6 = strchr(address, ':') && (hole == pattern || hole[-1] != '[');
	return mem_printf("%.*s%s%s%s%s", (int)(hole - pattern), pattern, is_ipv6 ? "[" : "",
			  address, is_ipv6 ? "]" : "", hole + 2);
}

static void shared_paths(const struct state *state, Wire__DomMigrate *migrate)
{
	size_t n = state_count(state, WIRE__TABLE__TABLE_VOLUME);

	migrate->shared_paths = mem_new_array(char *, n);
	for (size_t i = 0; i < n; i++) {
		const Wire__Volume *volume = state_at(state, WIRE__TABLE__TABLE_VOLUME, i);

		if (volume->declared_shared)
			migrate->shared_paths[migrate->n_shared_paths++] =
				mem_strdup(volume->target);
	}
}

void duty_ask_migrate(struct turn *turn)
{
	const struct state *state = turn->core->state;
	const Wire__Node *to = state_node(state, turn->vm->to);
	Wire__DomMigrate *migrate = wire_new(&wire__dom_migrate__descriptor);
	Wire__AgentRequest *request;

	if (turn->duty->moves_generation != turn->vm->generation)
		turn->duty->moves = 0;
	turn->duty->moves_generation = turn->vm->generation;
	turn->duty->moves++;
	turn->duty->moved_ms = turn->core->now_ms;
	request = new_ask(turn, SLOT_MAIN, ASK_MIGRATE, 24 * 3600 * 1000);
	migrate->connect_uri = fill_in(state_setting(state, SET_MIGRATION_CONNECT_URI),
				       to ? to->address : "");
	migrate->data_uri = fill_in(state_setting(state, SET_MIGRATION_DATA_URI),
				    to ? to->address : "");
	migrate->tls = state_setting_number(state, SET_MIGRATION_TLS);
	migrate->bandwidth_mib_s =
		(uint32_t)state_setting_number(state, SET_MIGRATION_BANDWIDTH_MIB_S);
	migrate->max_downtime_ms =
		(uint32_t)state_setting_number(state, SET_MIGRATION_MAX_DOWNTIME_MS);
	migrate->stall_ms = (uint32_t)state_setting_number(state, SET_MIGRATION_STALL_MS);
	shared_paths(state, migrate);
	request->body_case = WIRE__AGENT_REQUEST__BODY_MIGRATE;
	request->migrate = migrate;
}

void duty_ask_hand_over(struct turn *turn)
{
	Wire__AgentRequest *request = new_ask(turn, SLOT_SIDE, ASK_HAND_OVER, QUICK_MS);

	request->body_case = WIRE__AGENT_REQUEST__BODY_HAND_OVER;
	request->hand_over = wire_new(&wire__dom_hand_over__descriptor);
	request->hand_over->guard_ms =
		(uint32_t)state_setting_number(turn->core->state, SET_MIGRATION_GUARD_MS);
}

void duty_ask_save(struct turn *turn)
{
	Wire__AgentRequest *request =
		new_ask(turn, SLOT_MAIN, ASK_SAVE, seconds(turn, SET_VM_SAVE_TIMEOUT_S));

	request->body_case = WIRE__AGENT_REQUEST__BODY_SAVE;
	request->save = wire_new(&wire__dom_save__descriptor);
	wire_set(&request->save->path, turn->vm->image);
}

void duty_ask_restore(struct turn *turn)
{
	Wire__AgentRequest *request =
		new_ask(turn, SLOT_MAIN, ASK_RESTORE, seconds(turn, SET_VM_SAVE_TIMEOUT_S));

	request->body_case = WIRE__AGENT_REQUEST__BODY_RESTORE;
	request->restore = wire_new(&wire__dom_restore__descriptor);
	wire_set(&request->restore->path, turn->vm->image);
}

/* ------------------------------------------------------------------ reports */

static bool said_lately(struct turn *turn, Wire__VmReport__What what)
{
	struct duty *duty = turn->duty;
	struct core *core = turn->core;

	if (duty->report == what && duty->report_generation == turn->vm->generation &&
	    duty->report_epoch == core->standing.epoch &&
	    core->now_ms < duty->report_ms + REPEAT_MS) {
		update_wake(turn->update, duty->report_ms + REPEAT_MS);
		return true;
	}
	duty->report = what;
	duty->report_generation = turn->vm->generation;
	duty->report_epoch = core->standing.epoch;
	duty->report_ms = core->now_ms;
	return false;
}

static void propose_report(struct turn *turn, Wire__VmReport *report)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	char text[WIRE_TEXT_MAX + 1];

	snprintf(text, sizeof(text), "%s", report->text ? report->text : "");
	text[wire_text_fit(text, WIRE_TEXT_MAX)] = '\0';
	report->vm = turn->vm->id;
	report->generation = turn->vm->generation;
	report->look = turn->duty->looked;
	report->text = text;
	command.body_case = WIRE__COMMAND__BODY_VM_REPORT;
	command.vm_report = report;
	core_propose(turn->core, &command, turn->update);
}

void duty_report(struct turn *turn, Wire__VmReport__What what, Wire__VmReport__Cause cause,
		 const char *text)
{
	Wire__VmReport report = WIRE__VM_REPORT__INIT;
	const struct duty_done *start = duty_done(turn, ASK_START);

	if (said_lately(turn, what))
		return;
	report.what = what;
	report.cause = cause;
	report.text = (char *)(text ? text : "");
	if (turn->duty->state != WIRE__DOMAIN_NEWS__STATE__RUNNING && turn->duty->reason)
		report.pause_reason = turn->duty->reason;
	if (cause == WIRE__VM_REPORT__CAUSE__CHAIN_CHANGED && start && start->chain)
		report.chain = start->chain;
	propose_report(turn, &report);
}

void duty_report_action(struct turn *turn, Wire__VmReport__What what, uint64_t op,
			const char *text)
{
	Wire__VmReport report = WIRE__VM_REPORT__INIT;

	if (said_lately(turn, what))
		return;
	report.what = what;
	report.op = op;
	report.text = (char *)(text ? text : "");
	propose_report(turn, &report);
}

void duty_report_absent(struct turn *turn, Wire__VmReport__Cause cause, const char *text)
{
	turn->duty->dropped = turn->vm->generation;
	duty_report(turn, WIRE__VM_REPORT__WHAT__ABSENT, cause, text);
}
