/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/collect.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/mem.h"
#include "base/text.h"
#include "domain/dom.h"
#include "domain/path.h"
#include "wire/message.h"

static const char *or_else(const char *text, const char *other)
{
	return text && *text ? text : other;
}

void collect_line(char ***list, size_t *n, const char *line)
{
	*list = mem_resize(*list, *n + 1, sizeof(char *));
	(*list)[(*n)++] = mem_strdup(line);
}

/* ---------------------------------------------------------------- numbers */

/* libvirt's scale suffixes: bytes of one unit, 0 if there is no such unit. */
static uint64_t unit_bytes(const char *unit)
{
	static const char letters[] = "kmgtpe";
	uint64_t base, factor = 1;
	const char *letter;

	if (strcasecmp(unit, "b") == 0 || strcasecmp(unit, "bytes") == 0)
		return 1;
	letter = strchr(letters, tolower((unsigned char)unit[0]));
	if (!unit[0] || !letter)
		return 0;
	if (!unit[1] || strcasecmp(unit + 1, "ib") == 0)
		base = 1024;
	else if (strcasecmp(unit + 1, "b") == 0)
		base = 1000;
	else
		return 0;
	for (const char *at = letters; at <= letter; at++)
		factor *= base;
	return factor;
}

int collect_memory_mib(const xmlNode *element, uint64_t *ret)
{
	enum { MIB = 1024 * 1024 };
	uint64_t number, unit, bytes;

	if (!element)
		return -ENOENT;
	unit = unit_bytes(or_else(dom_attr(element, "unit"), "KiB"));
	if (unit == 0 || text_parse_uint(dom_text(element), 1, UINT64_MAX, &number) < 0 ||
	    __builtin_mul_overflow(number, unit, &bytes))
		return -EINVAL;
	*ret = bytes / MIB + (bytes % MIB != 0);
	return 0;
}

int collect_vcpus(const xmlNode *domain, uint32_t *ret)
{
	const xmlNode *element = dom_child(domain, "vcpu");
	uint64_t number;

	if (!element)
		return -ENOENT;
	if (text_parse_uint(dom_text(element), 1, UINT32_MAX, &number) < 0)
		return -EINVAL;
	*ret = (uint32_t)number;
	return 0;
}

/* ---------------------------------------------------------------- disks */

