/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/canonical.h"

#include <string.h>

#include "base/cleanup.h"
#include "domain/dom.h"
#include "domain/metadata.h"

static bool starts(const char *text, const char *with)
{
	return text && strncmp(text, with, strlen(with)) == 0;
}

/* Every child of that name, should there be several where one is meant. */
static void drop_children(xmlNode *parent, const char *name)
{
	xmlNode *child;

	while ((child = dom_child(parent, name)))
		dom_drop(child);
}

void canonical_drop_mark(xmlNode *domain)
{
	xmlNode *metadata = dom_child(domain, "metadata");
	xmlNode *next;

	if (!metadata)
		return;
	for (xmlNode *node = dom_element(metadata); node; node = next) {
		next = dom_element_next(node);
		if (node->ns && node->ns->href &&
		    strcmp((const char *)node->ns->href, DOMAIN_METADATA_NAMESPACE) == 0)
			dom_drop(node);
	}
	if (!metadata->children)
		dom_drop(metadata);
}

/* A label that libvirt chose shows the result; one that was asked for shows the wish. */
static void clean_labels(xmlNode *domain)
{
	xmlNode *next;

	for (xmlNode *label = dom_child(domain, "seclabel"); label; label = next) {
		next = dom_next(label, "seclabel");
		if (!dom_attr_is(label, "type", "dynamic") ||
		    (!dom_child(label, "label") && !dom_child(label, "imagelabel")))
			continue;
		drop_children(label, "label");
		drop_children(label, "imagelabel");
		if (!label->children)
			dom_drop(label);
	}
}

/* libvirt's own default, filled in when the domain starts. */
static void clean_resource(xmlNode *domain)
{
	xmlNode *resource = dom_child(domain, "resource");
	xmlNode *partition = dom_child(resource, "partition");

	if (!partition || strcmp(dom_text(partition), "/machine") != 0)
		return;
	drop_children(resource, "partition");
	if (!resource->children)
		dom_drop(resource);
}

/* Aliases that begin with ua- were chosen by somebody, all others number what is there. */
static void clean_alias(xmlNode *device)
{
	xmlNode *next;

	for (xmlNode *alias = dom_child(device, "alias"); alias; alias = next) {
		next = dom_next(alias, "alias");
		if (!starts(dom_attr(alias, "name"), "ua-"))
			dom_drop(alias);
	}
}

static void clean_disk(xmlNode *disk)
{
	xmlNode *source = dom_child(disk, "source");
	xmlNode *target = dom_child(disk, "target");

	drop_children(disk, "mirror");
	if (source)
		dom_drop_attr(source, "index");
	if (target)
		dom_drop_attr(target, "tray");
	/*
	 * A running domain shows the chain it found. Written into a definition it would hold
	 * for ever, whatever became of the images in the meantime.
	 */
	if (dom_attr(xmlDocGetRootElement(disk->doc), "id"))
		drop_children(disk, "backingStore");
}

static bool is_tap_of_a_run(const char *name)
{
	static const char *const given[] = { "vnet", "macvtap", "macvlan", "vif" };

	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		if (starts(name, given[i]))
			return true;
	return false;
}

static void clean_interface(xmlNode *interface)
{
	xmlNode *source = dom_child(interface, "source");
	xmlNode *next;

	for (xmlNode *target = dom_child(interface, "target"); target; target = next) {
		next = dom_next(target, "target");
		if (is_tap_of_a_run(dom_attr(target, "dev")))
			dom_drop(target);
	}
	if (source && dom_attr_is(interface, "type", "network")) {
		dom_drop_attr(source, "portid");
		dom_drop_attr(source, "bridge");
	}
}

/* The socket that libvirt makes has the number of one run in its path. */
static bool is_end_of_a_run(const xmlNode *device, const xmlNode *source)
{
	const char *path = dom_attr(source, "path");

	return path && (dom_attr_is(device, "type", "pty") ||
			(dom_is(device, "channel") && strstr(path, "/channel/target/domain-")));
}

/* serial, parallel, console, channel */
static void clean_character(xmlNode *device)
{
	xmlNode *target = dom_child(device, "target");
	xmlNode *next;

	dom_drop_attr(device, "tty");
	if (target)
		dom_drop_attr(target, "state");
	for (xmlNode *source = dom_child(device, "source"); source; source = next) {
		next = dom_next(source, "source");
		if (is_end_of_a_run(device, source))
			dom_drop(source);
	}
}

static void clean_graphics(xmlNode *graphics)
{
	if (!dom_attr_is(graphics, "autoport", "yes"))
		return;
	dom_drop_attr(graphics, "port");
	dom_drop_attr(graphics, "tlsPort");
	dom_drop_attr(graphics, "websocketGenerated");
}

static const struct {
	const char *device;
	void (*clean)(xmlNode *device);
} cleaners[] = {
	{ "disk", clean_disk },
	{ "interface", clean_interface },
	{ "serial", clean_character },
	{ "parallel", clean_character },
	{ "console", clean_character },
	{ "channel", clean_character },
	{ "graphics", clean_graphics },
};

void canonical_clean(xmlNode *domain)
{
	xmlNode *devices = dom_child(domain, "devices");

	canonical_drop_mark(domain);
	clean_labels(domain);
	clean_resource(domain);
	for (xmlNode *device = dom_element(devices); device; device = dom_element_next(device)) {
		clean_alias(device);
		for (size_t i = 0; i < ARRAY_SIZE(cleaners); i++)
			if (dom_is(device, cleaners[i].device))
				cleaners[i].clean(device);
	}
	dom_drop_attr(domain, "id");	/* last: the cleaners ask for it */
	dom_tidy(domain);
}
