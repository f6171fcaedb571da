/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "csv/volume.h"
#include "tests/unit/unit.h"

static void test_check(void)
{
	static const struct {
		const char *name, *driver, *target;
		bool declared;
		int result;
	} cases[] = {
		{ "data1", "dir", "/srv/data", true, 0 },
		{ "data1", "dir", "/srv/data", false, -EINVAL },
		{ "data 1", "dir", "/srv/data", true, -EINVAL },
		{ "data1", "nfs", "/srv/data", true, -EINVAL },
		{ "data1", "dir", "srv/data", true, -EINVAL },
		{ "data1", "dir", "/srv/../data", true, -EINVAL },
		{ "data1", "dir", "/srv//data", true, -EINVAL },
		{ "data1", "dir", "/srv/data/", true, -EINVAL },
		{ "data1", "dir", "/", true, -EINVAL },
		{ "data1", "dir", "", true, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char why[256] = "";

		CU_ASSERT_EQUAL(volume_check(cases[i].name, cases[i].driver, cases[i].target,
					     cases[i].declared, why, sizeof(why)),
				cases[i].result);
		CU_ASSERT_EQUAL(why[0] != '\0', cases[i].result != 0);
	}
}

static void test_holds(void)
{
	CU_ASSERT(volume_holds("/srv/data", "/srv/data/a.raw"));
	CU_ASSERT(volume_holds("/srv/data", "/srv/data/x/a.raw"));
	CU_ASSERT_FALSE(volume_holds("/srv/data", "/srv/data"));
	CU_ASSERT_FALSE(volume_holds("/srv/data", "/srv/database/a.raw"));
	CU_ASSERT_FALSE(volume_holds("/srv/data", "/srv/data/../etc/passwd"));
	CU_ASSERT_FALSE(volume_holds("/srv/data", "srv/data/a.raw"));
}

UNIT_MAIN("csv/volume", { "check", test_check }, { "holds", test_holds })
