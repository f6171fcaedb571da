/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Change: asks for a change, waits for the operation that it began, and says how it went. The
 * way of all that change.
 */
#ifndef CLUSTERCTL_CHANGE_H
#define CLUSTERCTL_CHANGE_H

#include "clusterctl/ctl.h"

struct change {
	const char *name;
	const char
		*done; /* what to say when the daemon has nothing to say; a %s becomes the name */
	bool cancels;  /* it is good when the operation ends as cancelled */
	bool looks_back; /* the operation may have ended long ago */
	bool adds;     /* the VM is in the cluster by it, however its first start ends */
};

/* Takes the request over; returns the exit. */
int change_run(struct ctl *ctl, json_t *request, const struct change *change);

/* The same for {"do": "command", "command": {body: fields}}; takes the fields over. */
int change_command(struct ctl *ctl, const char *body, json_t *fields, const struct change *change);

/* What follows an answer that was good: waiting and saying. Takes the verdict over. */
int change_finish(struct ctl *ctl, json_t *verdict, const struct change *change);

#endif
