# SPDX-License-Identifier: GPL-2.0-or-later
# clusterd/shell: the daemon's dealings with the outside; all of clusterd but main.c. Uses core.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_shell_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libshell.a
%C%_libshell_a_SOURCES =
