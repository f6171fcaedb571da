/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/metadata.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "domain/canonical.h"
#include "domain/dom.h"
#include "wire/check.h"

static bool is_mark(const xmlNode *node)
{
	return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
	       strcmp((const char *)node->ns->href, DOMAIN_METADATA_NAMESPACE) == 0 &&
	       strcmp((const char *)node->name, "vm") == 0;
}

static int read_number(const xmlNode *mark, const char *name, uint64_t *ret)
{
	const char *text = dom_attr(mark, name);

	if (!text || text_parse_uint(text, 0, UINT64_MAX, ret) < 0)
		return -EBADMSG;
	return 0;
}

static int read_mark(const xmlNode *mark, struct domain_mark *ret)
{
	if (read_number(mark, "id", &ret->vm) < 0 ||
	    read_number(mark, "generation", &ret->generation) < 0)
		return -EBADMSG;
	return 0;
}

int domain_metadata(const char *xml, size_t size, struct domain_mark *ret)
{
	_cleanup_(dom_freep) xmlDoc *doc = NULL;
	_cleanup_(buf_free) struct buf why = { 0 };
	struct domain_mark mark = { 0 };
	const xmlNode *root, *found = NULL;
	int r;

	r = dom_read(xml, size, DOMAIN_HOOK_MAX, &doc, &why);
	if (r < 0)
		return r;
	root = xmlDocGetRootElement(doc);
	for (const xmlNode *node = dom_element(dom_child(root, "metadata")); node;
	     node = dom_element_next(node)) {
		/* Two marks are as good as none: nobody knows which one holds. */
		if (is_mark(node) && found)
			return -EBADMSG;
		if (is_mark(node))
			found = node;
	}
	if (!found)
		return -ENOENT;
	r = read_mark(found, &mark);
	if (r < 0)
		return r;
	/* Too long to be one: leave it out. */
	if (text_copy(mark.uuid, sizeof(mark.uuid), dom_text(dom_child(root, "uuid"))) < 0)
		mark.uuid[0] = 0;
	*ret = mark;
	return 0;
}

/* libvirt prints it behind the descriptions; anywhere will do. */
static xmlNode *metadata_element(xmlNode *domain)
{
	xmlNode *metadata = dom_child(domain, "metadata");
	xmlNode *before = dom_child(domain, "uuid");

	if (metadata)
		return metadata;
	if (!before)
		before = dom_child(domain, "name");
	return before ? dom_add_after(before, "metadata") : dom_add_first(domain, "metadata");
}

static void add_mark(xmlNode *domain, uint64_t vm, uint64_t generation)
{
	xmlNode *mark = dom_add_first(metadata_element(domain), "vm");
	char number[24];

	dom_set_namespace(mark, DOMAIN_METADATA_PREFIX, DOMAIN_METADATA_NAMESPACE);
	snprintf(number, sizeof(number), "%" PRIu64, vm);
	dom_set_attr(mark, "id", number);
	snprintf(number, sizeof(number), "%" PRIu64, generation);
	dom_set_attr(mark, "generation", number);
}

static void set_name(xmlNode *domain, const char *name)
{
	xmlNode *element = dom_child(domain, "name");

	if (!element)
		element = dom_add_first(domain, "name");
	dom_set_text(element, name);
}

int domain_for_start(const char *xml, size_t size, uint64_t vm, uint64_t generation,
		     const char *name, struct buf *out)
{
	_cleanup_(dom_freep) xmlDoc *doc = NULL;
	_cleanup_(buf_free) struct buf text = { 0 };
	_cleanup_(buf_free) struct buf why = { 0 };
	xmlNode *root;
	int r;

	r = dom_read(xml, size, WIRE_XML_MAX, &doc, &why);
	if (r < 0)
		return r;
	root = xmlDocGetRootElement(doc);
	canonical_clean(root);
	if (name)
		set_name(root, name);
	add_mark(root, vm, generation);
	dom_write(root, &text);
	if (text.len > WIRE_XML_MAX)
		return -EMSGSIZE;
	buf_append(out, text.data, text.len);
	return 0;
}
