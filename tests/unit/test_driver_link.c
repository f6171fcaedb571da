/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cleanup.h"
#include "migrate/driver/link.h"
#include "tests/unit/unit.h"

static void test_sentence(void)
{
	static const struct {
		const char *message;
		bool of_hook;
		const char *sentence;
	} cases[] = {
		{ "no domain", false, "no domain" },
		{ "", false, "" },
		{ "monitor: 2026-11-21T15:04:05.123456Z qemu-system-x86_64: no disk", false,
		  "monitor: qemu-system-x86_64: no disk" },
		{ "2026-11-21T15:04:05.123456Z a 2026-11-21T15:04:06.000000Z b", false, "a b" },
		{ "until 2026-11-21T15:04:05Z", false, "until 2026-11-21T15:04:05Z" },
		{ "ends with 2026-11-21T15:04:05.123456Z ", false, "ends with " },
		{ "2026-", false, "2026-" },
		{ "Hook script execution failed: A=1 unexpected exit status 1: web1 is managed",
		  true, "web1 is managed" },
		{ "Hook script execution failed", true, "Hook script execution failed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char sentence[200];

		link_sentence(cases[i].message, cases[i].of_hook, sentence, sizeof(sentence));
		CU_ASSERT_STRING_EQUAL(sentence, cases[i].sentence);
	}
}

static void test_short(void)
{
	char sentence[6];

	link_sentence("no domain", false, sentence, sizeof(sentence));
	CU_ASSERT_STRING_EQUAL(sentence, "no do");
}

UNIT_MAIN("migrate/driver/link", { "sentence", test_sentence }, { "short", test_short })
