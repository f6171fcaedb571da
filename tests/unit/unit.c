/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <CUnit/Basic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc < 2;
}

int unit_run(const char *suite, const struct unit_test *tests, size_t n, int argc, char **argv)
{
	unsigned run, failed;
	CU_pSuite s;

	/* So that what was said before a crash is in the log. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	s = CU_add_suite(suite, NULL, NULL);
	for (size_t i = 0; s && i < n; i++)
		if (wanted(tests[i].name, argc, argv) &&
		    !CU_add_test(s, tests[i].name, tests[i].run))
			s = NULL;
	if (!s) {
		fprintf(stderr, "unit: %s: %s\n", suite, CU_get_error_msg());
		return EXIT_FAILURE;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	printf("unit: %s: %u passed, %u failed\n", suite, run - failed, failed);
	/* A name that is no test must not pass for a test that passed. */
	return run > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int unit_aborts(void (*run)(void *context), void *context)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		const struct rlimit no_core = { 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		run(context);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
