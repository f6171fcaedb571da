# SPDX-License-Identifier: GPL-2.0-or-later
# migrate: operation machine of a VM, CPU compatibility, convergence; pure. Uses base.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_migrate_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libmigrate.a
%C%_libmigrate_a_SOURCES = \
	%D%/vmop.c \
	%D%/vmop.h
unit_tests += tests/unit/test_migrate_vmop
