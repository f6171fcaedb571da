/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disk fault: what libvirt and QEMU say of a disk that they cannot open, made a sentence that tells
 * an administrator which disk it is, where, and what can be done. What they said stays in it.
 */
#ifndef MIGRATE_DRIVER_DISK_FAULT_H
#define MIGRATE_DRIVER_DISK_FAULT_H

#include <stddef.h>

#include "wire/schema.pb-c.h"

/* Of this disk. where: "this node", "the destination". ret may not be said. */
void disk_fault_say(const Wire__Disk *disk, const char *where, const char *said, char *ret,
		    size_t size);

/* Of the one whose path, or that of a backing file, is in what was said; of none: that alone. */
void disk_fault_explain(Wire__Disk *const *disks, size_t n, const char *where, const char *said,
			char *ret, size_t size);
/* The same for the disks of a definition; NULL, or not to be read: that alone. */
void disk_fault_explain_xml(const char *xml, const char *where, const char *said, char *ret,
			    size_t size);

#endif
