/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DOMAIN_COLLECT_H
#define DOMAIN_COLLECT_H

/*
 * Collect: from a tree to an essence. For use inside of domain/ only.
 */

#include <libxml/tree.h>
#include <stdint.h>

#include "base/buf.h"
#include "domain/xml.h"
#include "wire/schema.pb-c.h"

/* A new essence, with its digest. Limits are not checked. rules may be NULL. */
Wire__Essence *collect_essence(const xmlNode *domain, const struct domain_rules *rules);

/*
 * -ENOENT: no such element; -EINVAL: no number, 0, or an unknown unit. Rounded up, as
 * libvirt does.
 */
int collect_memory_mib(const xmlNode *element, uint64_t *ret);
int collect_vcpus(const xmlNode *domain, uint32_t *ret);

/* What a disk holds, appended to out: a path, "iscsi:NAME", "POOL/VOLUME"; nothing if empty. */
void collect_disk_source(const xmlNode *source, const char *type, struct buf *out);

/* "pc" of "pc-i440fx-7.2" and of "": what of a machine type stays the same when it runs. */
enum { COLLECT_FAMILY_SIZE = 64 };
const char *collect_machine_family(const char *machine, char out[COLLECT_FAMILY_SIZE]);

/* Appends a line to a list of texts. */
void collect_line(char ***list, size_t *n, const char *line);

/* devices.c: one line for each device that is neither disk nor interface nor libvirt's own. */
void collect_devices(const xmlNode *domain, Wire__Essence *essence);

#endif
