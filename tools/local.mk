# SPDX-License-Identifier: GPL-2.0-or-later
# tools: setup, demo, check and the checkers.
#
# To add a checker that make check runs: one line to checkers. It finds srcdir, CC, CHECK_CPPFLAGS
# and CHECK_PROGRAMS in its environment; exit status 0 is good, 77 is skipped.

checkers += \
	%D%/check-hardening \
	%D%/check-headers \
	%D%/check-layers \
	%D%/check-style

EXTRA_DIST += %D%/check %D%/compile-commands %D%/demo %D%/packages.txt %D%/setup
