/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/metadata.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/data.h"
#include "tests/unit/unit.h"
#include "wire/check.h"

#define NS "xmlns:c='https://clusterd.example/xmlns/domain/1'"
#define WITH(metadata) \
	"<domain type='kvm'><name>w</name><uuid>U</uuid><metadata>" metadata "</metadata></domain>"

static void test_read(void)
{
	static const struct {
		const char *xml;
		int r;
		uint64_t vm, generation;
	} cases[] = {
		{ WITH("<c:vm " NS " id='12' generation='3'/>"), 0, 12, 3 },
		{ WITH("<vm xmlns='https://clusterd.example/xmlns/domain/1' "
		       "generation='3' id='12'/>"),
		  0, 12, 3 },
		{ WITH("<c:vm " NS
		       " id='18446744073709551615' generation='0' later='x'><c:y/></c:vm>"),
		  0, UINT64_MAX, 0 },
		{ WITH("<o:x xmlns:o='urn:o'/><c:later " NS "/><c:vm " NS
		       " id='1' generation='2'/>"),
		  0, 1, 2 },
		{ WITH(""), -ENOENT },
		{ "<domain/>", -ENOENT },
		{ WITH("<c:vm xmlns:c='urn:other' id='12' generation='3'/>"), -ENOENT },
		{ WITH("<vm id='12' generation='3'/>"), -ENOENT },
		{ "<domain><c:vm " NS " id='12' generation='3'/></domain>", -ENOENT },
		{ WITH("<c:vm " NS " id='12'/>"), -EBADMSG },
		{ WITH("<c:vm " NS " generation='12'/>"), -EBADMSG },
		{ WITH("<c:vm " NS " id='12 ' generation='3'/>"), -EBADMSG },
		{ WITH("<c:vm " NS " id='-1' generation='3'/>"), -EBADMSG },
		{ WITH("<c:vm " NS " id='18446744073709551616' generation='3'/>"), -EBADMSG },
		{ WITH("<c:vm " NS " id='1' generation='3'/><c:vm " NS " id='2' generation='3'/>"),
		  -EBADMSG },
		{ WITH("<c:vm id='12' generation='3'/>"), -EBADMSG }, /* no such prefix */
		{ "<domain><metadata>", -EBADMSG },
		{ "", -EBADMSG },
		{ "<pool/>", -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct domain_mark mark = { .vm = 4711 };
		int r = domain_metadata(cases[i].xml, strlen(cases[i].xml), &mark);

		if (r != cases[i].r)
			printf("case %zu: %d\n", i, r);
		CU_ASSERT_EQUAL(r, cases[i].r);
		CU_ASSERT_EQUAL(mark.vm, r == 0 ? cases[i].vm : 4711);
		CU_ASSERT_EQUAL(mark.generation, cases[i].generation);
		CU_ASSERT_STRING_EQUAL(mark.uuid, r == 0 ? "U" : "");
	}
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* What is started bears the mark, and the live domain tells it. */
static void test_real(void)
{
	static const char *const files[] = {
		"domain/plain.live.xml", "domain/full.live.xml", "domain/full.live-inactive.xml",
		"domain/terse.live.xml", "domain/firmware.live.xml", "domain/devices.live.xml",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(buf_free) struct buf xml = { 0 };
		_cleanup_(buf_free) struct buf again = { 0 };
		struct domain_mark mark = { 0 };

		data_read(files[i], &xml);
		CU_ASSERT_EQUAL(domain_metadata(buf_str(&xml), xml.len, &mark), 0);
		CU_ASSERT_EQUAL(mark.vm, 12);
		CU_ASSERT_EQUAL(mark.generation, 3);
		CU_ASSERT_EQUAL(strlen(mark.uuid), 36);
		/* A later start replaces the mark of the earlier one. */
		CU_ASSERT_EQUAL(domain_for_start(buf_str(&xml), xml.len, 13, 4, NULL, &again), 0);
		CU_ASSERT_EQUAL(domain_metadata(buf_str(&again), again.len, &mark), 0);
		CU_ASSERT_EQUAL(mark.vm, 13);
		CU_ASSERT_EQUAL(mark.generation, 4);
		CU_ASSERT_EQUAL(count(buf_str(&again), "clusterd:vm"), 1);
		CU_ASSERT_EQUAL(count(buf_str(&again), "os:info"), count(buf_str(&xml), "os:info"));
	}
}

static void test_for_start(void)
{
	static const char xml[] = "<domain type='kvm' id='3'><name>old</name><memory>1</memory>"
				  "<metadata><o:x xmlns:o='urn:o'/></metadata></domain>";
	static const char wanted[] =
		"<domain type=\"kvm\">\n"
		"  <name>web1</name>\n"
		"  <memory>1</memory>\n"
		"  <metadata>\n"
		"    <clusterd:vm xmlns:clusterd=\"https://clusterd.example/xmlns/domain/1\""
		" id=\"12\" generation=\"3\"/>\n"
		"    <o:x xmlns:o=\"urn:o\"/>\n"
		"  </metadata>\n"
		"</domain>\n";
	_cleanup_(buf_free) struct buf out = { 0 };

	CU_ASSERT_EQUAL(domain_for_start(xml, sizeof(xml) - 1, 12, 3, "web1", &out), 0);
	CU_ASSERT_STRING_EQUAL(buf_str(&out), wanted);
}

static void test_for_start_refused(void)
{
	_cleanup_(buf_free) struct buf xml = { 0 };
	_cleanup_(buf_free) struct buf out = { 0 };

	CU_ASSERT_EQUAL(domain_for_start("<x/>", 4, 1, 1, NULL, &out), -EBADMSG);
	buf_append_str(&xml, "<domain><title>");
	while (xml.len < WIRE_XML_MAX - 30)
		buf_append_byte(&xml, 'x');
	buf_append_str(&xml, "</title></domain>");
	CU_ASSERT_EQUAL(domain_for_start(buf_str(&xml), xml.len, 1, 1, NULL, &out), -EMSGSIZE);
	while (xml.len <= WIRE_XML_MAX)
		buf_append_byte(&xml, ' ');
	CU_ASSERT_EQUAL(domain_for_start(buf_str(&xml), xml.len, 1, 1, NULL, &out), -EMSGSIZE);
	CU_ASSERT_EQUAL(out.len, 0);
}

UNIT_MAIN("domain/metadata", { "read", test_read }, { "real", test_real },
	  { "for_start", test_for_start }, { "for_start_refused", test_for_start_refused })
