/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "domain/path.h"

#include <stdio.h>

#include "tests/unit/unit.h"

static const char *const volumes[] = {
	"/clusterstorage/data1",
	"/clusterstorage/data10/",
	"/clusterstorage/data1/inner",
	"relative",
	"/bad/../volume",
	"//clusterstorage/./data2//",
};

static void test_table(void)
{
	static const struct {
		const char *path;
		int volume;		/* -1: none */
	} cases[] = {
		{ "/clusterstorage/data1/a.raw", 0 },
		{ "/clusterstorage/data1/dir/a.raw", 0 },
		{ "//clusterstorage///data1/./a.raw", 0 },
		{ "/clusterstorage/data10/a.raw", 1 },
		{ "/clusterstorage/data1/inner/a.raw", 2 },
		{ "/clusterstorage/data1/innermost/a.raw", 0 },
		{ "/clusterstorage/data2/a.raw", 5 },
		{ "/clusterstorage/data1/...", 0 },
		{ "/clusterstorage/data1/.hidden", 0 },
		{ "/clusterstorage/data1/..hidden", 0 },
		{ "/clusterstorage/data1", -1 },
		{ "/clusterstorage/data1/", -1 },
		{ "/clusterstorage/data1/.", -1 },
		{ "/clusterstorage/data1x/a.raw", -1 },
		{ "/clusterstorage/data", -1 },
		{ "/clusterstorage/data1/../data1/a.raw", -1 },
		{ "/clusterstorage/data1/..", -1 },
		{ "/clusterstorage/data1/x/../../etc/passwd", -1 },
		{ "clusterstorage/data1/a.raw", -1 },
		{ "relative/a.raw", -1 },
		{ "/relative/a.raw", -1 },
		{ "/bad/../volume/a", -1 },
		{ "/volume/a", -1 },
		{ "/", -1 },
		{ "", -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t volume = 99;
		bool on = domain_path_on_volume(cases[i].path, volumes, ARRAY_SIZE(volumes),
						&volume);

		if (on != (cases[i].volume >= 0))
			printf("case %s\n", cases[i].path);
		CU_ASSERT_EQUAL(on, cases[i].volume >= 0);
		CU_ASSERT_EQUAL(volume, on ? (size_t)cases[i].volume : 99);
	}
}

static void test_none(void)
{
	CU_ASSERT_FALSE(domain_path_on_volume("/a", NULL, 0, NULL));
	CU_ASSERT_TRUE(domain_path_on_volume("/clusterstorage/data1/a", volumes, 1, NULL));
	/* The root directory is no volume. */
	CU_ASSERT_FALSE(domain_path_on_volume("/a", (const char *const[]){ "/" }, 1, NULL));
}

UNIT_MAIN("domain/path", { "table", test_table }, { "none", test_none })
