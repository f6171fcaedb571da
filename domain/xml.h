/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DOMAIN_XML_H
#define DOMAIN_XML_H

/*
 * A domain is a libvirt definition that has been read and found fit for the cluster. What
 * is refused is refused with a sentence for the administrator: what, why, what to do.
 *
 * Nothing outside of the text is ever looked at: no network, no entities, no DTD.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "domain/metadata.h"
#include "wire/schema.pb-c.h"

enum {
	DOMAIN_XML_MAX = 256 * 1024,	/* bytes that are read */
	DOMAIN_WHY_SIZE = 400,		/* enough for every sentence */
};

struct domain;

/* Zero or NULL is no limit, no volume, no refusal. Strings are borrowed for the call. */
struct domain_rules {
	uint64_t memory_max_mib;
	uint32_t vcpus_max;
	const char *uuid;		/* for a definition without one; NULL: it must have one */
	const char *const *volumes;	/* absolute paths; what lies there is not local */
	size_t volumes_n;
	bool refuse_local_state;	/* NVRAM, TPM state, host directories */
};

/*
 * -EINVAL with a sentence in ret_why if the definition is refused. An interface without a
 * MAC address gets one made of the domain's uuid and its position, so that every start
 * gives the same.
 */
int domain_read(const char *xml, size_t size, const struct domain_rules *rules,
		struct domain **ret, char *ret_why, size_t why_size);
void domain_free(struct domain *domain);
DEFINE_CLEANUP(struct domain *, domain_free);

/* All owned by the domain. The uuid is lower case with dashes. */
const char *domain_name(const struct domain *domain);
const char *domain_uuid(const struct domain *domain);
const Wire__Essence *domain_essence(const struct domain *domain);

/*
 * Appends the canonical definition, at most WIRE_XML_MAX - 512 bytes: elements and attributes in
 * the order given, one line each, without comments, without our mark and without what only
 * a running domain has (id, aliases, labels given by libvirt, ends of ptys, taps). Reading
 * it again gives the same text.
 */
void domain_canonical(const struct domain *domain, struct buf *out);

#endif
