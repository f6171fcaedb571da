/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit: the main function of a unit-test program.
 *
 *	static void test_grows(void)
 *	{
 *		CU_ASSERT_EQUAL(thing_size(), 3);
 *	}
 *
 *	UNIT_MAIN("base/thing", { "grows", test_grows })
 *
 * The program runs its tests with CUnit, ends with one line "unit: base/thing: N passed, N failed"
 * and exits 0 if all passed. With arguments it runs only the tests named.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include "base/cleanup.h"

#include <CUnit/CUnit.h>
#include <stddef.h>

struct unit_test {
	const char *name;
	void (*run)(void);
};

int unit_run(const char *suite, const struct unit_test *tests, size_t n, int argc, char **argv);

/* Whether run(context) ends the process by abort(), as a failed assert and exhausted memory do. */
int unit_aborts(void (*run)(void *context), void *context);

#define UNIT_MAIN(suite, ...)                                                                      \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		static const struct unit_test tests[] = { __VA_ARGS__ };                           \
		return unit_run(suite, tests, ARRAY_SIZE(tests), argc, argv);                      \
	}

#endif
