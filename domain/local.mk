# SPDX-License-Identifier: GPL-2.0-or-later
# domain: reads and checks libvirt domain XML. Uses base and libxml2.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_domain_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libdomain.a
%C%_libdomain_a_SOURCES =
