# SPDX-License-Identifier: GPL-2.0-or-later
# placement: the planner, pure. Uses base.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_placement_NAME (source beside it; links
# everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libplacement.a
%C%_libplacement_a_SOURCES = \
	%D%/planner.c \
	%D%/planner.h
unit_tests += tests/unit/test_placement_planner
