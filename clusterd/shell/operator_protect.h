/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_OPERATOR_PROTECT_H
#define CLUSTERD_SHELL_OPERATOR_PROTECT_H

/*
 * Protection is whether the cluster would start a VM elsewhere if its node died now, as far as
 * its records tell. Pure functions.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "clusterd/shell/operator_judge.h"

/*
 * NOT_MEANT: nobody wants that. Why as a few words, but for PROTECTED. Room on the other nodes is
 * not looked at.
 */
enum protection { PROTECTED, NOT_PROTECTED, PROTECTION_NOT_MEANT };
enum protection protect_judge(const struct view_source *source, const Wire__Vm *vm,
			      char *ret_why, size_t size);

/*
 * Would either of two nodes go on alone if the other died now? If not, why and what to do, as a
 * sentence; also where only one of several may vote. "" where a majority would be left, where there
 * is only one node, or where that is being changed.
 */
void protect_voters(const struct view_source *source, char *ret_why, size_t size);

/*
 * What an administrator should mend of a VM's disks, one sentence of each kind: whether there is
 * that one, and the sentence behind what is in out.
 */
enum { PROTECT_ADVICES = 3 };
bool protect_advise(const struct state *state, const Wire__Vm *vm, size_t which, struct buf *out);

#endif
