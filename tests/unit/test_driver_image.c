/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/image.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static void test_paths(void)
{
	static const struct {
		const char *path;
		bool ok;
	} cases[] = {
		{ "/clusterstorage/.clusterd/state/u.1.sav", true },
		{ "/a/b/.clusterd/state/x", true },
		{ "/.clusterd/state/x", false },
		{ "a/.clusterd/state/x", false },
		{ "/a/.clusterd/state/", false },
		{ "/a/.clusterd/state/x/y", false },
		{ "/a/../b/.clusterd/state/x", false },
		{ "/a/./.clusterd/state/x", false },
		{ "/a/.clusterd/state/.hidden", false },
		{ "/a/.clusterd/x", false },
		{ "/etc/passwd", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (image_path_ok(cases[i].path) != cases[i].ok)
			CU_FAIL(cases[i].path);
	}
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void test_look(void)
{
	char dir[] = "/tmp/clusterd-image-XXXXXX", path[64], link[64];
	enum image_state state;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.sav", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	CU_ASSERT_EQUAL(image_look(path, &state), 0);
	CU_ASSERT_EQUAL(state, IMAGE_NONE);
	write_file(path, "LibvirtQemudPart and more");
	CU_ASSERT_EQUAL(image_look(path, &state), 0);
	CU_ASSERT_EQUAL(state, IMAGE_PARTIAL);
	write_file(path, "LibvirtQemudSav");
	CU_ASSERT_EQUAL(image_look(path, &state), 0);
	CU_ASSERT_EQUAL(state, IMAGE_PARTIAL);
	write_file(path, "LibvirtQemudSave and more");
	CU_ASSERT_EQUAL(image_look(path, &state), 0);
	CU_ASSERT_EQUAL(state, IMAGE_COMPLETE);
	/* A name that leads elsewhere is none of ours. */
	CU_ASSERT_EQUAL_FATAL(symlink(path, link), 0);
	CU_ASSERT(image_look(link, &state) < 0);
	unlink(link);
	unlink(path);
	rmdir(dir);
}

/* What goes with the drop of generation 9 of u1, and what stays. */
static void test_drop_older(const char *dir)
{
	static const struct {
		const char *name;
		bool stays;
	} cases[] = {
		{ "u1.9.sav.consumed", false },	 { "u1.7.sav.consumed", false },
		{ "u1.10.sav.consumed", true },	 { "u1.7.sav", true },
		{ "u11.7.sav.consumed", true },	 { "u2.7.sav.consumed", true },
		{ "u1.7x.sav.consumed", true },	 { "u1.sav.consumed", true },
	};
	struct outcome outcome;
	char path[150];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "%s/.clusterd/state/%s", dir, cases[i].name);
		write_file(path, "x");
	}
	snprintf(path, sizeof(path), "%s/.clusterd/state/u1.9.sav", dir);
	image_drop(path, &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "%s/.clusterd/state/%s", dir, cases[i].name);
		CU_ASSERT_EQUAL(access(path, F_OK) == 0, cases[i].stays);
		unlink(path);
	}
}

static void test_drop(void)
{
	char dir[] = "/tmp/clusterd-image-XXXXXX", path[100], name[120];
	struct outcome outcome;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/.clusterd", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.clusterd/state", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.clusterd/state/x.sav", dir);
	snprintf(name, sizeof(name), "%s.consumed", path);
	write_file(path, "x");
	write_file(name, "x");
	image_drop(path, &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_OK);
	CU_ASSERT(access(path, F_OK) < 0 && access(name, F_OK) < 0);
	image_drop(path, &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_OK);
	image_drop("/etc/passwd", &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_REFUSED);
	test_drop_older(dir);
	snprintf(path, sizeof(path), "%s/.clusterd/state", dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/.clusterd", dir);
	rmdir(path);
	rmdir(dir);
}

UNIT_MAIN("driver/image", { "paths", test_paths }, { "look", test_look }, { "drop", test_drop })
