# SPDX-License-Identifier: GPL-2.0-or-later
# domain: reads and checks libvirt domain XML. Uses base and libxml2.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_domain_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libdomain.a
%C%_libdomain_a_SOURCES = \
	%D%/canonical.c \
	%D%/canonical.h \
	%D%/collect.c \
	%D%/collect.h \
	%D%/devices.c \
	%D%/dom.c \
	%D%/dom.h \
	%D%/essence.c \
	%D%/essence.h \
	%D%/metadata.c \
	%D%/metadata.h \
	%D%/path.c \
	%D%/path.h \
	%D%/why.c \
	%D%/why.h \
	%D%/xml.c \
	%D%/xml.h

EXTRA_DIST += \
	%D%/README.md \
	tests/unit/data.h \
	tests/unit/data/domain/devices.live-inactive.xml \
	tests/unit/data/domain/devices.live.xml \
	tests/unit/data/domain/devices.xml \
	tests/unit/data/domain/firmware.live-inactive.xml \
	tests/unit/data/domain/firmware.live.xml \
	tests/unit/data/domain/firmware.xml \
	tests/unit/data/domain/full.changed.xml \
	tests/unit/data/domain/full.live-inactive.xml \
	tests/unit/data/domain/full.live.xml \
	tests/unit/data/domain/full.xml \
	tests/unit/data/domain/plain.live-inactive.xml \
	tests/unit/data/domain/plain.live.xml \
	tests/unit/data/domain/plain.xml \
	tests/unit/data/domain/terse.live-inactive.xml \
	tests/unit/data/domain/terse.live.xml \
	tests/unit/data/domain/terse.xml

unit_tests += \
	tests/unit/test_domain_essence \
	tests/unit/test_domain_metadata \
	tests/unit/test_domain_path \
	tests/unit/test_domain_xml
