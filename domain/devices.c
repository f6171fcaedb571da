/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// One line for each device, made only of what an inactive definition says and a running
// domain says just the same.
#include "domain/collect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "domain/dom.h"
#include "wire/check.h"

enum { LINE_MAX_BYTES = 500 }; /* below the limit of wire/check.h, with room for the mark */

/* A word more, nothing if it is missing. */
static void word(struct buf *out, const char *text)
{
	if (text && *text)
		buf_printf(out, " %s", text);
}

static void word_or(struct buf *out, const char *text, const char *other)
{
	word(out, text && *text ? text : other);
}

/* ---------------------------------------------------------------- character devices */

static bool has_end_of_its_own(const char *type)
{
	static const char *const types[] = { "file", "dev", "pipe", "unix", "tcp", "udp" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

/* Where it leads. The path of a pty is the running domain's. */
static void character_end(const xmlNode *device, struct buf *out)
{
	const char *type = dom_attr(device, "type");

	if (!type || !has_end_of_its_own(type))
		return;
	for (const xmlNode *source = dom_child(device, "source"); source;
	     source = dom_next(source, "source")) {
		word(out, dom_attr(source, "path"));
		word(out, dom_attr(source, "host"));
		word(out, dom_attr(source, "service"));
	}
}

static void line_serial(const xmlNode *device, struct buf *out)
{
	word_or(out, dom_attr(device, "type"), "pty");
	character_end(device, out);
}

/* The socket of a channel is made by libvirt, and so is its default name. */
static void line_channel(const xmlNode *device, struct buf *out)
{
	bool agent = dom_attr_is(device, "type", "spicevmc") ||
		     dom_attr_is(device, "type", "qemu-vdagent");

	word(out, dom_attr(device, "type"));
	word_or(out, dom_of(device, "target", "type"), "virtio");
	word_or(out, dom_of(device, "target", "name"), agent ? "com.redhat.spice.0" : NULL);
	if (!dom_attr_is(device, "type", "unix"))
		character_end(device, out);
}

/* The first console is the first serial port again, whichever of both was written down. */
static bool is_serial_console(const xmlNode *console)
{
	const char *target = dom_of(console, "target", "type");

	return !target || strcmp(target, "serial") == 0;
}

static bool line_console(const xmlNode *device, struct buf *out)
{
	const xmlNode *devices = device->parent;

	if (is_serial_console(device)) {
		if (dom_child(devices, "serial") || dom_child(devices, "console") != device)
			return false;
		buf_reset(out);
		buf_append_str(out, "serial");
		line_serial(device, out);
		return true;
	}
	word_or(out, dom_attr(device, "type"), "pty");
	word(out, dom_of(device, "target", "type"));
	character_end(device, out);
	return true;
}

/* ---------------------------------------------------------------- others */

/* A ps2 mouse and a ps2 keyboard are in every PC. */
static bool line_input(const xmlNode *device, struct buf *out)
{
	const char *type = dom_attr(device, "type");
	const char *bus = dom_attr(device, "bus");
	bool basic = type && (strcmp(type, "mouse") == 0 || strcmp(type, "keyboard") == 0);

	if (bus ? strcmp(bus, "ps2") == 0 : basic)
		return false;
	word(out, type);
	word_or(out, bus, type && strcmp(type, "tablet") == 0 ? "usb" : NULL);
	word(out, dom_of(device, "source", "evdev"));
	word(out, dom_of(device, "source", "dev"));
	return true;
}

static void line_graphics(const xmlNode *device, struct buf *out)
{
	const char *port = dom_attr(device, "port");

	word(out, dom_attr(device, "type"));
	if (port && *port != '-' && strcmp(port, "0") != 0 &&
	    !dom_attr_is(device, "autoport", "yes"))
		buf_printf(out, " port %s", port);
}

/* With graphics comes a card, if none is written down: one of these, as libvirt was built. */
static bool line_video(const xmlNode *device, struct buf *out)
{
	const char *model = dom_of(device, "model", "type");

	if (!model || strcmp(model, "cirrus") == 0 || strcmp(model, "vga") == 0)
		return false;
	word(out, model);
	return true;
}

/* Every q35 has an iTCO; later libvirts show it. */
static bool line_watchdog(const xmlNode *device, struct buf *out)
{
	if (dom_attr_is(device, "model", "itco"))
		return false;
	word(out, dom_attr(device, "model"));
	word_or(out, dom_attr(device, "action"), "reset");
	return true;
}

static void line_rng(const xmlNode *device, struct buf *out)
{
	word_or(out, dom_attr(device, "model"), "virtio");
	word(out, dom_of(device, "backend", "model"));
}

static void line_panic(const xmlNode *device, struct buf *out)
{
	word_or(out, dom_attr(device, "model"), "isa");
}

static void line_tpm(const xmlNode *device, struct buf *out)
{
	word(out, dom_of(device, "backend", "type"));
}

static void line_memory(const xmlNode *device, struct buf *out)
{
	uint64_t mib = 0;

	word(out, dom_attr(device, "model"));
	collect_memory_mib(dom_child(dom_child(device, "target"), "size"), &mib);
	buf_printf(out, " %" PRIu64 " MiB", mib);
}

static void line_filesystem(const xmlNode *device, struct buf *out)
{
	word(out, dom_of(device, "source", "dir"));
	word(out, dom_of(device, "target", "dir"));
}

/* The address of the host's device tells it apart; its other <address> is the guest's. */
static void line_hostdev(const xmlNode *device, struct buf *out)
{
	static const char *const parts[] = {
		"domain", "bus", "slot", "function", "device", "uuid", "target", "unit",
	};
	const xmlNode *source = dom_child(device, "source");
	const xmlNode *address = dom_child(source, "address");
	const xmlNode *adapter = dom_child(source, "adapter");

	word(out, dom_attr(device, "mode"));
	word(out, dom_attr(device, "type"));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		word(out, dom_attr(address, parts[i]));
	word(out, dom_attr(adapter, "name"));
	word(out, dom_of(source, "vendor", "id"));
	word(out, dom_of(source, "product", "id"));
}

static void line_redirdev(const xmlNode *device, struct buf *out)
{
	word(out, dom_attr(device, "bus"));
	word(out, dom_attr(device, "type"));
}

static void line_lease(const xmlNode *device, struct buf *out)
{
	word(out, dom_text(dom_child(device, "lockspace")));
	word(out, dom_text(dom_child(device, "key")));
}

static void line_other(const xmlNode *device, struct buf *out)
{
	word(out, dom_attr(device, "mode"));
	word(out, dom_attr(device, "type"));
	word(out, dom_attr(device, "model"));
	word(out, dom_attr(device, "name"));
}

/* Lines that always count end in `line`; those of the other kind say whether they do. */
static const struct {
	const char *element;
	void (*line)(const xmlNode *device, struct buf *out);
	bool (*line_if)(const xmlNode *device, struct buf *out);
} rules_of[] = {
	/* Told elsewhere, or added by libvirt as it sees fit. */
	{ "disk" },
	{ "interface" },
	{ "emulator" },
	{ "controller" },
	{ "memballoon" },
	{ "audio" },
	{ "redirfilter" },
	{ "serial", line_serial },
	{ "parallel", line_serial },
	{ "console", .line_if = line_console },
	{ "channel", line_channel },
	{ "input", .line_if = line_input },
	{ "graphics", line_graphics },
	{ "video", .line_if = line_video },
	{ "watchdog", .line_if = line_watchdog },
	{ "rng", line_rng },
	{ "panic", line_panic },
	{ "tpm", line_tpm },
	{ "memory", line_memory },
	{ "filesystem", line_filesystem },
	{ "hostdev", line_hostdev },
	{ "redirdev", line_redirdev },
	{ "lease", line_lease },
};

static bool device_line(const xmlNode *device, struct buf *out)
{
	buf_append_str(out, (const char *)device->name);
	for (size_t i = 0; i < ARRAY_SIZE(rules_of); i++) {
		if (!dom_is(device, rules_of[i].element))
			continue;
		if (rules_of[i].line_if)
			return rules_of[i].line_if(device, out);
		if (!rules_of[i].line)
			return false;
		rules_of[i].line(device, out);
		return true;
	}
	line_other(device, out);
	return true;
}

/* A line that is too long keeps its start, and the digest of the whole. */
static void shorten(struct buf *line)
{
	uint64_t digest = digest_bytes(line->data, line->len);

	if (line->len <= LINE_MAX_BYTES)
		return;
	buf_truncate(line, wire_text_fit(buf_str(line), LINE_MAX_BYTES - 20));
	buf_printf(line, " ~%016" PRIx64, digest);
}

static void add(Wire__Essence *essence, struct buf *line)
{
	shorten(line);
	collect_line(&essence->devices, &essence->n_devices, buf_str(line));
}

/* The files of a direct boot must be on every node where it is to start. */
static void collect_boot(const xmlNode *domain, Wire__Essence *essence)
{
	static const char *const files[] = { "kernel", "initrd", "dtb" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(buf_free) struct buf line = { 0 };
		const xmlNode *file = dom_child(dom_child(domain, "os"), files[i]);

		if (!file)
			continue;
		buf_printf(&line, "%s %s", files[i], dom_text(file));
		add(essence, &line);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void collect_devices(const xmlNode *domain, Wire__Essence *essence)
{
	const xmlNode *devices = dom_child(domain, "devices");

	collect_boot(domain, essence);
	for (const xmlNode *at = dom_element(devices); at; at = dom_element_next(at)) {
		_cleanup_(buf_free) struct buf line = { 0 };

		if (device_line(at, &line))
			add(essence, &line);
	}
	if (essence->n_devices)
		qsort(essence->devices, essence->n_devices, sizeof(char *), by_text);
}
