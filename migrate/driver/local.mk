# SPDX-License-Identifier: GPL-2.0-or-later
# migrate/driver: migration through libvirt. Uses migrate, domain, base.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_driver_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libmigratedriver.a
%C%_libmigratedriver_a_SOURCES = \
	%D%/disk_fault.c \
	%D%/disk_fault.h \
	%D%/handover.c \
	%D%/handover.h \
	%D%/image.c \
	%D%/image.h \
	%D%/inactive.c \
	%D%/inactive.h \
	%D%/link.c \
	%D%/link.h \
	%D%/move.c \
	%D%/move.h \
	%D%/outcome.h \
	%D%/power.c \
	%D%/power.h \
	%D%/process.c \
	%D%/process.h \
	%D%/sight.c \
	%D%/sight.h

EXTRA_DIST += %D%/README.md

unit_tests += \
	tests/unit/test_driver_disk_fault \
	tests/unit/test_driver_image \
	tests/unit/test_driver_link \
	tests/unit/test_driver_move \
	tests/unit/test_driver_power \
	tests/unit/test_driver_process
