/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_OPERATOR_VIEW_H
#define CLUSTERD_SHELL_OPERATOR_VIEW_H

/*
 * Views are records as operators see them: their JSON and what follows from them and their
 * neighbours (doc/operator.md). Pure functions of the state.
 */

#include <stdbool.h>

#include <jansson.h>

#include "clusterd/shell/operator_judge.h"

json_t *view_node(const struct view_source *source, const Wire__Node *node);
json_t *view_vm(const struct view_source *source, const Wire__Vm *vm, bool xml);
json_t *view_fence(const struct view_source *source, const Wire__Fence *fence);
json_t *view_volume(const struct view_source *source, const Wire__Volume *volume);
json_t *view_operation(const struct view_source *source, const Wire__Operation *operation);
json_t *view_status(const struct view_source *source);

#endif
