/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// What libvirt's hook reads from libvirt and from the daemon, and what the daemon reads from the
// hook. The first byte of an input chooses.
//
// Covers: agents/hook_ask.c clusterd/shell/hook.c domain/metadata.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "agents/hook_ask.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "clusterd/shell/hook.h"
#include "domain/metadata.h"
#include "tests/fuzz/commands.h"

const unsigned int fuzz_rounds = 10000;

enum { WHY_SIZE = 600 };

static const char vm_uuid[] = "00000000-0000-4000-8000-000000000001";

static void try_definition(struct fuzz_in in)
{
	struct hook_guest guest, before;
	int r;

	memset(&guest, 0xaa, sizeof(guest));
	before = guest;
	r = hook_read_xml(in.size ? (const char *)in.data : "", in.size, &guest);
	if (r < 0) {
		fuzz_must(r == -EBADMSG, "another error than promised");
		fuzz_must(memcmp(&guest, &before, sizeof(guest)) == 0,
			  "an output touched on failure");
		return;
	}
	fuzz_must(strlen(guest.uuid) == HOOK_UUID_SIZE - 1, "no uuid");
	fuzz_must(strspn(guest.uuid, "0123456789abcdefABCDEF-") == HOOK_UUID_SIZE - 1, "a path");
	fuzz_must(guest.marked || (guest.vm == 0 && guest.generation == 0), "a mark from nowhere");
}

/* The short reader and the thorough one see the same mark in what libvirt writes. */
static void try_mark(struct fuzz_in in)
{
	uint64_t vm = fuzz_number(&in), generation = fuzz_number(&in);
	_cleanup_(buf_free) struct buf xml = { 0 };
	struct hook_guest guest;
	struct domain_mark mark;

	buf_printf(&xml, "<domain type='kvm'><name>a</name><uuid>%s</uuid><metadata>"
		   "<clusterd:vm xmlns:clusterd=\"https://clusterd.example/xmlns/domain/1\" "
		   "id=\"%llu\" generation=\"%llu\"/></metadata></domain>", vm_uuid,
		   (unsigned long long)vm, (unsigned long long)generation);
	fuzz_must(hook_read_xml(buf_str(&xml), xml.len, &guest) == 0, "a definition of ours");
	fuzz_must(guest.marked && guest.vm == vm && guest.generation == generation, "its mark");
	if (domain_metadata(buf_str(&xml), xml.len, &mark) == 0)
		fuzz_must(mark.vm == vm && mark.generation == generation &&
				  strcmp(mark.uuid, guest.uuid) == 0, "two readers differ");
}

static void try_reply(struct fuzz_in in)
{
	char why[WHY_SIZE] = "untouched";
	enum hook_answer answer = hook_judge(in.size ? (const char *)in.data : "", in.size, why,
					     sizeof(why));

	fuzz_must(strlen(why) < sizeof(why), "too long");
	fuzz_must((answer == HOOK_MAY) == (strcmp(why, "untouched") == 0) ||
			  answer == HOOK_MAY_NOT, "a reason for a yes, or none for silence");
}

static struct core *core_of_cluster(void)
{
	const struct core_config config = { .node = 2, .boot_id = COMMANDS_BOOT + 2, .disk_id = 2,
					    .kernel_boot_id = "k", .random = 1 };
	struct core *core = core_new(&config);

	fuzz_must(commands_load(core) == 0, "the base cannot be loaded");
	return core;
}

static void check_answer(const struct core *core, const struct fuzz_in *in)
{
	char reply[HOOK_REPLY_MAX], again[HOOK_REPLY_MAX];
	const char *text = in->size ? (const char *)in->data : "";
	size_t size = hook_answer(core, text, in->size, reply);
	json_t *json = json_loadb(reply, size, 0, NULL);
	const json_t *ok = json_object_get(json, "ok");
	const char *why = json_string_value(json_object_get(json, "why"));

	fuzz_must(json_is_boolean(ok) && why, "no answer");
	fuzz_clean(why, WHY_SIZE, "a reason");
	fuzz_must(json_is_true(ok) || *why, "a no without a reason");
	/* It runs on node 1, in an epoch that is not open: here it may not, whatever is said. */
	if (core && memmem(text, in->size, vm_uuid, strlen(vm_uuid)))
		fuzz_must(json_is_false(ok) ||
				  !json_is_true(json_object_get(json, "managed")),
			  "a guest may run twice");
	fuzz_must(hook_answer(core, text, in->size, again) == size &&
			  memcmp(reply, again, size) == 0, "another answer the second time");
	json_decref(json);
}

static void try_question(struct fuzz_in in)
{
	struct core *core = fuzz_byte(&in) % 4 ? core_of_cluster() : NULL;

	check_answer(core, &in);
	core_free(core);
}

static void (*const tries[])(struct fuzz_in in) = {
	try_definition, try_mark, try_reply, try_question,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };

	tries[fuzz_below(&in, ARRAY_SIZE(tries))](in);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
#define UUID "00000000-0000-4000-8000-000000000001"
#define QUESTION(op, more) "{\"do\":\"may-run\",\"uuid\":\"" UUID "\",\"op\":\"" op "\"" more "}"
	static const struct {
		uint8_t kind;
		const char *text;
	} seeds[] = {
		{ 0, "<domain type='kvm' id='3'>\n  <name>web1</name>\n  <uuid>" UUID "</uuid>\n"
		     "  <metadata>\n    <clusterd:vm xmlns:clusterd=\"https://clusterd.example/"
		     "xmlns/domain/1\" id=\"9\" generation=\"1\"/>\n  </metadata>\n</domain>" },
		{ 0, "<domain><uuid>" UUID "</uuid><metadata></metadata></domain>" },
		{ 1, "\x09\x01" },
		{ 2, "{\"ok\":true,\"why\":\"\",\"managed\":true}" },
		{ 2, "{\"ok\":false,\"why\":\"it runs on n1\"}" },
		{ 2, "{\"ok\":false}" },
		{ 3, "\x01" QUESTION("start", "") },
		{ 3, "\x01" QUESTION("restore", ",\"marked\":true") },
		{ 3, "\x01" QUESTION("incoming", ",\"marked\":false") },
		{ 3, "\x01{\"do\":\"may-run\",\"uuid\":\"x\",\"op\":\"start\",\"marked\":true}" },
		{ 3, "\x04" QUESTION("start", "") },
		{ 3, "\x01[]" },
	};

	if (n >= ARRAY_SIZE(seeds))
		return false;
	buf_append_byte(out, seeds[n].kind);
	buf_append_str(out, seeds[n].text);
	return true;
}
