/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/fence_kind.h"

#include <stdbool.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

enum { NAME_MAX_LEN = 63 };

#define WANTED "clusterd takes only agents that switch power, such as fence_ipmilan"

/* Their metadata are those of power switches, and they are none. */
static const struct {
	const char *agent, *what;
} impostors[] = {
	{ "fence_crosslink", "takes a node that does not answer a ping for dead" },
	{ "fence_dummy", "switches nothing, it is for tests" },
	{ "fence_evacuate", "asks OpenStack, and switches nothing" },
	{ "fence_sbd", "leaves a message for the node, which a node that hangs does not read" },
};

/* Which actions the metadata name. */
struct actions {
	bool on, off, status, reboot;
	bool automatic; /* a node must be let in again */
};

static bool is_set(xmlNode *node, const char *name)
{
	xmlChar *value = xmlGetProp(node, BAD_CAST name);
	bool set = value && strcmp((const char *)value, "0") != 0 &&
		   strcmp((const char *)value, "false") != 0;

	xmlFree(value);
	return set;
}

static void take_action(xmlNode *node, struct actions *actions)
{
	xmlChar *property = xmlGetProp(node, BAD_CAST "name");
	const char *name = property ? (const char *)property : "";

	actions->on |= strcmp(name, "on") == 0;
	actions->off |= strcmp(name, "off") == 0;
	actions->status |= strcmp(name, "status") == 0;
	actions->reboot |= strcmp(name, "reboot") == 0;
	actions->automatic |= strcmp(name, "on") == 0 &&
			      (is_set(node, "automatic") || is_set(node, "on_target"));
	xmlFree(property);
}

static bool is_element(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* A name that no parameter can have would be read as something else in a list of lines. */
static void take_param(xmlNode *node, struct buf *params)
{
	xmlChar *name = xmlGetProp(node, BAD_CAST "name");

	if (name && text_valid_name((const char *)name, NAME_MAX_LEN))
		buf_printf(params, "%s\n", (const char *)name);
	xmlFree(name);
}

/* False: it is no metadata. */
static bool read_metadata(const char *metadata, size_t size, struct actions *actions,
			  struct buf *params)
{
	xmlDoc *doc = xmlReadMemory(metadata, (int)size, NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	bool found = root && is_element(root, "resource-agent");

	for (xmlNode *list = found ? root->children : NULL; list; list = list->next)
		for (xmlNode *node = list->children; node; node = node->next)
			if (is_element(list, "actions") && is_element(node, "action"))
				take_action(node, actions);
			else if (is_element(list, "parameters") && is_element(node, "parameter"))
				take_param(node, params);
	xmlFreeDoc(doc);
	return found;
}

char *fence_kind_params(const char *metadata, size_t size)
{
	struct actions actions = { 0 };
	struct buf params = { 0 };

	if (size < FENCE_KIND_METADATA_MAX)
		read_metadata(metadata, size, &actions, &params);
	return buf_steal_str(&params);
}

static char *judge(const char *agent, const struct actions *actions)
{
	if (!actions->off || !actions->status)
		return mem_printf("%s cannot switch a node off and tell that it is off: " WANTED,
				  agent);
	if (!actions->on || !actions->reboot || actions->automatic)
		return mem_printf("%s cuts a node off from storage or the network, not from its "
				  "power: " WANTED, agent);
	return NULL;
}

enum fence_kind fence_kind(const char *agent, const char *metadata, size_t size, char **ret_why)
{
	_cleanup_(buf_free) struct buf params = { 0 };
	struct actions actions = { 0 };
	char *why;

	for (size_t i = 0; i < ARRAY_SIZE(impostors); i++)
		if (strcmp(agent, impostors[i].agent) == 0) {
			*ret_why = mem_printf("%s %s: " WANTED, agent, impostors[i].what);
			return FENCE_KIND_OTHER;
		}
	if (size >= FENCE_KIND_METADATA_MAX || !read_metadata(metadata, size, &actions, &params)) {
		*ret_why = mem_printf("the metadata of %s cannot be read, so it is not known "
				      "whether it switches power", agent);
		return FENCE_KIND_UNKNOWN;
	}
	why = judge(agent, &actions);
	if (!why)
		return FENCE_KIND_POWER;
	*ret_why = why;
	return FENCE_KIND_OTHER;
}
