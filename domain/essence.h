/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DOMAIN_ESSENCE_H
#define DOMAIN_ESSENCE_H

/*
 * The essence of a definition is what of it matters to the cluster: memory, vCPUs, disks,
 * interfaces and other devices. The essence of an inactive definition equals that of the
 * live domain started from it: addresses, aliases, labels, ptys, taps and everything
 * libvirt adds by itself are no part of it.
 *
 * Two essences are equal when their digests are. The digest leaves out backing chains,
 * which an inactive definition does not tell, local state, which depends on the volumes,
 * and the version of a machine type, which libvirt fills in.
 */

#include <stdbool.h>
#include <stddef.h>

#include "domain/path.h"
#include "domain/xml.h"
#include "wire/schema.pb-c.h"

/*
 * Of any definition, inactive or live, whether the cluster would take it or not; of rules
 * only the volumes count, and it may be NULL. -EINVAL with a sentence: not a definition,
 * or beyond a limit of wire/check.h. Free with wire_free().
 */
int domain_essence_read(const char *xml, size_t size, const struct domain_rules *rules,
			Wire__Essence **ret, char *ret_why, size_t why_size);

bool domain_essence_equal(const Wire__Essence *a, const Wire__Essence *b);

/*
 * The difference in words, "" if they are equal; cut at a character to fit into size.
 * "disk vda: /a.raw -> /snap.qcow2 (backing /a.raw); memory 512 -> 1024 MiB"
 */
void domain_essence_diff(const Wire__Essence *record, const Wire__Essence *live, char *out,
			 size_t size);

/*
 * A digest, as text, of the images that the disks consist of: by target, source and chain
 * of each that is not a CD-ROM. "" when there is none.
 */
enum { DOMAIN_CHAIN_DIGEST_SIZE = 17 };
void domain_chain_digest(Wire__Disk *const *disks, size_t n, char out[DOMAIN_CHAIN_DIGEST_SIZE]);

#endif
