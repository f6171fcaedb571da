/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wait: until an operation of the cluster has ended.
 *
 * Asks every 100 ms, because nothing is lost when a question is: the daemon may restart in
 * between. On a terminal one line tells the phase, how far a move has come and for how long. An
 * operation has deadlines of its own in the daemon; --timeout only bounds how long somebody
 * looks on, and so does Ctrl-C. It goes on all the same.
 */
#ifndef CLUSTERCTL_WAIT_H
#define CLUSTERCTL_WAIT_H

#include "clusterctl/ctl.h"

#include <jansson.h>
#include <stdbool.h>

/* True with the operation as it ended; false with an error when it was not seen to end. */
bool wait_operation(struct ctl *ctl, json_int_t id, json_t **ret_operation,
		    struct ctl_error *ret_error);

/* The exit for an ended operation. cancelled_is_good: it was asked to be cancelled. */
enum ctl_exit wait_exit(const json_t *operation, bool cancelled_is_good);

/*
 * The line of progress, without a line end; the caller frees it. vm, node, which is the one that
 * has it, and progress may be NULL.
 */
char *wait_line(const json_t *operation, const json_t *vm, const json_t *node,
		const json_t *progress, uint64_t waited_ms);

#endif
