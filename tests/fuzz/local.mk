# SPDX-License-Identifier: GPL-2.0-or-later
# tests/fuzz: what takes bytes from outside, against bytes that nobody meant (README.md).
#
# To add a target: its name below, and two lines of how it is linked. make check runs it with
# driver.c; tests/fuzz/run builds the same with libFuzzer, by FUZZ_ENGINE=-fsanitize=fuzzer: the
# main function of that comes first.

fuzz_targets = \
	%D%/fuzz_agent \
	%D%/fuzz_asks \
	%D%/fuzz_command \
	%D%/fuzz_conf \
	%D%/fuzz_core \
	%D%/fuzz_ctl \
	%D%/fuzz_domain \
	%D%/fuzz_fence \
	%D%/fuzz_frame \
	%D%/fuzz_hook \
	%D%/fuzz_json \
	%D%/fuzz_load \
	%D%/fuzz_operator \
	%D%/fuzz_parse \
	%D%/fuzz_vm

check_LIBRARIES += %D%/libfuzz.a %D%/libdriver.a
%C%_libfuzz_a_SOURCES = \
	%D%/commands.c \
	%D%/commands.h \
	%D%/fuzz.c \
	%D%/fuzz.h \
	%D%/member.c \
	%D%/member.h
%C%_libdriver_a_SOURCES = %D%/driver.c

FUZZ_ENGINE =
FUZZ_WITH = %D%/libdriver.a %D%/libfuzz.a tests/trace/libtrace.a $(LDADD)
FUZZ_LINK = $(AM_LDFLAGS) $(FUZZ_ENGINE)

%C%_fuzz_agent_LDADD = $(FUZZ_WITH)
%C%_fuzz_agent_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_asks_LDADD = $(FUZZ_WITH)
%C%_fuzz_asks_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_command_LDADD = $(FUZZ_WITH)
%C%_fuzz_command_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_conf_LDADD = $(FUZZ_WITH)
%C%_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_core_LDADD = $(FUZZ_WITH)
%C%_fuzz_core_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_ctl_LDADD = $(FUZZ_WITH)
%C%_fuzz_ctl_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_domain_LDADD = $(FUZZ_WITH)
%C%_fuzz_domain_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_fence_LDADD = $(FUZZ_WITH)
%C%_fuzz_fence_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_frame_LDADD = $(FUZZ_WITH)
%C%_fuzz_frame_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_hook_LDADD = $(FUZZ_WITH)
%C%_fuzz_hook_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_json_LDADD = $(FUZZ_WITH)
%C%_fuzz_json_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_load_LDADD = $(FUZZ_WITH)
%C%_fuzz_load_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_operator_LDADD = $(FUZZ_WITH)
%C%_fuzz_operator_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_parse_LDADD = $(FUZZ_WITH)
%C%_fuzz_parse_LDFLAGS = $(FUZZ_LINK)
%C%_fuzz_vm_SOURCES = \
	%D%/fuzz_vm.c \
	%D%/vm_scene.c \
	%D%/vm_scene.h
%C%_fuzz_vm_LDADD = $(FUZZ_WITH)
%C%_fuzz_vm_LDFLAGS = $(FUZZ_LINK)

check_PROGRAMS += $(fuzz_targets)
TESTS += $(fuzz_targets)
EXTRA_DIST += %D%/README.md %D%/corpus %D%/run

# For tests/fuzz/run: some of them, after everything that is generated.
FUZZ_GOALS = $(fuzz_targets)
fuzz-programs: $(BUILT_SOURCES)
	$(MAKE) $(AM_MAKEFLAGS) $(FUZZ_GOALS)
.PHONY: fuzz-programs
