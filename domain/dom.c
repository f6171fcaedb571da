/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/dom.h"

#include <assert.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

#define SPACE " \t\r\n"

/*
 * Memory of libxml2 is ours: where it cannot be had the process ends (base/mem.h). Left to itself
 * libxml2 leaves out a text or an attribute without a word. Both use the same heap, so it does no
 * harm that what libvirt has of it before is freed after.
 */
static void *sure_malloc(size_t size)
{
	return mem_resize(NULL, size, 1);
}

static void *sure_realloc(void *memory, size_t size)
{
	return mem_resize(memory, size, 1);
}

static void *need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static const xmlChar *x(const char *text)
{
	return (const xmlChar *)text;
}

/* ---------------------------------------------------------------- reading */

/*
 * A document type could bring entities, and those files and amplification. libvirt never
 * writes one, so the mere word is refused before the parser sees it. It can hide in
 * another encoding only; we ask for UTF-8, and a zero byte would betray the others.
 */
static int check_bytes(const char *xml, size_t size, size_t max, struct buf *why)
{
	if (size > max) {
		buf_printf(why, "the definition has %zu bytes, more than the %zu that are read",
			   size, max);
		return -EMSGSIZE;
	}
	if (size == 0) {
		buf_append_str(why, "the definition is empty");
		return -EBADMSG;
	}
	if (memchr(xml, 0, size)) {
		buf_append_str(why, "the definition is not UTF-8 text: it holds a zero byte");
		return -EBADMSG;
	}
	if (memmem(xml, size, "<!DOCTYPE", 9) || memmem(xml, size, "<!ENTITY", 8)) {
		buf_append_str(why, "the definition has a document type (<!DOCTYPE>), which could "
				    "pull in other files: remove it");
		return -EBADMSG;
	}
	return 0;
}

/* Of several complaints the first one counts: the others follow from it. */
static void first_error(void *parser, xmlError *error)
{
	struct buf *why = ((xmlParserCtxt *)parser)->_private;
	const char *message = error->message ? error->message : "unreadable";

	if (error->code == XML_ERR_NO_MEMORY)
		abort();
	if (why->len == 0 && error->level > XML_ERR_WARNING)
		buf_printf(why, "the definition is not well-formed XML: line %d: %.*s",
			   error->line, (int)strcspn(message, "\r\n"), message);
}

/* NULL with a sentence in why. */
static xmlDoc *parse(const char *xml, size_t size, struct buf *why)
{
	xmlParserCtxt *parser = need(xmlNewParserCtxt());
	xmlDoc *doc;

	parser->_private = why;
	parser->sax->serror = first_error;
	/* NOCDATA: a CDATA section is text like any other. */
	doc = xmlCtxtReadMemory(parser, xml, (int)size, NULL, "UTF-8",
				XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_COMPACT);
	/* A prefix without a namespace would make an element look like one of libvirt's. */
	if (doc && (!parser->wellFormed || !parser->nsWellFormed || why->len > 0))
		dom_free(steal_ptr(doc));
	if (!doc && why->len == 0)
		buf_append_str(why, "the definition is not well-formed XML");
	xmlFreeParserCtxt(parser);
	return doc;
}

static bool only_space(const char *text)
{
	return text[strspn(text, SPACE)] == 0;
}

static bool is_text(const xmlNode *node)
{
	return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE;
}

/* Space is layout where elements are, and part of the text where they are not. */
static bool is_layout(const xmlNode *node, bool among_elements)
{
	switch (node->type) {
	case XML_ELEMENT_NODE:
		return false;
	case XML_TEXT_NODE:
		return among_elements && only_space((const char *)node->content);
	case XML_CDATA_SECTION_NODE:
		return false;
	default:
		return true;		/* comments, processing instructions */
	}
}

/* The space around a name or a number means nothing, nor does that around a description. */
static void trim(xmlNode *text)
{
	const char *start = (const char *)text->content;
	const char *first = start + strspn(start, SPACE);
	size_t n = strlen(first);
	xmlChar *trimmed;

	while (n > 0 && strchr(SPACE, first[n - 1]))
		n--;
	if (n == 0) {
		dom_drop(text);
		return;
	}
	if (n == strlen(start))
		return;
	trimmed = need(xmlStrndup(x(first), (int)n));
	xmlNodeSetContent(text, trimmed);
	xmlFree(trimmed);
}

/* Depth is bounded by the parser (256 elements within one another). */
void dom_tidy(xmlNode *element)
{
	xmlNode *next;

	for (xmlNode *node = element->children; node; node = next) {
		next = node->next;
		if (is_layout(node, dom_element(element) != NULL))
			dom_drop(node);
		else if (node->type == XML_ELEMENT_NODE)
			dom_tidy(node);
	}
	/* What a comment had parted is one text again, or its second half would be lost. */
	for (xmlNode *node = element->children; node && node->next;) {
		if (node->type == XML_TEXT_NODE && node->next->type == XML_TEXT_NODE)
			need(xmlTextMerge(node, node->next));
		else
			node = node->next;
	}
	if (element->children && !element->children->next &&
	    element->children->type == XML_TEXT_NODE)
		trim(element->children);
}

