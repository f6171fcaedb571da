# SPDX-License-Identifier: GPL-2.0-or-later
# tests/next: the next version of clusterd, for tests of a cluster in which versions are mixed; see
# next.h. Once as a core with names of its own, to run beside this one in a process; and once as a
# daemon, for the lab.

# The core and the frames compiled anew, with a schema that has more in it.
check_LIBRARIES += %D%/libnext.a
%C%_libnext_a_SOURCES = $(clusterd_core_libcore_a_SOURCES) $(wire_libwire_a_SOURCES)
nodist_%C%_libnext_a_SOURCES = %D%/wire/schema.pb-c.c
# Included first, its guard keeps out the other one.
%C%_libnext_a_CPPFLAGS = -DWITH_NEXT_SCHEMA -include %D%/wire/schema.pb-c.h $(AM_CPPFLAGS)
%C%_libnext_a_CFLAGS = $(AM_CFLAGS) -w

check_LIBRARIES += %D%/libdiffers.a
%C%_libdiffers_a_SOURCES = %D%/feature_table.c %D%/hooks.c %D%/next.h %D%/protocol.c
%C%_libdiffers_a_CPPFLAGS = $(%C%_libnext_a_CPPFLAGS)

BUILT_SOURCES += %D%/wire/schema.pb-c.c
CLEANFILES += %D%/wire/schema.proto %D%/wire/schema.pb-c.c %D%/wire/schema.pb-c.h \
	%D%/next.o %D%/next.all %D%/next.names
EXTRA_DIST += %D%/schema.sed

%D%/wire/schema.pb-c.c: wire/schema.proto %D%/schema.sed
	$(AM_V_GEN)$(MKDIR_P) %D%/wire && \
		$(SED) -f $(srcdir)/%D%/schema.sed $(srcdir)/wire/schema.proto \
			>%D%/wire/schema.proto && \
		cd %D% && $(PROTOC_C) --proto_path=. --c_out=. wire/schema.proto

# One object, of all that a core needs: what differs comes first, so it is not taken from the rest.
# Every name that is defined in it becomes another.
NEXT_WRAPS = --wrap=apply_vm_set
%D%/next.o: %D%/libnext.a %D%/libdiffers.a
	$(AM_V_GEN)$(LD) -r -u core_new -u frame_decode -u wire_unpack $(NEXT_WRAPS) \
		--wrap=duties_news -o %D%/next.all --whole-archive %D%/libdiffers.a \
		--no-whole-archive %D%/libnext.a && \
		$(NM) -g --defined-only %D%/next.all | \
			$(SED) -n 's/.* \([A-Za-z_][A-Za-z0-9_.]*\)$$/\1 next_\1/p' | \
			sort -u >%D%/next.names && \
		$(OBJCOPY) --redefine-syms=%D%/next.names %D%/next.all $@

check_LIBRARIES += %D%/libbuild.a
%C%_libbuild_a_SOURCES = %D%/build.c %D%/build.h
unit_tests += tests/unit/test_core_versions
tests_unit_test_core_versions_LDADD = %D%/libbuild.a %D%/next.o tests/trace/libtrace.a $(LDADD)

# The daemon, for nodes of the lab: linked once more, with what differs in the place of what does.
noinst_PROGRAMS += %D%/clusterd-next
%C%_clusterd_next_SOURCES = clusterd/main.c %D%/feature_table.c %D%/hooks.c %D%/next.h \
	%D%/protocol.c
%C%_clusterd_next_LDFLAGS = $(AM_LDFLAGS) -Wl,$(NEXT_WRAPS)
%C%_clusterd_next_LDADD = $(DAEMON_LIBS) $(DAEMON_EXT)
