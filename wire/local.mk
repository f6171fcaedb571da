# SPDX-License-Identifier: GPL-2.0-or-later
# wire: schema and frame codec, everything that crosses a process boundary. Uses base.
#
# To add a source file: one line below for NAME.c and one for NAME.h, both as %D%/NAME.
# To add its test: unit_tests += tests/unit/test_wire_NAME  (source beside it; links everything).
# Anything else that belongs into the tarball (README.md, data): EXTRA_DIST.

noinst_LIBRARIES += %D%/libwire.a
%C%_libwire_a_SOURCES = \
	%D%/check.c \
	%D%/check.h \
	%D%/command.c \
	%D%/command.h \
	%D%/frame.c \
	%D%/frame.h \
	%D%/json.c \
	%D%/json.h \
	%D%/json_field.h \
	%D%/json_in.c \
	%D%/message.c \
	%D%/message.h \
	%D%/protocol.c

EXTRA_DIST += %D%/README.md

unit_tests += \
	tests/unit/test_wire_check \
	tests/unit/test_wire_command \
	tests/unit/test_wire_frame \
	tests/unit/test_wire_json

# The schema, compiled. Generated code is not held to our warnings, hence a library of its own; it
# is made anew by everyone who builds and not part of the tarball. Include it as
# "wire/schema.pb-c.h".
noinst_LIBRARIES += %D%/libschema.a
nodist_%C%_libschema_a_SOURCES = %D%/schema.pb-c.c %D%/schema.pb-c.h
%C%_libschema_a_CFLAGS = $(AM_CFLAGS) -w
EXTRA_DIST += %D%/schema.proto
BUILT_SOURCES += %D%/schema.pb-c.h
CLEANFILES += %D%/schema.pb-c.c %D%/schema.pb-c.h

%D%/schema.pb-c.c: %D%/schema.proto
	$(AM_V_GEN)$(MKDIR_P) %D% && \
		$(PROTOC_C) --proto_path=$(srcdir) --c_out=. $(srcdir)/%D%/schema.proto

# One run makes both; the recipe only brings back a header somebody removed alone.
%D%/schema.pb-c.h: %D%/schema.pb-c.c
	@test -f $@ || { rm -f %D%/schema.pb-c.c; $(MAKE) $(AM_MAKEFLAGS) %D%/schema.pb-c.c; }
