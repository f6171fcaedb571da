/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands about volumes, settings and notes do to the state. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/feature.h"
#include "clusterd/core/settings.h"
#include "csv/volume.h"
#include "wire/check.h"

enum { VOLUMES_MAX = 64 };		/* NodeFacts and Watch list them all: WIRE_LIST_MAX */
_Static_assert((int)VOLUMES_MAX <= (int)WIRE_LIST_MAX, "agents can be told of all volumes");

void apply_volume_add(struct apply *apply)
{
	const Wire__Volume *given = apply->command->volume_add->volume;
	char why[256];
	Wire__Volume volume;

	if (!given)
		return;
	if (volume_check(given->name, given->driver, given->target, given->declared_shared, why,
			 sizeof(why)) < 0) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "%s", why);
		return;
	}
	if (state_volume_named(apply->state, given->name)) {
		apply_refuse(apply, WIRE__VERDICT__CODE__EXISTS,
			     "there is a volume '%s' already", given->name);
		return;
	}
	if (state_count(apply->state, WIRE__TABLE__TABLE_VOLUME) >= VOLUMES_MAX) {
		apply_refuse(apply, WIRE__VERDICT__CODE__LIMIT, "there are %d volumes already",
			     VOLUMES_MAX);
		return;
	}
	volume = *given;
	volume.id = apply->id = apply->index;
	volume.n_leftovers = 0;
	state_put(apply->state, WIRE__TABLE__TABLE_VOLUME, volume.id, &volume.base, apply->update);
	apply_event(apply, WIRE__EVENT__SEVERITY__INFO, 0, "storage",
		    "volume %s (%s:%s, declared shared) added by %s", volume.name, volume.driver,
		    volume.target, apply->command->who);
}

/* The VM that has a disk on the volume, or a saved image there. */
static const Wire__Vm *user_of(struct apply *apply, const Wire__Volume *volume)
{
	for (size_t i = 0; i < state_count(apply->state, WIRE__TABLE__TABLE_VM); i++) {
		const Wire__Vm *vm = state_at(apply->state, WIRE__TABLE__TABLE_VM, i);

		if (vm->image[0] && volume_holds(volume->target, vm->image))
			return vm;
		for (size_t d = 0; vm->essence && d < vm->essence->n_disks; d++)
			if (volume_holds(volume->target, vm->essence->disks[d]->source))
				return vm;
	}
	return NULL;
}

void apply_volume_remove(struct apply *apply)
{
	const char *name = apply->command->volume_remove->name;
	const Wire__Volume *volume = state_volume_named(apply->state, name);
	const Wire__Vm *user;

	if (!volume) {
		apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
			     "there is no volume '%s'; clusterctl volume list shows all", name);
		return;
	}
	user = user_of(apply, volume);
	if (user) {
		apply_refuse(apply, WIRE__VERDICT__CODE__BUSY,
			     "volume %s is in use: %s has a disk on it; remove or change that VM "
			     "first", name, user->name);
		return;
	}
	apply_event(apply, WIRE__EVENT__SEVERITY__INFO, 0, "storage", "volume %s removed by %s",
		    name, apply->command->who);
	apply_leftovers_forget(apply, volume);
	state_del(apply->state, WIRE__TABLE__TABLE_VOLUME, volume->id, apply->update);
}

void apply_setting_set(struct apply *apply)
{
	const Wire__SettingSet *set = apply->command->setting_set;
	Wire__Setting record = WIRE__SETTING__INIT;
	uint64_t id;
	const struct setting *setting = setting_named(set->name, &id);
	uint32_t level = feature_level(apply->state);
	char why[300];

	if (!setting || !setting_is_there(setting, level)) {
		const struct setting *near = setting_near(set->name, level);

		apply_refuse(apply, WIRE__VERDICT__CODE__NO_SUCH,
			     "there is no setting '%s'; %s%s%sclusterctl settings get shows all",
			     set->name, near ? "did you mean '" : "", near ? near->name : "",
			     near ? "'? " : "");
		return;
	}
	if (setting_check(setting, set->value, why, sizeof(why)) < 0) {
		apply_refuse(apply, WIRE__VERDICT__CODE__INVALID, "%s", why);
		return;
	}
	record.id = apply->id = id;
	record.name = (char *)setting->name;
	record.value = set->value;
	state_put(apply->state, WIRE__TABLE__TABLE_SETTING, id, &record.base, apply->update);
	if (strcmp(setting->name, "fence.budget") == 0 && strcmp(set->value, "0") == 0)
		snprintf(apply->text, sizeof(apply->text),
			 "fence.budget is 0: no lost node is powered off, and its VMs stay down "
			 "until it is back or its device calls it off");
	apply_event(apply, WIRE__EVENT__SEVERITY__INFO, 0, "settings", "%s = %s, by %s",
		    setting->name, set->value, apply->command->who);
}

void apply_note(struct apply *apply)
{
	const Wire__Note *note = apply->command->note;

	apply_event(apply, note->severity, 0, note->subject, "%s", note->text);
}
