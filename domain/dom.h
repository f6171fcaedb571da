/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DOMAIN_DOM_H
#define DOMAIN_DOM_H

/*
 * A dom is a definition as a tree: libxml2 behind the few questions this folder asks. For
 * use inside of domain/ only.
 *
 * Texts that are returned live as long as the tree is not changed, so callers copy what
 * they keep.
 */

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Reads UTF-8 text of at most max bytes whose root is <domain>; comments and processing
 * instructions are gone, and so is space between elements and around texts. -EMSGSIZE or
 * -EBADMSG with a sentence in why.
 */
int dom_read(const char *xml, size_t size, size_t max, xmlDoc **ret, struct buf *why);
void dom_free(xmlDoc *doc);
static inline void dom_freep(xmlDoc **doc)
{
	dom_free(*doc);
}

/* The same for a tree that was changed: what is written is then read as it was. */
void dom_tidy(xmlNode *element);

/* Appends the element and what is below it, indented, one element a line. */
void dom_write(xmlNode *element, struct buf *out);

/* An element without a namespace of that name. */
bool dom_is(const xmlNode *node, const char *name);
/* The first such child; NULL for none or if parent is NULL. */
xmlNode *dom_child(const xmlNode *parent, const char *name);
/* The next sibling of that name. */
xmlNode *dom_next(const xmlNode *node, const char *name);
/* The first child, or next sibling, that is an element of any name. */
xmlNode *dom_element(const xmlNode *parent);
xmlNode *dom_element_next(const xmlNode *node);

/* An attribute's value, NULL if node is NULL or has none; the text within, or "". */
const char *dom_attr(const xmlNode *node, const char *name);
const char *dom_text(const xmlNode *node);
/* dom_attr() of a child: dom_of(disk, "driver", "type"). */
const char *dom_of(const xmlNode *parent, const char *child, const char *name);
/* Whether an attribute is there and has that value. */
bool dom_attr_is(const xmlNode *node, const char *name, const char *value);

void dom_set_attr(xmlNode *node, const char *name, const char *value);
void dom_drop_attr(xmlNode *node, const char *name);
void dom_set_text(xmlNode *node, const char *text);
/* A new element: the first child, or behind a sibling. */
xmlNode *dom_add_first(xmlNode *parent, const char *name);
xmlNode *dom_add_after(xmlNode *sibling, const char *name);
/* Puts an element into a namespace, which it declares. */
void dom_set_namespace(xmlNode *node, const char *prefix, const char *href);
void dom_drop(xmlNode *node);

#endif
