/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of saved memory that this node is to remove from volumes. */
#include "clusterd/core/duty.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusterd/core/leftover.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	REPEAT_MS = 1000,
	DROP_MS = 30000, /* an agent has so long for one */
	PAUSE_MS = 1000, /* after one failure; doubled by each further one */
	PAUSE_MAX_MS = 600000,
};

static void forget(struct leftover_duty *duty)
{
	wire_free(steal_ptr(duty->about));
	wire_free(steal_ptr(duty->reply));
	duty->ask = 0;
	duty->said_ms = duty->said_epoch = 0;
}

void duty_leftover_free(void *value)
{
	forget(value);
	free(value);
}

void duty_forget_leftovers(struct duties *duties)
{
	struct leftover_duty *duty;

	idmap_each (&duties->leftovers, i, duty)
		forget(duty);
}

bool duty_leftover_reply(struct core *core, uint64_t ask, const Wire__AgentReply *reply)
{
	struct leftover_duty *duty;

	idmap_each (&core->duties->leftovers, i, duty)
		if (duty->ask && duty->ask == ask) {
			duty->ask = 0;
			duty->over_ms = core->now_ms;
			duty->reply = reply ? wire_dup(&reply->base) : NULL;
			agenda_hear(&core->agenda, TOPIC_HERE);
			return true;
		}
	return false;
}

static void ask_drop(struct core *core, struct leftover_duty *duty, const Wire__Volume *volume,
		     const Wire__Leftover *leftover, struct update *update)
{
	struct ask *ask = core_ask(core, AGENT_VM, DROP_MS, update);
	Wire__AgentRequest *request = wire_new(&wire__agent_request__descriptor);

	request->deadline_ms = DROP_MS;
	request->body_case = WIRE__AGENT_REQUEST__BODY_DROP_IMAGE;
	request->drop_image = wire_new(&wire__dom_drop_image__descriptor);
	request->drop_image->path = leftover_path(volume, leftover->name);
	ask->request = request;
	duty->ask = ask->id;
	duty->about = wire_dup(&leftover->base);
}

static Wire__LeftoverReport__What outcome(const Wire__AgentReply *reply)
{
	if (reply && reply->code == WIRE__AGENT_REPLY__CODE__OK)
		return WIRE__LEFTOVER_REPORT__WHAT__REMOVED;
	if (reply && reply->code == WIRE__AGENT_REPLY__CODE__ABSENT)
		return WIRE__LEFTOVER_REPORT__WHAT__ABSENT;
	return WIRE__LEFTOVER_REPORT__WHAT__FAILED;
}

static void tell(struct core *core, struct leftover_duty *duty, struct update *update)
{
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__LeftoverReport report = WIRE__LEFTOVER_REPORT__INIT;

	if (duty->said_epoch == core->standing.epoch && core->now_ms < duty->said_ms + REPEAT_MS) {
		update_wake(update, duty->said_ms + REPEAT_MS);
		return;
	}
	duty->said_epoch = core->standing.epoch;
	duty->said_ms = core->now_ms;
	report.volume = duty->volume;
	report.name = duty->about->name;
	report.what = outcome(duty->reply);
	report.text = duty->reply ? duty->reply->text : (char *)"the vm agent gave no answer";
	command.body_case = WIRE__COMMAND__BODY_LEFTOVER_REPORT;
	command.leftover_report = &report;
	core_propose(core, &command, update);
}

/* Does it stand on record as it did when it was asked for? If not, a report was heard. */
static bool is_current(const Wire__Volume *volume, const Wire__Leftover *about)
{
	for (size_t i = 0; i < volume->n_leftovers; i++)
		if (wire_equal(&volume->leftovers[i]->base, &about->base))
			return true;
	return false;
}

/* The one that failed least, of those whose turn it is here; NULL: none. */
static const Wire__Leftover *choose(const struct core *core, const Wire__Volume *volume)
{
	uint64_t nodes = leftover_nodes(core->state, volume);
	const Wire__Leftover *best = NULL;

	for (size_t i = 0; i < volume->n_leftovers; i++) {
		const Wire__Leftover *one = volume->leftovers[i];

		if (leftover_turn(nodes, one) == core->node &&
		    (!best || one->failures < best->failures))
			best = one;
	}
	return best;
}

static uint64_t pause_ms(uint32_t failures)
{
	uint64_t ms = PAUSE_MS;

	for (uint32_t i = 1; i < failures && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	return failures == 0 ? 0 : ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

static void begin(struct core *core, struct leftover_duty *duty, const Wire__Volume *volume,
		  struct update *update)
{
	const Wire__Leftover *leftover = choose(core, volume);
	uint64_t due_ms;

	if (!leftover)
		return;
	due_ms = duty->over_ms ? duty->over_ms + pause_ms(leftover->failures) : 0;
	if (core->now_ms < due_ms)
		update_wake(update, due_ms);
	else
		ask_drop(core, duty, volume, leftover, update);
}

static void run_volume(struct core *core, const Wire__Volume *volume, struct update *update)
{
	struct leftover_duty *duty = idmap_get(&core->duties->leftovers, volume->id);

	if (!duty && volume->n_leftovers == 0)
		return;
	if (!duty) {
		duty = mem_new(struct leftover_duty);
		duty->volume = volume->id;
		idmap_put(&core->duties->leftovers, volume->id, duty);
	}
	if (duty->ask)
		return;
	if (duty->about && !is_current(volume, duty->about))
		forget(duty);
	if (duty->about)
		tell(core, duty, update);
	else
		begin(core, duty, volume, update);
}

static void forget_removed(struct core *core)
{
	struct idmap *duties = &core->duties->leftovers;

	for (size_t i = idmap_count(duties); i-- > 0;) {
		uint64_t volume;

		idmap_at(duties, i, &volume);
		if (!state_get(core->state, WIRE__TABLE__TABLE_VOLUME, volume))
			duty_leftover_free(idmap_remove(duties, volume));
	}
}

void duty_run_leftovers(struct core *core, struct update *update)
{
	if (!agenda_begin(core, CHORE_LEFTOVERS, update))
		return;
	forget_removed(core);
	for (size_t i = 0; i < state_count(core->state, WIRE__TABLE__TABLE_VOLUME); i++)
		run_volume(core, state_at(core->state, WIRE__TABLE__TABLE_VOLUME, i), update);
	agenda_end(core, CHORE_LEFTOVERS, update);
}
