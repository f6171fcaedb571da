# SPDX-License-Identifier: GPL-2.0-or-later
# sql: the store's schema.sql and the migrations NNN-name.sql between its versions.
#
# They are compiled into the daemon (clusterd/shell/store_schema.c includes both headers made of
# them), so that a program and its schema cannot be of two versions. schema.sql.h is schema.sql as a
# C string, migrations.h a list of strings, one each, in their order.
#
# To add a migration: one line here, in order of its number; and to EXTRA_DIST a store of the version
# that was, tests/unit/data/store-VERSION.sql, as the one before with what has changed.

migrations = \
	%D%/002-meta-crc.sql \
	%D%/003-alone.sql

EXTRA_DIST += %D%/README.md %D%/schema.sql $(migrations) \
	tests/unit/data/store-1.sql tests/unit/data/store-2.sql
BUILT_SOURCES += %D%/schema.sql.h %D%/migrations.h
CLEANFILES += %D%/schema.sql.h %D%/migrations.h

sql_as_c = $(SED) -e '/^--/d' -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/'

%D%/schema.sql.h: %D%/schema.sql
	$(AM_V_GEN)$(MKDIR_P) %D% && $(sql_as_c) $(srcdir)/%D%/schema.sql >$@.tmp && mv $@.tmp $@

%D%/migrations.h: $(migrations)
	$(AM_V_GEN)$(MKDIR_P) %D% && for file in $(migrations); do \
			$(sql_as_c) $(srcdir)/$$file && echo , || exit 1; \
		done >$@.tmp && mv $@.tmp $@
