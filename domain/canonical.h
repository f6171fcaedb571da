/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DOMAIN_CANONICAL_H
#define DOMAIN_CANONICAL_H

/*
 * Canonical: what a definition is without what only a running domain has. For use inside
 * of domain/ only.
 */

#include <libxml/tree.h>

/* Takes out ids, aliases, labels made by libvirt, ends of ptys, taps, ports, our mark. */
void canonical_clean(xmlNode *domain);

/* The same for our mark alone; a <metadata> that is then empty goes, too. */
void canonical_drop_mark(xmlNode *domain);

#endif