int dom_read(const char *xml, size_t size, size_t max, xmlDoc **ret, struct buf *why)
{
	_cleanup_(dom_freep) xmlDoc *doc = NULL;
	xmlNode *root;
	int r;

	xmlMemSetup(free, sure_malloc, sure_realloc, mem_strdup);
	r = check_bytes(xml, size, max, why);
	if (r < 0)
		return r;
	doc = parse(xml, size, why);
	if (!doc)
		return -EBADMSG;
	root = xmlDocGetRootElement(doc);
	if (!root || !dom_is(root, "domain") || doc->intSubset) {
		buf_printf(why, "the definition's outermost element is <%.40s>, not <domain>",
			   root ? (const char *)root->name : "");
		return -EBADMSG;
	}
	dom_tidy(root);
	*ret = steal_ptr(doc);
	return 0;
}

void dom_free(xmlDoc *doc)
{
	if (doc)
		xmlFreeDoc(doc);
}

void dom_write(xmlNode *element, struct buf *out)
{
	xmlBuffer *text = need(xmlBufferCreate());

	if (xmlNodeDump(text, element->doc, element, 0, 1) < 0)
		abort();
	buf_append(out, xmlBufferContent(text), (size_t)xmlBufferLength(text));
	buf_append_byte(out, '\n');
	xmlBufferFree(text);
}

/* ---------------------------------------------------------------- asking */

bool dom_is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !node->ns && xmlStrEqual(node->name, x(name));
}

static xmlNode *first_named(xmlNode *node, const char *name)
{
	while (node && !dom_is(node, name))
		node = node->next;
	return node;
}

static xmlNode *first_element(xmlNode *node)
{
	while (node && node->type != XML_ELEMENT_NODE)
		node = node->next;
	return node;
}

xmlNode *dom_child(const xmlNode *parent, const char *name)
{
	return parent ? first_named(parent->children, name) : NULL;
}

xmlNode *dom_next(const xmlNode *node, const char *name)
{
	return first_named(node->next, name);
}

xmlNode *dom_element(const xmlNode *parent)
{
	return parent ? first_element(parent->children) : NULL;
}

xmlNode *dom_element_next(const xmlNode *node)
{
	return first_element(node->next);
}

/* Without entities a value or a text is one node; reading merged what was split. */
static const char *content(const xmlNode *child)
{
	return child && is_text(child) && child->content ? (const char *)child->content : "";
}

const char *dom_attr(const xmlNode *node, const char *name)
{
	const xmlAttr *attr;

	if (!node)
		return NULL;
	for (attr = node->properties; attr; attr = attr->next)
		if (!attr->ns && xmlStrEqual(attr->name, x(name)))
			return content(attr->children);
	return NULL;
}

const char *dom_text(const xmlNode *node)
{
	return content(node ? node->children : NULL);
}

const char *dom_of(const xmlNode *parent, const char *child, const char *name)
{
	return dom_attr(dom_child(parent, child), name);
}

bool dom_attr_is(const xmlNode *node, const char *name, const char *value)
{
	const char *found = dom_attr(node, name);

	return found && strcmp(found, value) == 0;
}

/* ---------------------------------------------------------------- changing */

void dom_set_attr(xmlNode *node, const char *name, const char *value)
{
	need(xmlSetNsProp(node, NULL, x(name), x(value)));
}

void dom_drop_attr(xmlNode *node, const char *name)
{
	xmlUnsetNsProp(node, NULL, x(name));
}

void dom_set_text(xmlNode *node, const char *text)
{
	xmlChar *escaped = need(xmlEncodeSpecialChars(node->doc, x(text)));

	xmlNodeSetContent(node, escaped);
	xmlFree(escaped);
}

xmlNode *dom_add_first(xmlNode *parent, const char *name)
{
	xmlNode *node = need(xmlNewDocNode(parent->doc, NULL, x(name), NULL));

	if (parent->children)
		return need(xmlAddPrevSibling(parent->children, node));
	return need(xmlAddChild(parent, node));
}

xmlNode *dom_add_after(xmlNode *sibling, const char *name)
{
	xmlNode *node = need(xmlNewDocNode(sibling->doc, NULL, x(name), NULL));

	return need(xmlAddNextSibling(sibling, node));
}

void dom_set_namespace(xmlNode *node, const char *prefix, const char *href)
{
	xmlSetNs(node, need(xmlNewNs(node, x(href), x(prefix))));
}

void dom_drop(xmlNode *node)
{
	xmlUnlinkNode(node);
	xmlFreeNode(node);
}
