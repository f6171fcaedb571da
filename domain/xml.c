/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/xml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/text.h"
#include "domain/canonical.h"
#include "domain/collect.h"
#include "domain/dom.h"
#include "domain/why.h"
#include "wire/check.h"
#include "wire/message.h"

enum {
	/* A start adds our mark, and must still fit. */
	CANONICAL_MAX = WIRE_XML_MAX - 512,
	/* The record holds the definition, its essence and perhaps that of the live domain. */
	RECORD_MAX = WIRE_COMMAND_MAX - 4096,
};

struct domain {
	char *name;
	char uuid[DOMAIN_UUID_SIZE];
	Wire__Essence *essence;
	struct buf canonical;
};

/* What the checks below share. Each returns 0, or -EINVAL with a sentence in why. */
struct reading {
	xmlNode *root;
	const struct domain_rules *rules;
	struct domain *domain;
	struct buf why;
};

static int __attribute__((format(printf, 2, 3)))
refuse(struct reading *reading, const char *format, ...)
{
	va_list args;

	buf_reset(&reading->why);
	va_start(args, format);
	buf_vprintf(&reading->why, format, args);
	va_end(args);
	return -EINVAL;
}

/*
 * Where we and libvirt look at one element, there must be one: libvirt reads the devices of
 * a second <devices>, too.
 */
static int check_single(struct reading *reading)
{
	static const char *const names[] = {
		"name", "uuid", "metadata", "memory", "vcpu", "os", "devices", "resource",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const xmlNode *first = dom_child(reading->root, names[i]);

		if (first && dom_next(first, names[i]))
			return refuse(reading, "the definition has two <%s>: one is wanted",
				      names[i]);
	}
	return 0;
}

/* ---------------------------------------------------------------- identity */

static int check_name(struct reading *reading)
{
	const char *name = dom_text(dom_child(reading->root, "name"));

	if (!*name)
		return refuse(reading, "the definition has no <name>: give the domain one");
	if (!text_valid_name(name, WIRE_NAME_MAX))
		return refuse(reading,
			      "the name \"%.80s\" is not good here: use 1 to %d letters, digits, "
			      "'.', '_' and '-', a letter or digit first",
			      name, WIRE_NAME_MAX);
	reading->domain->name = mem_strdup(name);
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* 32 hex digits with dashes anywhere, as libvirt takes them; written the usual way. */
static int parse_uuid(const char *text, char ret[DOMAIN_UUID_SIZE])
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	char uuid[DOMAIN_UUID_SIZE];
	size_t n = 0;

	for (; *text; text++) {
		if (*text == '-' && n > 0)
			continue;
		if (form[n] == '-')
			uuid[n++] = '-';
		if (hex(*text) < 0 || n == sizeof(form) - 1)
			return -EINVAL;
		uuid[n++] = "0123456789abcdef"[hex(*text)];
	}
	if (n != sizeof(form) - 1)
		return -EINVAL;
	uuid[n] = 0;
	memcpy(ret, uuid, sizeof(uuid));
	return 0;
}

static int check_uuid(struct reading *reading)
{
	xmlNode *element = dom_child(reading->root, "uuid");
	const char *text = element ? dom_text(element) : reading->rules->uuid;

	if (!text)
		return refuse(reading,
			      "the definition has no <uuid>: take it from `virsh dumpxml`, or "
			      "make one with uuidgen");
	if (parse_uuid(text, reading->domain->uuid) < 0)
		return refuse(reading, "the uuid \"%.60s\" is not one: 32 hex digits are wanted",
			      text);
	if (!element)
		element = dom_add_after(dom_child(reading->root, "name"), "uuid");
	dom_set_text(element, reading->domain->uuid);
	return 0;
}

/* ---------------------------------------------------------------- machine */

static int check_type(struct reading *reading)
{
	const char *type = dom_attr(reading->root, "type");
	const char *os = dom_text(dom_child(dom_child(reading->root, "os"), "type"));

	if (!type || (strcmp(type, "kvm") != 0 && strcmp(type, "qemu") != 0))
		return refuse(reading,
			      "the domain's type is \"%.40s\": only kvm and qemu are run here",
			      type ? type : "");
	if (strcmp(os, "hvm") != 0)
		return refuse(reading,
			      "<os><type> is \"%.40s\": only hvm, a full machine, is run here", os);
	return 0;
}

static int check_memory(struct reading *reading)
{
	const xmlNode *element = dom_child(reading->root, "memory");
	uint64_t limit = reading->rules->memory_max_mib, mib;
	int r = collect_memory_mib(element, &mib);

	if (r == -ENOENT)
		return refuse(reading, "the definition has no <memory>: say how much it gets");
	if (r < 0)
		return refuse(reading,
			      "<memory> is \"%.40s %.20s\": a whole number above 0 and a unit "
			      "like KiB, MiB or GiB are wanted",
			      dom_text(element),
			      dom_attr(element, "unit") ? dom_attr(element, "unit") : "");
	if (limit && mib > limit)
		return refuse(reading,
			      "it wants %" PRIu64
			      " MiB of memory, and no node has more than %" PRIu64
			      " MiB for guests: give it less",
			      mib, limit);
	return 0;
}

