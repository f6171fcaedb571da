/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DOMAIN_METADATA_H
#define DOMAIN_METADATA_H

/*
 * The metadata is the mark by which a running domain is known to be ours: an element of
 * our own namespace in libvirt's <metadata>, with the id of the VM and the generation of
 * the right under which it was started. It stays so for as long as the guest lives: libvirt
 * takes it along to where the guest is moved or restored, while the record goes on counting.
 * That is as it should be. The id makes a domain ours; the generation only tells one start from
 * another: an order that came twice from a guest that another order started (power_on()), and a
 * start from the end of a move that failed before (agents/hook_ask.h).
 *
 *	<metadata>
 *	  <clusterd:vm xmlns:clusterd="https://clusterd.example/xmlns/domain/1"
 *	               id="12" generation="3"/>
 *	</metadata>
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define DOMAIN_METADATA_NAMESPACE "https://clusterd.example/xmlns/domain/1"
#define DOMAIN_METADATA_PREFIX "clusterd"

enum { DOMAIN_UUID_SIZE = 37 };

struct domain_mark {
	uint64_t vm, generation;
	char uuid[DOMAIN_UUID_SIZE];	/* of the domain, "" if it has none */
};

/*
 * The mark in a definition of any kind, inactive or live; what libvirt's qemu hook reads.
 * -ENOENT: none, not a domain of ours; -EBADMSG: not a definition, or a mark that cannot
 * be read; -EMSGSIZE: larger than DOMAIN_HOOK_MAX.
 */
enum { DOMAIN_HOOK_MAX = 1024 * 1024 };
int domain_metadata(const char *xml, size_t size, struct domain_mark *ret);

/*
 * Appends the definition to start: with the mark, the name, and without what only a
 * running domain has. Other metadata stays. name NULL keeps the one in it. -EBADMSG: not a
 * definition; -EMSGSIZE: too large.
 */
int domain_for_start(const char *xml, size_t size, uint64_t vm, uint64_t generation,
		     const char *name, struct buf *out);

#endif
