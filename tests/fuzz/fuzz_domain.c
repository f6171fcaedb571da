/* SPDX-License-Identifier: GPL-2.0-or-later */
//
// Definitions as anybody may hand them in. What is taken must survive being stored, started
// and compared.
//
// Covers: domain/xml.c domain/dom.c domain/collect.c domain/devices.c domain/essence.c
// domain/canonical.c domain/metadata.c
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "domain/essence.h"
#include "tests/unit/data.h"
#include "wire/check.h"
#include "wire/message.h"

static void check_sentence(int r, const char *why)
{
	fuzz_must(r == -EINVAL, "another error than promised");
	fuzz_sentence(why, DOMAIN_WHY_SIZE - 1, "a refusal");
}

static struct domain *read_again(const struct buf *canonical)
{
	struct domain *again = NULL;
	char why[DOMAIN_WHY_SIZE] = "";

	fuzz_must(domain_read((const char *)canonical->data, canonical->len, NULL, &again, why,
			 sizeof(why)) == 0, why);
	return again;
}

static void check_canonical(const struct domain *domain)
{
	_cleanup_(buf_free) struct buf once = { 0 };
	_cleanup_(buf_free) struct buf twice = { 0 };
	_cleanup_(domain_freep) struct domain *again = NULL;
	char diff[1000];

	domain_canonical(domain, &once);
	fuzz_must(once.len <= WIRE_XML_MAX, "too large");
	fuzz_must(wire_text_ok(buf_str(&once), once.len, true), "not clean");
	again = read_again(&once);
	domain_canonical(again, &twice);
	fuzz_must(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0,
	     "the canonical form of the canonical form is another");
	domain_essence_diff(domain_essence(domain), domain_essence(again), diff, sizeof(diff));
	fuzz_must(!*diff, diff);
	fuzz_must(domain_essence_equal(domain_essence(domain), domain_essence(again)),
		  "another digest");
	fuzz_must(wire_check(&domain_essence(domain)->base, NULL) == 0, "essence beyond a limit");
}

static void check_start(const struct domain *domain)
{
	_cleanup_(buf_free) struct buf canonical = { 0 };
	_cleanup_(buf_free) struct buf start = { 0 };
	struct domain_mark mark;

	domain_canonical(domain, &canonical);
	fuzz_must(domain_for_start((const char *)canonical.data, canonical.len, 12, UINT64_MAX,
			      domain_name(domain), &start) == 0, "cannot be started");
	fuzz_must(domain_metadata((const char *)start.data, start.len, &mark) == 0,
		  "lost its mark");
	fuzz_must(mark.vm == 12 && mark.generation == UINT64_MAX, "another mark");
	fuzz_must(strcmp(mark.uuid, domain_uuid(domain)) == 0, "another uuid");
}

static void check_lenient(const char *xml, size_t size)
{
	_cleanup_(wire_freep) Wire__Essence *essence = NULL;
	char why[DOMAIN_WHY_SIZE] = "", digest[DOMAIN_CHAIN_DIGEST_SIZE];
	struct domain_mark mark;
	int r;

	r = domain_essence_read(xml, size, NULL, &essence, why, sizeof(why));
	if (r < 0)
		check_sentence(r, why);
	else
		domain_chain_digest(essence->disks, essence->n_disks, digest);
	r = domain_metadata(xml, size, &mark);
	fuzz_must(r == 0 || r == -ENOENT || r == -EBADMSG || r == -EMSGSIZE,
	     "another error than promised");
}

const unsigned int fuzz_rounds = 3000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct domain_rules rules = { .uuid = "24a2fa07-4b94-5348-8da7-519dd38d7895" };
	_cleanup_(domain_freep) struct domain *domain = NULL;
	char why[DOMAIN_WHY_SIZE] = "";
	int r;

	check_lenient((const char *)data, size);
	r = domain_read((const char *)data, size, &rules, &domain, why, sizeof(why));
	if (r < 0) {
		check_sentence(r, why);
		return 0;
	}
	check_canonical(domain);
	check_start(domain);
	return 0;
}

bool fuzz_seed(unsigned int n, struct buf *out)
{
	static const char *const files[] = {
		"plain.xml", "full.xml", "terse.xml", "firmware.xml", "plain.live.xml",
		"terse.live.xml", "full.changed.xml", "devices.xml", "devices.live.xml",
	};
	static const char *const texts[] = {
		"<domain type='kvm'><os><type>hvm</type></os><name>a</name>"
		"<memory>1</memory></domain>",
		"<domain type='kvm'><os><type>hvm</type></os><name>a</name><memory>1</memory>"
		"<description>a <!--b--> c<x/>d <![CDATA[ e ]]><?pi f?>&#13;&lt;</description>"
		"<metadata xmlns:a='urn:a'><a:b c='&#10;'> <d xmlns='urn:d'/> </a:b></metadata>"
		"<devices><console/><disk/><interface/></devices></domain>",
		"<domain><metadata><c:vm xmlns:c='https://clusterd.example/xmlns/domain/1' id='1' "
		"generation='2'/></metadata></domain>",
		"<!DOCTYPE a [<!ENTITY b 'c'>]><domain/>",
	};
	char path[100];

	if (n < ARRAY_SIZE(files)) {
		snprintf(path, sizeof(path), "domain/%s", files[n]);
		data_read(path, out);
		return true;
	}
	n -= ARRAY_SIZE(files);
	if (n >= ARRAY_SIZE(texts))
		return false;
	buf_append_str(out, texts[n]);
	return true;
}
