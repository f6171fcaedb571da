# SPDX-License-Identifier: GPL-2.0-or-later
# csv: volume machine, reservation keys, leases; pure. Uses base.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_csv_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libcsv.a
%C%_libcsv_a_SOURCES = \
	%D%/volume.c \
	%D%/volume.h
unit_tests += tests/unit/test_csv_volume
