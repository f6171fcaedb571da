/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_STORY_H
#define TESTS_UNIT_STORY_H

/* What a world did, compared word for word with what is expected. */

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#include "tests/trace/world.h"

/* All that has happened in the world since it was asked last; shown if it is something else. */
#define STORY(world, expected)                                                                     \
	do {                                                                                       \
		const char *story = world_story(world);                                            \
		if (strcmp(story, expected) != 0)                                                  \
			fprintf(stderr, "%s:%d story:\n%s", __FILE__, __LINE__, story);            \
		CU_ASSERT_STRING_EQUAL(story, expected);                                           \
	} while (0)

#endif