void collect_disk_source(const xmlNode *source, const char *type, struct buf *out)
{
	static const struct {
		const char *type, *first, *between, *second;
	} forms[] = {
		{ "file", "file", "", NULL },
		{ "block", "dev", "", NULL },
		{ "dir", "dir", "", NULL },
		{ "network", "protocol", ":", "name" },
		{ "volume", "pool", "/", "volume" },
		{ "vhostuser", "path", "", NULL },
		{ "nvme", "type", ":", "namespace" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *first = dom_attr(source, forms[i].first);

		if (strcmp(type, forms[i].type) != 0 || !first || !*first)
			continue;
		buf_append_str(out, first);
		if (forms[i].second)
			buf_printf(out, "%s%s", forms[i].between,
				   or_else(dom_attr(source, forms[i].second), ""));
	}
}

static void set_chain(const xmlNode *disk, Wire__Disk *ret)
{
	for (const xmlNode *store = dom_child(disk, "backingStore"); store;
	     store = dom_child(store, "backingStore")) {
		_cleanup_(buf_free) struct buf source = { 0 };

		collect_disk_source(dom_child(store, "source"),
				    or_else(dom_attr(store, "type"), "file"), &source);
		if (source.len)
			collect_line(&ret->chain, &ret->n_chain, buf_str(&source));
	}
}

static Wire__Disk *collect_disk(const xmlNode *disk)
{
	_cleanup_(buf_free) struct buf source = { 0 };
	Wire__Disk *ret = wire_new(&wire__disk__descriptor);
	const char *kind = or_else(dom_attr(disk, "type"), "file");
	const char *cache = or_else(dom_of(disk, "driver", "cache"), "");

	collect_disk_source(dom_child(disk, "source"), kind, &source);
	wire_set(&ret->target, dom_of(disk, "target", "dev"));
	wire_set(&ret->source, buf_str(&source));
	wire_set(&ret->kind, kind);
	wire_set(&ret->format, or_else(dom_of(disk, "driver", "type"), "raw"));
	wire_set(&ret->cache, strcmp(cache, "default") == 0 ? "" : cache);
	ret->cdrom = dom_attr_is(disk, "device", "cdrom");
	/* libvirt marks every CD-ROM so when the domain starts. */
	ret->readonly = ret->cdrom || dom_child(disk, "readonly");
	ret->shareable = dom_child(disk, "shareable") != NULL;
	set_chain(disk, ret);
	return ret;
}

static int by_target(const void *a, const void *b)
{
	const Wire__Disk *const *x = a, *const *y = b;

	return strcmp((*x)->target, (*y)->target);
}

static void collect_disks(const xmlNode *domain, Wire__Essence *essence)
{
	for (const xmlNode *disk = dom_child(dom_child(domain, "devices"), "disk"); disk;
	     disk = dom_next(disk, "disk")) {
		essence->disks = mem_resize(essence->disks, essence->n_disks + 1, sizeof(void *));
		essence->disks[essence->n_disks++] = collect_disk(disk);
	}
	if (essence->n_disks)
		qsort(essence->disks, essence->n_disks, sizeof(void *), by_target);
}

/* ---------------------------------------------------------------- interfaces */

static Wire__Nic *collect_nic(const xmlNode *interface)
{
	/* Where each type of interface says what it is connected to. */
	static const struct {
		const char *type, *attribute;
	} sources[] = {
		{ "bridge", "bridge" }, { "network", "network" }, { "direct", "dev" },
		{ "vhostuser", "path" }, { "internal", "name" }, { "vdpa", "dev" },
	};
	Wire__Nic *ret = wire_new(&wire__nic__descriptor);
	const char *kind = or_else(dom_attr(interface, "type"), "");
	const char *mac = or_else(dom_of(interface, "mac", "address"), "");

	wire_set(&ret->kind, kind);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (strcmp(sources[i].type, kind) == 0)
			wire_set(&ret->source, dom_of(interface, "source", sources[i].attribute));
	wire_set(&ret->mac, mac);
	for (char *at = ret->mac; *at; at++)
		if (*at >= 'A' && *at <= 'F')
			*at = (char)(*at - 'A' + 'a');
	/* libvirt's own choice on x86 when none is given. */
	wire_set(&ret->model, or_else(dom_of(interface, "model", "type"), "rtl8139"));
	return ret;
}

static int by_mac(const void *a, const void *b)
{
	const Wire__Nic *const *x = a, *const *y = b;
	int order = strcmp((*x)->mac, (*y)->mac);

	return order ? order : strcmp((*x)->source, (*y)->source);
}

static void collect_nics(const xmlNode *domain, Wire__Essence *essence)
{
	for (const xmlNode *nic = dom_child(dom_child(domain, "devices"), "interface"); nic;
	     nic = dom_next(nic, "interface")) {
		essence->nics = mem_resize(essence->nics, essence->n_nics + 1, sizeof(void *));
		essence->nics[essence->n_nics++] = collect_nic(nic);
	}
	if (essence->n_nics)
		qsort(essence->nics, essence->n_nics, sizeof(void *), by_mac);
}

/* ---------------------------------------------------------------- local state */

static bool on_volume(const char *path, const struct domain_rules *rules)
{
	return rules && domain_path_on_volume(path, rules->volumes, rules->volumes_n, NULL);
}

static void add_local(Wire__Essence *essence, const struct domain_rules *rules, const char *what,
		      const char *path)
{
	_cleanup_(freep) char *line = NULL;

	if (*path && on_volume(path, rules))
		return;
	line = mem_printf("%s %s", what, *path ? path : "in a directory of libvirt's");
	collect_line(&essence->local_state, &essence->n_local_state, line);
}

/* The variables of a UEFI firmware: a file of its own for each domain that has one. */
static void collect_nvram(const xmlNode *domain, const struct domain_rules *rules,
			  Wire__Essence *essence)
{
	const xmlNode *os = dom_child(domain, "os");
	const xmlNode *loader = dom_child(os, "loader");
	const xmlNode *nvram = dom_child(os, "nvram");
	bool efi = dom_attr_is(os, "firmware", "efi") || dom_attr_is(loader, "type", "pflash");
	const char *path = or_else(dom_of(nvram, "source", "file"), dom_text(nvram));

	if ((!efi && !nvram) || dom_attr_is(loader, "stateless", "yes") ||
	    dom_attr_is(nvram, "type", "network") || dom_attr_is(nvram, "type", "block"))
		return;
	add_local(essence, rules, "NVRAM", path);
}

static void collect_local_state(const xmlNode *domain, const struct domain_rules *rules,
				Wire__Essence *essence)
{
	const xmlNode *devices = dom_child(domain, "devices");

	collect_nvram(domain, rules, essence);
	for (const xmlNode *at = dom_element(devices); at; at = dom_element_next(at)) {
		const xmlNode *backend = dom_child(at, "backend");

		if (dom_is(at, "tpm") && (dom_attr_is(backend, "type", "emulator") ||
					  dom_attr_is(backend, "type", "external")))
			add_local(essence, rules, "TPM state",
				  or_else(dom_of(backend, "source", "path"), ""));
		if (dom_is(at, "filesystem"))
			add_local(essence, rules, "directory shared with the host",
				  or_else(dom_of(at, "source", "dir"), ""));
		if (dom_is(at, "memory") && dom_child(dom_child(at, "source"), "path"))
			add_local(essence, rules, "persistent memory",
				  dom_text(dom_child(dom_child(at, "source"), "path")));
	}
}

/* ---------------------------------------------------------------- the whole */

const char *collect_machine_family(const char *machine, char out[COLLECT_FAMILY_SIZE])
{
	static const struct {
		const char *start, *family;
	} known[] = { { "pc-i440fx", "pc" }, { "pc-q35", "q35" } };
	size_t n = strnlen(machine, COLLECT_FAMILY_SIZE - 1);
	const char *dash;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strncmp(machine, known[i].start, strlen(known[i].start)) == 0)
			return known[i].family;
	if (n == 0)
		return "pc";		/* the default on x86 */
	memcpy(out, machine, n);
	out[n] = 0;
	dash = strrchr(out, '-');
	if (dash && dash != out && dash[1] && dash[1 + strspn(dash + 1, "0123456789.")] == 0)
		out[dash - out] = 0;
	return out;
}

