# SPDX-License-Identifier: GPL-2.0-or-later
# clusterctl: the command line; all of it but main.c. Uses wire, placement, domain, base.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_clusterctl_NAME (source beside it; links
# everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libclusterctl.a
%C%_libclusterctl_a_SOURCES =

# Uncomment when %D%/main.c is there:
#bin_PROGRAMS += %D%/clusterctl
#%C%_clusterctl_SOURCES = %D%/main.c
#%C%_clusterctl_LDADD = $(CTL_LIBS) $(CTL_EXT)
