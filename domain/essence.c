/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/essence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "domain/collect.h"
#include "domain/dom.h"
#include "domain/why.h"
#include "wire/check.h"
#include "wire/message.h"

int domain_essence_read(const char *xml, size_t size, const struct domain_rules *rules,
			Wire__Essence **ret, char *ret_why, size_t why_size)
{
	_cleanup_(wire_freep) Wire__Essence *essence = NULL;
	_cleanup_(dom_freep) xmlDoc *doc = NULL;
	_cleanup_(buf_free) struct buf why = { 0 };
	const char *field;

	if (dom_read(xml, size, DOMAIN_XML_MAX, &doc, &why) < 0)
		return why_give(&why, ret_why, why_size);
	essence = collect_essence(xmlDocGetRootElement(doc), rules);
	if (wire_check(&essence->base, &field) < 0) {
		why_field(&why, field);
		return why_give(&why, ret_why, why_size);
	}
	*ret = steal_ptr(essence);
	return 0;
}

bool domain_essence_equal(const Wire__Essence *a, const Wire__Essence *b)
{
	return a->digest == b->digest;
}

/* ---------------------------------------------------------------- difference */

static void item(struct buf *out)
{
	if (out->len)
		buf_append_str(out, "; ");
}

static const char *or_none(const char *text)
{
	return *text ? text : "none";
}

static void diff_text(struct buf *out, const char *what, const char *name, const char *old,
		      const char *new)
{
	if (strcmp(old, new) == 0)
		return;
	item(out);
	buf_printf(out, "%s%s %s -> %s", what, name, or_none(old), or_none(new));
}

static void diff_flag(struct buf *out, const char *what, const char *name, bool old, bool new)
{
	diff_text(out, what, name, old ? "yes" : "no", new ? "yes" : "no");
}

static void diff_source(struct buf *out, const Wire__Disk *old, const Wire__Disk *new)
{
	if (strcmp(old->source, new->source) == 0)
		return;
	item(out);
	buf_printf(out, "disk %s: %s -> %s", old->target, or_none(old->source),
		   or_none(new->source));
	for (size_t i = 0; i < new->n_chain; i++)
		buf_printf(out, "%s%s", i == 0 ? " (backing " : ", ", new->chain[i]);
	if (new->n_chain)
		buf_append_str(out, ")");
}

static void diff_disk(struct buf *out, const Wire__Disk *old, const Wire__Disk *new)
{
	_cleanup_(freep) char *name = mem_printf("disk %s: ", old->target);

	diff_source(out, old, new);
	diff_text(out, name, "kind", old->kind, new->kind);
	diff_text(out, name, "format", old->format, new->format);
	diff_text(out, name, "cache", *old->cache ? old->cache : "default",
		  *new->cache ? new->cache : "default");
	diff_flag(out, name, "readonly", old->readonly, new->readonly);
	diff_flag(out, name, "cdrom", old->cdrom, new->cdrom);
	diff_flag(out, name, "shareable", old->shareable, new->shareable);
}

static void disk_alone(struct buf *out, const Wire__Disk *disk, const char *what)
{
	item(out);
	buf_printf(out, "disk %s %s (%s)", disk->target, what, or_none(disk->source));
}

static void diff_nic(struct buf *out, const Wire__Nic *old, const Wire__Nic *new)
{
	_cleanup_(freep) char *name = mem_printf("nic %s: ", old->mac);

	diff_text(out, name, "kind", old->kind, new->kind);
	diff_text(out, name, "source", old->source, new->source);
	diff_text(out, name, "model", old->model, new->model);
}

static void nic_alone(struct buf *out, const Wire__Nic *nic, const char *what)
{
	item(out);
	buf_printf(out, "nic %s %s (%s%s%s)", or_none(nic->mac), what, nic->kind,
		   *nic->source ? " " : "", nic->source);
}

static void device_alone(struct buf *out, const char *device, const char *what)
{
	item(out);
	buf_printf(out, "device %s: %s", what, device);
}

/* The three lists are sorted: walk both sides at once. */
static void diff_disks(struct buf *out, const Wire__Essence *a, const Wire__Essence *b)
{
	size_t i = 0, j = 0;

	while (i < a->n_disks || j < b->n_disks) {
		int order = i == a->n_disks ? 1 : j == b->n_disks ? -1 :
			    strcmp(a->disks[i]->target, b->disks[j]->target);

		if (order == 0)
			diff_disk(out, a->disks[i++], b->disks[j++]);
		else if (order < 0)
			disk_alone(out, a->disks[i++], "gone");
		else
			disk_alone(out, b->disks[j++], "added");
	}
}

