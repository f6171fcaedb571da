/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Place: where a VM runs now, and by which address its libvirt is reached from here. */
#ifndef CLUSTERCTL_PLACE_H
#define CLUSTERCTL_PLACE_H

#include "clusterctl/ctl.h"

struct place {
	char *uuid;
	char *state; /* as the daemon says it: "running" */
	char *wanted;
	char *node; /* name of the owner; "" if there is none */
	char *why;  /* it is not known how the VM is; "" if it is */
	json_int_t generation; /* of the right to run it: another one is another process */
	char *uri;  /* of the owner's libvirt; NULL if there is none */
};

/* Asks the daemon. libvirt_uri is that of this node. */
bool place_find(struct ctl *ctl, const char *vm, const char *libvirt_uri, struct place *ret,
		struct ctl_error *ret_error);
void place_free(struct place *place);

/* Whether a QEMU process is there that can be talked to. */
bool place_is_alive(const struct place *place);

/*
 * Puts an address into a pattern with one %s; an IPv6 address gets its brackets. NULL for any
 * other pattern.
 */
char *place_uri(const char *pattern, const char *address);

#endif