static int check_vcpus(struct reading *reading)
{
	uint32_t limit = reading->rules->vcpus_max, vcpus = 1;

	/* None at all is libvirt's one. */
	if (collect_vcpus(reading->root, &vcpus) == -EINVAL)
		return refuse(reading, "<vcpu> is \"%.40s\": a whole number above 0 is wanted",
			      dom_text(dom_child(reading->root, "vcpu")));
	if (limit && vcpus > limit)
		return refuse(reading,
			      "it wants %" PRIu32 " vCPUs, and no node has more than %" PRIu32
			      " CPUs: give it fewer",
			      vcpus, limit);
	return 0;
}

/* What goes past libvirt cannot be seen, so neither can what it needs. */
static int check_foreign(struct reading *reading)
{
	for (const xmlNode *at = dom_element(reading->root); at; at = dom_element_next(at)) {
		const char *name = (const char *)at->name;

		if (at->ns && (strcmp(name, "commandline") == 0 || strcmp(name, "override") == 0))
			return refuse(reading,
				      "it gives QEMU options of its own (<%s:%s>), and what these "
				      "need on a node is not known: remove them",
				      at->ns->prefix ? (const char *)at->ns->prefix : "qemu", name);
	}
	return 0;
}

/* ---------------------------------------------------------------- devices */

/* What ties a device to the machine it is on, as a few words; false if nothing does. */
static bool tied_to_host(const xmlNode *device, struct buf *what)
{
	const xmlNode *source = dom_child(device, "source");
	const char *type = dom_attr(device, "type");

	if (dom_is(device, "hostdev"))
		buf_printf(what, "a %.20s device of the host (<hostdev>)", type ? type : "");
	else if (dom_is(device, "interface") && type &&
		 (strcmp(type, "hostdev") == 0 || strcmp(type, "vdpa") == 0))
		buf_printf(what, "a network device of the host (<interface type='%s'>)", type);
	else if (dom_is(device, "disk") && type &&
		 (strcmp(type, "nvme") == 0 || strncmp(type, "vhost", 5) == 0))
		buf_printf(what, "a disk controller or process of the host (<disk type='%.20s'>)",
			   type);
	else if (dom_is(device, "tpm") &&
		 dom_attr_is(dom_child(device, "backend"), "type", "passthrough"))
		buf_append_str(what, "the host's TPM (<tpm>)");
	else if (dom_is(device, "input") && type &&
		 (strcmp(type, "passthrough") == 0 || strcmp(type, "evdev") == 0))
		buf_printf(what, "an input device of the host (<input type='%s'>)", type);
	else if (dom_is(device, "smartcard") && !dom_attr_is(device, "mode", "passthrough"))
		buf_append_str(what, "a smartcard of the host (<smartcard>)");
	else if ((dom_is(device, "serial") || dom_is(device, "parallel")) && type &&
		 strcmp(type, "dev") == 0)
		buf_printf(what, "the host's port %.60s (<%s type='dev'>)",
			   dom_attr(source, "path") ? dom_attr(source, "path") : "",
			   (const char *)device->name);
	return what->len > 0;
}

static int check_host_devices(struct reading *reading)
{
	const xmlNode *devices = dom_child(reading->root, "devices");

	for (const xmlNode *at = dom_element(devices); at; at = dom_element_next(at)) {
		_cleanup_(buf_free) struct buf what = { 0 };

		if (tied_to_host(at, &what))
			return refuse(reading,
				      "it uses %s, which would not survive a move to another node: "
				      "remove it",
				      buf_str(&what));
	}
	return 0;
}

static int check_disk(struct reading *reading, const xmlNode *disk)
{
	_cleanup_(buf_free) struct buf source = { 0 };
	const char *target = dom_of(disk, "target", "dev");
	const char *type = dom_attr(disk, "type");

	if (!target || !*target)
		return refuse(reading, "a disk has no <target dev='...'>: give it one, like vda");
	for (const xmlNode *other = dom_next(disk, "disk"); other; other = dom_next(other, "disk"))
		if (dom_attr_is(dom_child(other, "target"), "dev", target))
			return refuse(reading, "two disks have the target %.40s: give each its own",
				      target);
	collect_disk_source(dom_child(disk, "source"), type ? type : "file", &source);
	if (source.len == 0 && !dom_attr_is(disk, "device", "cdrom") &&
	    !dom_attr_is(disk, "device", "floppy"))
		return refuse(reading, "disk %.40s has no <source> that is understood: say what it "
				       "consists of", target);
	return 0;
}

