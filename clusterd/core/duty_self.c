/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this node says of itself. */
#include "clusterd/core/duty.h"

#include <string.h>

#include "base/cleanup.h"
#include "clusterd/core/feature.h"
#include "wire/message.h"

enum { SELF_REPORT_MS = 1000, FIRST_REPORT_MS = 3000 };

/*
 * A node whose libvirt works is a place for guests, and must not look like one before all that
 * decides about it is known: facts without the volumes are kept back.
 */
static Wire__NodeFacts *facts_to_tell(const struct core *core)
{
	const struct duties *duties = core->duties;

	return duties->facts && duties->facts->agent_ok && !duties->whole ? NULL : duties->facts;
}

/* On record is what the cluster's feature level has a place for; the agent may know more. */
static bool facts_stale(const struct core *core, const Wire__Node *self)
{
	const Wire__NodeFacts *facts = facts_to_tell(core);
	_cleanup_(wire_freep) Wire__NodeFacts *lower = NULL;

	if (!facts)
		return false;
	if (feature_needed(&facts->base) > feature_level(core->state)) {
		lower = wire_dup(&facts->base);
		feature_strip(&lower->base, feature_level(core->state));
		facts = lower;
	}
	return !self->facts || !wire_equal(&self->facts->base, &facts->base);
}

/*
 * The first word of a node that has just booted frees the VMs that it had. It says at once
 * what the node can take, so that they need not all go elsewhere; but it does not wait long.
 */
static bool facts_are_near(struct core *core, const Wire__Node *self, struct update *update)
{
	struct duties *duties = core->duties;

	if (strcmp(self->kernel_boot_id, core->kernel_boot_id) == 0 || facts_to_tell(core))
		return false;
	if (!duties->first_ms)
		duties->first_ms = core->now_ms;
	if (core->now_ms >= duties->first_ms + FIRST_REPORT_MS)
		return false;
	update_wake(update, duties->first_ms + FIRST_REPORT_MS);
	return true;
}

static void report_self(struct core *core, struct update *update)
{
	const Wire__Node *self = state_node(core->state, core->node);
	struct duties *duties = core->duties;
	Wire__Command command = WIRE__COMMAND__INIT;
	Wire__NodeReport report = WIRE__NODE_REPORT__INIT;

	if (!self || core->leave_ms || facts_are_near(core, self, update))
		return;
	if (core_self(core) && strcmp(self->kernel_boot_id, core->kernel_boot_id) == 0 &&
	    self->disk_id == core->disk_id && feature_known_by(self) == feature_table.max &&
	    !facts_stale(core, self))
		return;
	if (duties->report_ms && core->now_ms < duties->report_ms + SELF_REPORT_MS) {
		update_wake(update, duties->report_ms + SELF_REPORT_MS);
		return;
	}
	duties->report_ms = core->now_ms;
	report.facts = facts_to_tell(core);
	report.kernel_boot_id = core->kernel_boot_id;
	report.disk_id = core->disk_id;
	report.feature_max = feature_table.max;
	command.body_case = WIRE__COMMAND__BODY_NODE_REPORT;
	command.node_report = &report;
	core_propose(core, &command, update);
}

void duty_report_self(struct core *core, struct update *update)
{
	if (!agenda_begin(core, CHORE_SELF, update))
		return;
	report_self(core, update);
	agenda_end(core, CHORE_SELF, update);
}