static void diff_nics(struct buf *out, const Wire__Essence *a, const Wire__Essence *b)
{
	size_t i = 0, j = 0;

	while (i < a->n_nics || j < b->n_nics) {
		int order = i == a->n_nics ? 1 : j == b->n_nics ? -1 :
			    strcmp(a->nics[i]->mac, b->nics[j]->mac);

		if (order == 0)
			diff_nic(out, a->nics[i++], b->nics[j++]);
		else if (order < 0)
			nic_alone(out, a->nics[i++], "gone");
		else
			nic_alone(out, b->nics[j++], "added");
	}
}

static void diff_devices(struct buf *out, const Wire__Essence *a, const Wire__Essence *b)
{
	size_t i = 0, j = 0;

	while (i < a->n_devices || j < b->n_devices) {
		int order = i == a->n_devices ? 1 : j == b->n_devices ? -1 :
			    strcmp(a->devices[i], b->devices[j]);

		if (order < 0)
			device_alone(out, a->devices[i], "gone");
		else if (order > 0)
			device_alone(out, b->devices[j], "added");
		i += order <= 0;
		j += order >= 0;
	}
}

static void diff_numbers(struct buf *out, const Wire__Essence *a, const Wire__Essence *b)
{
	if (a->memory_mib != b->memory_mib) {
		item(out);
		buf_printf(out, "memory %" PRIu64 " -> %" PRIu64 " MiB", a->memory_mib,
			   b->memory_mib);
	}
	if (a->vcpus != b->vcpus) {
		item(out);
		buf_printf(out, "vcpus %" PRIu32 " -> %" PRIu32, a->vcpus, b->vcpus);
	}
}

static void cut(const struct buf *text, char *out, size_t size)
{
	static const char more[] = " ...";
	size_t n;

	if (text->len < size) {
		memcpy(out, buf_str(text), text->len + 1);
		return;
	}
	n = size > sizeof(more) ? wire_text_fit(buf_str(text), size - sizeof(more)) : 0;
	memcpy(out, buf_str(text), n);
	snprintf(out + n, size - n, "%s", more);
}

void domain_essence_diff(const Wire__Essence *record, const Wire__Essence *live, char *out,
			 size_t size)
{
	_cleanup_(buf_free) struct buf text = { 0 };
	char old[COLLECT_FAMILY_SIZE], new[COLLECT_FAMILY_SIZE];

	diff_disks(&text, record, live);
	diff_nics(&text, record, live);
	diff_numbers(&text, record, live);
	diff_text(&text, "", "type", record->virt_type, live->virt_type);
	diff_text(&text, "", "machine", collect_machine_family(record->machine, old),
		  collect_machine_family(live->machine, new));
	diff_devices(&text, record, live);
	if (size > 0)
		cut(&text, out, size);
}

/* ---------------------------------------------------------------- chains */

static int by_target(const void *a, const void *b)
{
	const Wire__Disk *const *x = a, *const *y = b;

	return strcmp((*x)->target, (*y)->target);
}

/* Each text with its end, so that no two lists run into the same bytes. */
static uint64_t add_text(uint64_t digest, const char *text)
{
	return digest_add(digest, text, strlen(text) + 1);
}

static uint64_t add_disk(uint64_t digest, const Wire__Disk *disk)
{
	digest = add_text(digest, disk->target);
	digest = add_text(digest, disk->source);
	digest = digest_add_u64(digest, disk->n_chain);
	for (size_t i = 0; i < disk->n_chain; i++)
		digest = add_text(digest, disk->chain[i]);
	return digest;
}

void domain_chain_digest(Wire__Disk *const *disks, size_t n, char out[DOMAIN_CHAIN_DIGEST_SIZE])
{
	_cleanup_(freep) const Wire__Disk **sorted = mem_new_array(const Wire__Disk *, n);
	uint64_t digest = digest_start();
	size_t counted = 0;

	/* A medium that is changed is no change of the machine's disks. */
	for (size_t i = 0; i < n; i++)
		if (!disks[i]->cdrom && *disks[i]->source)
			sorted[counted++] = disks[i];
	out[0] = 0;
	if (counted == 0)
		return;
	qsort(sorted, counted, sizeof(sorted[0]), by_target);
	for (size_t i = 0; i < counted; i++)
		digest = add_disk(digest, sorted[i]);
	snprintf(out, DOMAIN_CHAIN_DIGEST_SIZE, "%016" PRIx64, digest_finish(digest));
}