static int check_disks(struct reading *reading)
{
	for (const xmlNode *disk = dom_child(dom_child(reading->root, "devices"), "disk"); disk;
	     disk = dom_next(disk, "disk")) {
		int r = check_disk(reading, disk);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool mac_is_taken(const xmlNode *devices, const char *mac)
{
	for (const xmlNode *at = dom_child(devices, "interface"); at;
	     at = dom_next(at, "interface")) {
		const char *other = dom_of(at, "mac", "address");

		if (other && strcasecmp(other, mac) == 0)
			return true;
	}
	return false;
}

/* 52:54:00 is QEMU's own; the rest comes from the uuid, which no other domain has. */
static int add_macs(struct reading *reading)
{
	const xmlNode *devices = dom_child(reading->root, "devices");
	uint64_t position = 0;

	for (xmlNode *at = dom_child(devices, "interface"); at; at = dom_next(at, "interface")) {
		char mac[18];

		if (dom_of(at, "mac", "address"))
			continue;
		do {
			uint64_t digest = digest_start();

			digest = digest_add(digest, reading->domain->uuid, DOMAIN_UUID_SIZE);
			digest = digest_finish(digest_add_u64(digest, position++));
			snprintf(mac, sizeof(mac), "52:54:00:%02x:%02x:%02x",
				 (unsigned int)(digest & 0xff), (unsigned int)(digest >> 8 & 0xff),
				 (unsigned int)(digest >> 16 & 0xff));
		} while (mac_is_taken(devices, mac));
		if (!dom_child(at, "mac"))
			dom_add_first(at, "mac");
		dom_set_attr(dom_child(at, "mac"), "address", mac);
	}
	return 0;
}

/* ---------------------------------------------------------------- the whole */

static int check_essence(struct reading *reading)
{
	Wire__Essence *essence = collect_essence(reading->root, reading->rules);
	const char *field;

	reading->domain->essence = essence;
	if (reading->rules->refuse_local_state && essence->n_local_state > 0)
		return refuse(reading,
			      "it keeps state on one node (%.200s), which would be missing on "
			      "another: put that on a volume, or bind the VM to its node with "
			      "ha=no",
			      essence->local_state[0]);
	if (wire_check(&essence->base, &field) < 0) {
		why_field(&reading->why, field);
		return -EINVAL;
	}
	return 0;
}

static int check_size(struct reading *reading)
{
	struct buf *canonical = &reading->domain->canonical;
	size_t essence = protobuf_c_message_get_packed_size(&reading->domain->essence->base);

	dom_write(reading->root, canonical);
	if (canonical->len > CANONICAL_MAX)
		return refuse(reading,
			      "the definition has %zu bytes, more than the %d that a VM may have: "
			      "remove descriptions, metadata or devices",
			      canonical->len, CANONICAL_MAX);
	if (canonical->len + 2 * essence > RECORD_MAX)
		return refuse(reading,
			      "the definition has too many devices: its record would take %zu "
			      "bytes of %d",
			      canonical->len + 2 * essence, RECORD_MAX);
	if (!wire_text_ok(buf_str(canonical), canonical->len, true))
		return refuse(reading, "the definition holds control characters: remove them");
	return 0;
}

/* In this order: what comes later builds on what was found good before. */
static int (*const checks[])(struct reading *reading) = {
	check_single, check_type, check_name, check_uuid, check_memory, check_vcpus, check_foreign,
	check_host_devices, check_disks, add_macs, check_essence, check_size,
};

int domain_read(const char *xml, size_t size, const struct domain_rules *rules,
		struct domain **ret, char *ret_why, size_t why_size)
{
	static const struct domain_rules none;
	_cleanup_(domain_freep) struct domain *domain = mem_new(struct domain);
	_cleanup_(dom_freep) xmlDoc *doc = NULL;
	struct reading reading = { .rules = rules ? rules : &none, .domain = domain };
	int r;

	r = dom_read(xml, size, DOMAIN_XML_MAX, &doc, &reading.why);
	if (r == 0) {
		reading.root = xmlDocGetRootElement(doc);
		canonical_clean(reading.root);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = checks[i](&reading);
	if (r < 0)
		r = why_give(&reading.why, ret_why, why_size);
	else
		*ret = steal_ptr(domain);
	buf_free(&reading.why);
	return r;
}

void domain_free(struct domain *domain)
{
	if (!domain)
		return;
	free(domain->name);
	wire_free(domain->essence);
	buf_free(&domain->canonical);
	free(domain);
}

const char *domain_name(const struct domain *domain)
{
	return domain->name;
}

const char *domain_uuid(const struct domain *domain)
{
	return domain->uuid;
}

const Wire__Essence *domain_essence(const struct domain *domain)
{
	return domain->essence;
}

void domain_canonical(const struct domain *domain, struct buf *out)
{
	buf_append(out, domain->canonical.data, domain->canonical.len);
}
