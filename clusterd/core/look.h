/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_CORE_LOOK_H
#define CLUSTERD_CORE_LOOK_H

/*
 * The look: a VM that was not the cluster's, because it is new or was set managed=no, may run
 * somewhere already. It is started only when each node that could have it has looked for it
 * since, and said by a committed report that it is not there. No time stands in for such a
 * report, however long it takes.
 *
 *   witness        runs no VMs: not asked
 *   off            nothing runs there, if its device said so after all who are here had looked,
 *                  and a moment ago; what it said before says nothing, for it may have been
 *                  switched on since, and libvirt may start guests at boot before clusterd is
 *                  there to forbid it
 *   new, up, daemon down, left, lost
 *                  may have it: waited for
 *
 * A report holds as long as the daemon that made it is there to forbid a start behind the
 * cluster's back: it is dropped when the node is no longer up, and when its next daemon reports.
 *
 * The look ends with what it was for: the VM is found, by the node that has it, or started; or an
 * administrator vouches for it (vm accept). From then on Vm.maybe says who may hold it, and a
 * restart waits for nobody's look.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clusterd/core/state.h"

/* A new look begins with the log entry of that index, or it ends (0). */
void look_begin(Wire__Vm *vm, uint64_t index);

/* What a leader sees of the nodes now, bit n-1 each; the log learns of it a moment later. */
struct look_sight {
	uint64_t ready;			/* their daemons are in the open epoch */
	uint64_t said;			/* and are the ones whose words are in the log */
	uint64_t ring;			/* they are in the totem ring */
	uint64_t too_old;		/* if they are off, that was proven too long ago */
};

/* Nodes whose word is missing by the log, bit n-1; 0: it may be started. */
uint64_t look_missing(const struct state *state, const Wire__Vm *vm);
/* The same, and those whose word holds no more by what is seen. */
uint64_t look_missing_now(const struct state *state, struct look_sight sight, const Wire__Vm *vm);
/* May it run somewhere though it is to be started or was given up? */
bool look_sought(const Wire__Vm *vm);
/* Is it to be started or restored as soon as nobody is missing? */
bool look_awaited(const Wire__Vm *vm);
/* Is this node to look for it? A node that may hold it says whether it does, all others do when
 * it is sought. */
bool look_due(const Wire__Vm *vm, uint32_t node);

/* Who is missing and why, and what to do, as one clean line for Vm.detail. */
void look_why(const struct state *state, struct look_sight sight, const Wire__Vm *vm,
	      char *ret_why, size_t size);
/* Is that what a detail on record says? Nodes may have answered since, or others may be missing. */
bool look_is_why(const char *detail);
/* Does it wait for a node that cannot look as it is, so that it will not be over in a moment? */
bool look_hangs(const struct state *state, struct look_sight sight, const Wire__Vm *vm);

#endif
