/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of saved memory that no VM needs any more: put on record, and gone from it. */
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/core/apply_context.h"
#include "clusterd/core/leftover.h"
#include "wire/check.h"
#include "wire/message.h"

static void close_volume(struct apply *apply, Wire__Volume *volume)
{
	state_put(apply->state, WIRE__TABLE__TABLE_VOLUME, volume->id, &volume->base,
		  apply->update);
	record_free(volume);
}

static void take_out(Wire__Volume *volume, size_t at)
{
	wire_free(volume->leftovers[at]);
	volume->n_leftovers--;
	memmove(&volume->leftovers[at], &volume->leftovers[at + 1],
		(volume->n_leftovers - at) * sizeof(volume->leftovers[0]));
}

/* ------------------------------------------------------------------ on record */

static void tell_forgotten(struct apply *apply, const char *path, const char *why)
{
	apply_event(apply, WIRE__EVENT__SEVERITY__WARNING, 0, "storage",
		    "saved memory that no VM needs any more is not removed, for %s: %s; remove it "
		    "by hand",
		    why, path);
}

static void forget_oldest(struct apply *apply, Wire__Volume *volume)
{
	_cleanup_(freep) char *path = leftover_path(volume, volume->leftovers[0]->name);

	tell_forgotten(apply, path, "too many of such files wait for that");
	take_out(volume, 0);
}

static void add(struct apply *apply, Wire__Volume *volume, const char *name)
{
	Wire__Leftover *leftover = wire_new(&wire__leftover__descriptor);

	if (volume->n_leftovers >= wire_list_max(&wire__volume__descriptor, "leftovers"))
		forget_oldest(apply, volume);
	wire_set(&leftover->name, name);
	volume->leftovers =
		mem_resize(volume->leftovers, volume->n_leftovers + 1, sizeof(*volume->leftovers));
	volume->leftovers[volume->n_leftovers++] = leftover;
}

void apply_image_unused(struct apply *apply, Wire__Vm *vm)
{
	const char *name;
	const Wire__Volume *volume = leftover_volume(apply->state, vm->image, &name);

	if (volume && *name && strlen(name) <= WIRE_NAME_MAX) {
		Wire__Volume *copy = record_copy(&volume->base);

		add(apply, copy, name);
		close_volume(apply, copy);
	} else if (vm->image[0]) {
		tell_forgotten(apply, vm->image, "it is on no volume of the cluster");
	}
	record_text(&vm->image, "");
}

void apply_leftovers_forget(struct apply *apply, const Wire__Volume *volume)
{
	for (size_t i = 0; i < volume->n_leftovers; i++) {
		_cleanup_(freep) char *path = leftover_path(volume, volume->leftovers[i]->name);

		tell_forgotten(apply, path, "its volume was removed");
	}
}

/* ------------------------------------------------------------------ the nodes' reports */

static void note_absent(Wire__Leftover *leftover, uint32_t node)
{
	leftover->absent |= vmop_bit(node);
	leftover->failed &= ~vmop_bit(node);
}

static void note_failed(struct apply *apply, const Wire__Volume *volume, Wire__Leftover *leftover)
{
	uint32_t node = apply->command->node;
	_cleanup_(freep) char *path = leftover_path(volume, leftover->name);

	leftover->failed |= vmop_bit(node);
	leftover->absent &= ~vmop_bit(node);
	if (leftover->failures++ == 0)
		apply_event(apply, WIRE__EVENT__SEVERITY__WARNING, 0, "storage",
			    "%s, saved memory that no VM needs any more, could not be removed by "
			    "%s: %s; this is tried again",
			    path, node_name(apply->state, node),
			    apply->command->leftover_report->text);
}

/* True: it is gone. */
static bool note(struct apply *apply, const Wire__Volume *volume, Wire__Leftover *leftover)
{
	switch (apply->command->leftover_report->what) {
	case WIRE__LEFTOVER_REPORT__WHAT__REMOVED:
		return true;
	case WIRE__LEFTOVER_REPORT__WHAT__ABSENT:
		note_absent(leftover, apply->command->node);
		return leftover_is_gone(leftover_nodes(apply->state, volume), leftover);
	default:
		note_failed(apply, volume, leftover);
		return false;
	}
}

/* Where it stands in the list; its end if it is not there. */
static size_t find(const Wire__Volume *volume, const char *name)
{
	size_t at = 0;

	while (at < volume->n_leftovers && strcmp(volume->leftovers[at]->name, name) != 0)
		at++;
	return at;
}

void apply_leftover_report(struct apply *apply)
{
	const Wire__LeftoverReport *report = apply->command->leftover_report;
	const Wire__Node *node = state_node(apply->state, apply->command->node);
	const Wire__Volume *volume =
		state_get(apply->state, WIRE__TABLE__TABLE_VOLUME, report->volume);
	size_t at = volume ? find(volume, report->name) : 0;
	Wire__Volume *copy;

	if (!node || node->boot_id != apply->command->boot_id ||
	    node->state != WIRE__NODE__STATE__UP || !volume || at == volume->n_leftovers) {
		apply_refuse(apply, WIRE__VERDICT__CODE__STALE, "nobody asks for that any more");
		return;
	}
	copy = record_copy(&volume->base);
	if (note(apply, copy, copy->leftovers[at]))
		take_out(copy, at);
	close_volume(apply, copy);
}
