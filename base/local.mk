# SPDX-License-Identifier: GPL-2.0-or-later
# base: what every other folder stands on. Uses libc only.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_base_NAME  (source beside it; links everything).

noinst_LIBRARIES += %D%/libbase.a
%C%_libbase_a_SOURCES = \
	%D%/argv.c \
	%D%/argv.h \
	%D%/buf.c \
	%D%/buf.h \
	%D%/cleanup.h \
	%D%/crc32c.c \
	%D%/crc32c.h \
	%D%/digest.c \
	%D%/digest.h \
	%D%/idmap.c \
	%D%/idmap.h \
	%D%/mem.c \
	%D%/mem.h \
	%D%/nearest.c \
	%D%/nearest.h \
	%D%/sm.c \
	%D%/sm.h \
	%D%/text.c \
	%D%/text.h \
	%D%/timers.c \
	%D%/timers.h

EXTRA_DIST += %D%/README.md

unit_tests += \
	tests/unit/test_base_argv \
	tests/unit/test_base_buf \
	tests/unit/test_base_crc32c \
	tests/unit/test_base_digest \
	tests/unit/test_base_idmap \
	tests/unit/test_base_mem \
	tests/unit/test_base_nearest \
	tests/unit/test_base_sm \
	tests/unit/test_base_text \
	tests/unit/test_base_timers
