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

static void test_drop(void)
{
	static const char *const forms[] = { "", ".consumed", ".direct" };
	char dir[] = "/tmp/clusterd-image-XXXXXX", path[100], name[120], other[120];
	struct outcome outcome;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/.clusterd", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.clusterd/state", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.clusterd/state/x.sav", dir);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(name, sizeof(name), "%s%s", path, forms[i]);
		write_file(name, "x");
	}
	/* Another image of the same guest stays. */
	snprintf(other, sizeof(other), "%s/.clusterd/state/x.sav2.consumed", dir);
	write_file(other, "x");
	image_drop(path, &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_OK);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(name, sizeof(name), "%s%s", path, forms[i]);
		CU_ASSERT(access(name, F_OK) < 0);
	}
	CU_ASSERT_EQUAL(unlink(other), 0);
	image_drop(path, &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_ABSENT);
	/* What cannot be removed is not called absent. */
	mkdir(path, 0700);
	image_drop(path, &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_FAILED);
	rmdir(path);
	image_drop("/etc/passwd", &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_REFUSED);
	snprintf(path, sizeof(path), "%s/.clusterd/state", dir);
	rmdir(path);
	/* Nor is there anything where there is no directory for it. */
	snprintf(name, sizeof(name), "%s/x.sav", path);
	image_drop(name, &outcome);
	CU_ASSERT_EQUAL(outcome.code, OUTCOME_ABSENT);
	snprintf(path, sizeof(path), "%s/.clusterd", dir);
	rmdir(path);
	rmdir(dir);
}

UNIT_MAIN("driver/image", { "paths", test_paths }, { "look", test_look }, { "drop", test_drop })