/* What the digest leaves out is said in essence.h. */
static uint64_t essence_digest(const Wire__Essence *essence)
{
	_cleanup_(wire_freep) Wire__Essence *copy = wire_dup(&essence->base);
	_cleanup_(buf_free) struct buf packed = { 0 };
	_cleanup_(freep) char *machine = mem_strdup(copy->machine);
	char family[COLLECT_FAMILY_SIZE];

	for (size_t i = 0; i < copy->n_disks; i++) {
		Wire__Disk *disk = copy->disks[i];

		while (disk->n_chain > 0)
			free(disk->chain[--disk->n_chain]);
	}
	while (copy->n_local_state > 0)
		free(copy->local_state[--copy->n_local_state]);
	wire_set(&copy->machine, collect_machine_family(machine, family));
	copy->digest = 0;
	wire_pack(&copy->base, &packed);
	return digest_bytes(packed.data, packed.len);
}

Wire__Essence *collect_essence(const xmlNode *domain, const struct domain_rules *rules)
{
	Wire__Essence *essence = wire_new(&wire__essence__descriptor);

	collect_memory_mib(dom_child(domain, "memory"), &essence->memory_mib);
	essence->vcpus = 1;
	collect_vcpus(domain, &essence->vcpus);
	wire_set(&essence->virt_type, dom_attr(domain, "type"));
	wire_set(&essence->machine, dom_of(dom_child(domain, "os"), "type", "machine"));
	collect_disks(domain, essence);
	collect_nics(domain, essence);
	collect_devices(domain, essence);
	collect_local_state(domain, rules, essence);
	essence->digest = essence_digest(essence);
	return essence;
}
