/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

static void test_header(void)
{
	uint8_t data[CHAIN_HEADER_SIZE] = "QFI\xfb\0\0\0\3";

	CU_ASSERT_EQUAL(chain_judge_header(data, sizeof(data)), CHAIN_NONE);
	CU_ASSERT_EQUAL(chain_judge_header(data, 71), CHAIN_NOT_QCOW2);
	data[15] = 1; /* the backing file's name is there */
	CU_ASSERT_EQUAL(chain_judge_header(data, sizeof(data)), CHAIN_BELOW);
	data[15] = 0;
	data[8] = 1;
	CU_ASSERT_EQUAL(chain_judge_header(data, sizeof(data)), CHAIN_BELOW);
	data[8] = 0;
	data[79] = 1 << 2; /* data in another file */
	CU_ASSERT_EQUAL(chain_judge_header(data, sizeof(data)), CHAIN_BELOW);
	data[7] = 2; /* version 2 has no features */
	CU_ASSERT_EQUAL(chain_judge_header(data, sizeof(data)), CHAIN_NONE);
	data[0] = 'X';
	CU_ASSERT_EQUAL(chain_judge_header(data, sizeof(data)), CHAIN_NOT_QCOW2);
}

static void test_parse(void)
{
	static const struct {
		const char *json;
		int r;
		size_t n;
	} cases[] = {
		{ "[{\"filename\":\"/a\"}]", 0, 0 },
		{ "[{\"filename\":\"/a\"},{\"filename\":\"/b\"},{\"filename\":\"/c\"}]", 0, 2 },
		{ "[]", -EBADMSG, 0 },
		{ "{}", -EBADMSG, 0 },
		{ "[{\"filename\":\"/a\"},{}]", -EBADMSG, 0 },
		{ "[{\"filename\":\"/a\"},{\"filename\":7}]", -EBADMSG, 0 },
		{ "not at all", -EBADMSG, 0 },
		{ "", -EBADMSG, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(wire_freep) Wire__Disk *disk = wire_new(&wire__disk__descriptor);

		CU_ASSERT_EQUAL(chain_parse(cases[i].json, strlen(cases[i].json), disk),
				cases[i].r);
		CU_ASSERT_EQUAL(disk->n_chain, cases[i].n);
		CU_ASSERT(cases[i].n == 0 || strcmp(disk->chain[0], "/b") == 0);
	}
}

static Wire__Disk *new_disk(const char *below)
{
	Wire__Disk *disk = wire_new(&wire__disk__descriptor);

	wire_set(&disk->target, "vda");
	wire_set(&disk->source, "/a");
	wire_set(&disk->format, "qcow2");
	wire_set(&disk->kind, "file");
	if (below) {
		disk->chain = mem_new_array(char *, 1);
		disk->chain[disk->n_chain++] = mem_strdup(below);
	}
	return disk;
}

static void test_expected(void)
{
	_cleanup_(wire_freep) Wire__Disk *plain = new_disk(NULL), *declared = new_disk("/b");
	char b[DOMAIN_CHAIN_DIGEST_SIZE];

	domain_chain_digest(&declared, 1, b);
	/* Nothing is known. */
	CU_ASSERT_TRUE(chain_is_expected(b, "", "", &plain, 1));
	CU_ASSERT_TRUE(chain_is_expected(b, "", "", NULL, 0));
	/* What ran last, before what is declared. */
	CU_ASSERT_TRUE(chain_is_expected(b, "", b, &plain, 1));
	CU_ASSERT_FALSE(chain_is_expected("other", "", b, &plain, 1));
	CU_ASSERT_FALSE(chain_is_expected(b, "", "other", &declared, 1));
	/* What was accepted, before both. */
	CU_ASSERT_TRUE(chain_is_expected("new", "new", b, &declared, 1));
	CU_ASSERT_TRUE(chain_is_expected(b, "new", b, &declared, 1));
	CU_ASSERT_FALSE(chain_is_expected("other", "new", b, &declared, 1));
	CU_ASSERT_FALSE(chain_is_expected("other", "new", "", &plain, 1));
	/* What is declared. */
	CU_ASSERT_TRUE(chain_is_expected(b, "", "", &declared, 1));
	CU_ASSERT_FALSE(chain_is_expected("other", "", "", &declared, 1));
}

/* A raw image is not even opened; what is missing is named. */
static void test_read(void)
{
	_cleanup_(wire_freep) Wire__Disk *disk = new_disk("/stale");
	char now[DOMAIN_CHAIN_DIGEST_SIZE], why[300] = "";
	char path[] = "/tmp/clusterd-chain-XXXXXX";
	uint8_t header[CHAIN_HEADER_SIZE] = "QFI\xfb\0\0\0\3";
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, header, sizeof(header)), sizeof(header));
	close(fd);
	wire_set(&disk->source, path);
	CU_ASSERT_EQUAL(chain_read(&disk, 1, 1000, now, why, sizeof(why)), 0);
	wire_set(&disk->source, "/nowhere/to/be/found");
	CU_ASSERT_EQUAL(chain_read(&disk, 1, 1000, now, why, sizeof(why)), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(why, "disk vda (/nowhere/to/be/found) is not there on this node: "));
	wire_set(&disk->format, "raw");
	CU_ASSERT_EQUAL(chain_read(&disk, 1, 1000, now, why, sizeof(why)), 0);
	unlink(path);
}

UNIT_MAIN("agents/chain", { "header", test_header }, { "parse", test_parse },
	  { "expected", test_expected }, { "read", test_read })
