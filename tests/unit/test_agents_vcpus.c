/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agents/vcpus.h"
#include "tests/unit/unit.h"

/* As libvirt 9.0 writes it, with less around it. */
static void test_max(void)
{
	CU_ASSERT_EQUAL(
		vcpus_max("<capabilities><host><cpu><arch>x86_64</arch></cpu></host><guest>"
			  "<os_type>hvm</os_type><arch name='x86_64'>"
			  "<machine maxCpus='255'>pc-i440fx-7.2</machine>"
			  "<machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>"
			  "<machine>none</machine>"
			  "<domain type='kvm'><machine maxCpus='1'>isapc</machine></domain></arch>"
			  "</guest></capabilities>"),
		288);
	CU_ASSERT_EQUAL(vcpus_max("<capabilities><guest><arch><machine maxCpus='1'>isapc</machine>"
				  "<domain type='kvm'><machine maxCpus='4096'>q35</machine>"
				  "</domain></arch></guest></capabilities>"),
			4096);
}

/* What is not said is not known. */
static void test_unknown(void)
{
	static const char *const texts[] = {
		"", "<capabilities", "<capabilities/>",
		"<capabilities><guest><arch><machine>pc</machine></arch></guest></capabilities>",
		"<capabilities><guest><arch><machine maxCpus='-1'>pc</machine>"
		"<machine maxCpus=''>pc</machine><machine maxCpus='4294967296'>pc</machine></arch>"
		"</guest></capabilities>",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		CU_ASSERT_EQUAL(vcpus_max(texts[i]), 0);
}

UNIT_MAIN("agents/vcpus", { "max", test_max }, { "unknown", test_unknown })
