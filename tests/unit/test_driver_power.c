/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On libvirt's test driver, which keeps domains in this process. */
#include "migrate/driver/power.h"

#include <string.h>

#include <libvirt/virterror.h>

#include "base/buf.h"
#include "domain/metadata.h"
#include "migrate/driver/link.h"
#include "tests/unit/unit.h"

#define UUID "5c0ffee5-0000-4000-8000-00000000beef"

static const char definition[] =
	"<domain type='test'><name>web1</name><uuid>" UUID "</uuid><memory unit='MiB'>96</memory>"
	"<vcpu>1</vcpu><os><type>hvm</type></os></domain>";

static void silent(void *context, virErrorPtr error)
{
}

static virConnectPtr open_libvirt(void)
{
	virConnectPtr conn;

	virSetErrorFunc(NULL, silent);
	conn = virConnectOpen("test:///default");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
	return conn;
}

static struct outcome start(virConnectPtr conn, uint64_t vm, uint64_t generation)
{
	_cleanup_(buf_free) struct buf xml = { 0 };
	struct outcome outcome;

	CU_ASSERT_EQUAL_FATAL(domain_for_start(definition, strlen(definition), vm, generation,
					       "web1", &xml), 0);
	power_on(conn, UUID, buf_str(&xml), vm, generation, &outcome);
	return outcome;
}

static bool runs(virConnectPtr conn)
{
	_cleanup_(link_domain_freep) virDomainPtr domain = NULL;

	return link_domain(conn, UUID, &domain) == 0 && virDomainIsActive(domain) == 1;
}

/*
 * The mark is that of the start for as long as the guest lives, wherever it is moved to. So an
 * order of a later right than that finds what it did not start, and an order that is told twice
 * what it did.
 */
static void test_start_of_what_is_there(void)
{
	static const struct {
		const char *what;
		uint64_t vm, generation;
		enum outcome_code code;
		const char *text;
	} cases[] = {
		{ "the same order again", 12, 3, OUTCOME_OK, "running already" },
		{ "a later right", 12, 4, OUTCOME_FAILED, "left alone" },
		{ "an earlier right", 12, 2, OUTCOME_FAILED, "left alone" },
		{ "another VM", 13, 3, OUTCOME_FAILED, "left alone" },
	};
	virConnectPtr conn = open_libvirt();
	struct outcome outcome = start(conn, 12, 3);

	CU_ASSERT_EQUAL_FATAL(outcome.code, OUTCOME_OK);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		outcome = start(conn, cases[i].vm, cases[i].generation);
		if (outcome.code != cases[i].code || !strstr(outcome.text, cases[i].text))
			CU_FAIL(cases[i].what);
		CU_ASSERT(runs(conn));
	}
	virConnectClose(conn);
}

/* One that bears no mark is a stranger, whatever its uuid. */
static void test_stranger(void)
{
	virConnectPtr conn = open_libvirt();
	virDomainPtr domain = virDomainCreateXML(conn, definition, 0);
	struct outcome outcome;

	CU_ASSERT_PTR_NOT_NULL_FATAL(domain);
	virDomainFree(domain);
	outcome = start(conn, 12, 3);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(outcome.text, "left alone"));
	CU_ASSERT(runs(conn));
	virConnectClose(conn);
}

UNIT_MAIN("driver/power", { "start of what is there", test_start_of_what_is_there },
	  { "stranger", test_stranger })
