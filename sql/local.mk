# SPDX-License-Identifier: GPL-2.0-or-later
# sql: the store's schema.sql and the migrations NNN-name.sql between its versions.
#
# They are compiled into the daemon (clusterd/shell/store_file.c includes sql/schema.sql.h), so that a
# program and its schema cannot be of two versions. schema.sql.h is schema.sql as a C string.

EXTRA_DIST += %D%/README.md %D%/schema.sql
BUILT_SOURCES += %D%/schema.sql.h
CLEANFILES += %D%/schema.sql.h

%D%/schema.sql.h: %D%/schema.sql
	$(AM_V_GEN)$(MKDIR_P) %D% && \
		$(SED) -e '/^--/d' -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' \
			$(srcdir)/%D%/schema.sql >$@.tmp && \
		mv $@.tmp $@
