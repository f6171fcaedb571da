/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inactive: whether QEMU would end a paused guest, if its memory were taken away once more.
 *
 * A live migration lets the block devices be taken into use at the destination only when the guest
 * goes on (libvirt switches on QEMU's late-block-activate, always). One that stays paused there has
 * them inactive, and QEMU below 10 fails an assertion when a migration or a save makes them
 * inactive a second time: the memory is lost. Only QEMU's "cont" activates them. Restoring from a
 * file does at once.
 */
#ifndef MIGRATE_DRIVER_INACTIVE_H
#define MIGRATE_DRIVER_INACTIVE_H

#include <stdbool.h>

#include <libvirt/libvirt.h>

/*
 * Told from libvirt's reason for the pause and from the process alone, so it holds whatever was
 * restarted, and whoever resumed the guest. True also when that cannot be told, and of one that has
 * run for some milliseconds only. No such guest: false. Of the source of a failed move it says
 * nothing.
 */
bool inactive_is(virConnectPtr conn, const char *uuid);

#endif
