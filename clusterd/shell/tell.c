/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "base/mem.h"
#include "clusterd/shell/log.h"

enum { EVENTS_AT_ONCE = 64, WHY_SIZE = 200 };

struct tell {
	uint64_t last_event;
	bool open, told;
	bool waits;			/* and has not said why */
	uint64_t epoch;
	uint32_t leader;
	char why_not[WHY_SIZE];
};

/* ---------------------------------------------------------------- events */

static const Wire__Event *event_at(const struct state *state, size_t position)
{
	return state_at(state, WIRE__TABLE__TABLE_EVENT, position);
}

static void tell_event(const Wire__Event *event)
{
	int level = event->severity == WIRE__EVENT__SEVERITY__ERROR ? LOG_ERR
		    : event->severity == WIRE__EVENT__SEVERITY__WARNING ? LOG_WARNING
									: LOG_INFO;

	log_line(level, __func__, __FILE__, __LINE__,
		 "event id=%" PRIu64 " subject=\"%s\" op=%" PRIu64 " text=\"%s\"", event->id,
		 event->subject, event->op, event->text);
}

/* A snapshot brings many old ones at once; the last of them will do. */
static bool tell_events(struct tell *tell, const struct state *state)
{
	size_t count = state_count(state, WIRE__TABLE__TABLE_EVENT);
	size_t at = state_lower(state, WIRE__TABLE__TABLE_EVENT, tell->last_event + 1);

	if (at >= count)
		return false;
	if (count - at > EVENTS_AT_ONCE) {
		log_info("events skipped=%zu", count - at - EVENTS_AT_ONCE);
		at = count - EVENTS_AT_ONCE;
	}
	for (; at < count; at++)
		tell_event(event_at(state, at));
	tell->last_event = event_at(state, count - 1)->id;
	return true;
}

/* ---------------------------------------------------------------- standing */

static void tell_open(struct tell *tell, const struct core_standing *standing,
		      const struct state *state)
{
	const Wire__Node *leader = standing->leader ? state_node(state, standing->leader) : NULL;
	const char *name = leader ? leader->name : "";

	log_notice("epoch=%" PRIu64 " open leader=%u(%s) index=%" PRIu64, standing->epoch,
		   standing->leader, name, standing->index);
	sd_notifyf(0, "STATUS=Epoch %" PRIu64 " is open, leader %s", standing->epoch, name);
}

static void tell_closed(struct tell *tell, bool was_open)
{
	if (was_open)
		log_warning("epoch=%" PRIu64 " closed reason=\"%s\"", tell->epoch, tell->why_not);
	else
		log_debug("waiting reason=\"%s\"", tell->why_not);
	tell->waits = true;
	sd_notifyf(0, "STATUS=%s", tell->why_not);
}

bool tell_is_waiting(const struct tell *tell)
{
	return tell->waits && !tell->open;
}

void tell_waiting(struct tell *tell)
{
	if (tell_is_waiting(tell))
		log_info("waiting reason=\"%s\"", tell->why_not);
	tell->waits = false;
}

static void tell_standing(struct tell *tell, const struct core_standing *standing,
			  const struct state *state)
{
	const char *why = standing->why_not ? standing->why_not : "";
	bool opened = standing->open && (!tell->open || standing->epoch != tell->epoch ||
					 standing->leader != tell->leader);
	bool was_open = tell->open;
	bool closed = !standing->open && (was_open || !tell->told ||
					  strncmp(why, tell->why_not, WHY_SIZE - 1) != 0);

	tell->open = standing->open;
	tell->leader = standing->leader;
	snprintf(tell->why_not, sizeof(tell->why_not), "%s", why);
	if (closed)
		tell_closed(tell, was_open);
	tell->epoch = standing->epoch;
	if (opened)
		tell_open(tell, standing, state);
	tell->told = true;
}

/* ---------------------------------------------------------------- life */

struct tell *tell_new(const struct core *core)
{
	struct tell *tell = mem_new(struct tell);
	const struct state *state = core_state(core);
	size_t count = state_count(state, WIRE__TABLE__TABLE_EVENT);

	if (count > 0)
		tell->last_event = event_at(state, count - 1)->id;
	return tell;
}

void tell_free(struct tell *tell)
{
	free(tell);
}

bool tell_step(struct tell *tell, const struct core *core)
{
	struct core_standing standing;

	core_standing(core, &standing);
	tell_standing(tell, &standing, core_state(core));
	return tell_events(tell, core_state(core));
}
