/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the next version does otherwise, once the cluster is at its level. */
#include <string.h>

#include "clusterd/core/apply_context.h"
#include "clusterd/core/core_private.h"
#include "tests/next/next.h"
#include "wire/message.h"

apply_fn __real_apply_vm_set, __wrap_apply_vm_set;

static void set_note(struct apply *apply, const char *name, const char *note)
{
	Wire__Vm *vm = apply_vm_open_named(apply, name);

	if (!vm)
		return;
#ifdef WITH_NEXT_SCHEMA
	record_text(&vm->next_note, note);
#endif
	apply_event_vm(apply, WIRE__EVENT__SEVERITY__INFO, vm, "note: %s", note);
	apply_vm_close(apply, vm);
}

void __wrap_apply_vm_set(struct apply *apply)
{
	const Wire__VmSet *set = apply->command->vm_set;

	if (apply_has(apply, FEATURE_NEXT) && set->n_changes == 1 &&
	    strcmp(set->changes[0]->key, "note") == 0)
		set_note(apply, set->name, set->changes[0]->value);
	else
		__real_apply_vm_set(apply);
}

#ifdef WITH_NEXT_SCHEMA
void __real_duties_news(struct core *core, const Wire__AgentNews *news, struct update *update);
void __wrap_duties_news(struct core *core, const Wire__AgentNews *news, struct update *update);

/* Its agents know more than those of this version, whatever level the cluster is at. */
void __wrap_duties_news(struct core *core, const Wire__AgentNews *news, struct update *update)
{
	Wire__AgentNews *more = wire_dup(&news->base);

	if (more->body_case == WIRE__AGENT_NEWS__BODY_FACTS)
		more->facts->next_fact = 42;
	__real_duties_news(core, more, update);
	wire_free(more);
}
#endif
