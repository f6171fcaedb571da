/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterd/shell/genesis.h"
#include "tests/unit/unit.h"
#include "wire/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void test_node_texts(void)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "1=n1,10.0.0.1", 0 },
		{ "64=n64,fd00::1,domain=rack1,learner", 0 },
		{ "2=n2,host.example,witness", 0 },
		{ "0=n0,10.0.0.9", -EINVAL },
		{ "65=n65,10.0.0.9", -EINVAL },
		{ "3=n3", -EINVAL },
		{ "3=,10.0.0.9", -EINVAL },
		{ "3=n3,", -EINVAL },
		{ "3=n3,10.0.0.9,", 0 },
		{ "4=n4,bad address", -EINVAL },
		{ "4=n4,10.0.0.10,what", -EINVAL },
		{ "4=n4,10.0.0.10,domain=", -EINVAL },
		{ "4=n/4,10.0.0.10", -EINVAL },
		{ "n4", -EINVAL },
		{ "=n4,10.0.0.10", -EINVAL },
		{ "", -EINVAL },
		{ "1=other,10.0.0.11", -EINVAL },
		{ "5=n1,10.0.0.11", -EINVAL },
		{ "5=n5,10.0.0.1", -EINVAL },
		{ "5=n5,::ffff:10.0.0.1", -EINVAL },
		{ "5=n5,localhost", -EINVAL },
		{ "5=n5,0.0.0.0", -EINVAL },
	};
	struct genesis genesis = { 0 };
	char why[400];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int result = genesis_add_node(&genesis, cases[i].text, why, sizeof(why));

		CU_ASSERT_EQUAL(result, cases[i].result);
		if (result != cases[i].result)
			printf("case %zu: %d\n", i, result);
	}
	CU_ASSERT_EQUAL_FATAL(genesis.nodes_n, 4);
	CU_ASSERT_EQUAL(genesis.nodes[1].id, 2);
	CU_ASSERT_TRUE(genesis.nodes[1].witness);
	CU_ASSERT_TRUE(genesis.nodes[3].learner);
	CU_ASSERT_STRING_EQUAL(genesis.nodes[3].domain, "rack1");
}

static void fill(struct genesis *genesis, const char *kinds)
{
	*genesis = (struct genesis){ .name = "demo" };
	for (uint32_t i = 0; kinds[i]; i++) {
		char text[100], why[400];

		snprintf(text, sizeof(text), "%u=n%u,10.0.0.%u%s", i + 1, i + 1, i + 1,
			 kinds[i] == 'l'   ? ",learner"
			 : kinds[i] == 'w' ? ",witness"
					   : "");
		CU_ASSERT_EQUAL(genesis_add_node(genesis, text, why, sizeof(why)), 0);
	}
}

static void test_voters(void)
{
	static const struct {
		const char *kinds, *voters; /* NULL: refused */
	} cases[] = {
		{ "", NULL },		  { "d", "1" },		    { "dd", "1" },
		{ "ddw", "1 2 3" },	  { "ddd", "1 2 3" },	    { "dddd", "1 2 3" },
		{ "ddddd", "1 2 3 4 5" }, { "dddddd", "1 2 3 4 5" }, { "l", NULL },
		{ "ldll", "2" },	  { "ddl", "1" },	    { "dldld", "1 3 5" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct genesis genesis;
		uint32_t voters[GENESIS_VOTERS_MAX];
		char why[400] = "", text[50] = "";
		size_t n = 0;
		int result;

		fill(&genesis, cases[i].kinds);
		result = genesis_voters(&genesis, voters, &n, why, sizeof(why));
		CU_ASSERT_EQUAL(result, cases[i].voters ? 0 : -EINVAL);
		for (size_t k = 0; k < n; k++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u",
				 k ? " " : "", voters[k]);
		CU_ASSERT_STRING_EQUAL(text, cases[i].voters ? cases[i].voters : "");
		CU_ASSERT_EQUAL(genesis_is_of_two(&genesis),
				strcmp(cases[i].kinds, "dd") == 0 ||
					strcmp(cases[i].kinds, "ddl") == 0);
	}
}

static void test_command(void)
{
	_cleanup_(wire_freep) Wire__Command *command = NULL;
	struct genesis genesis;
	char why[400];

	fill(&genesis, "ddwl");
	CU_ASSERT_EQUAL_FATAL(genesis_command(&genesis, "u-u-i-d", 7, &command, why, sizeof(why)),
			      0);
	CU_ASSERT_EQUAL_FATAL(command->body_case, WIRE__COMMAND__BODY_GENESIS);
	CU_ASSERT_EQUAL(command->genesis->cluster->id, 1);
	CU_ASSERT_STRING_EQUAL(command->genesis->cluster->uuid, "u-u-i-d");
	CU_ASSERT_STRING_EQUAL(command->genesis->cluster->name, "demo");
	CU_ASSERT_EQUAL(command->genesis->cluster->n_voters, 3);
	CU_ASSERT_EQUAL_FATAL(command->genesis->n_nodes, 4);
	CU_ASSERT_STRING_EQUAL(command->genesis->nodes[2]->name, "n3");
	CU_ASSERT_TRUE(command->genesis->nodes[2]->witness);
	genesis.name = "bad name";
	CU_ASSERT_EQUAL(genesis_command(&genesis, "u", 7, &command, why, sizeof(why)), -EINVAL);
	genesis.name = NULL;
	CU_ASSERT_EQUAL(genesis_command(&genesis, "u", 7, &command, why, sizeof(why)), -EINVAL);
}

UNIT_MAIN("clusterd/shell/genesis", { "node texts", test_node_texts }, { "voters", test_voters },
	  { "command", test_command })
