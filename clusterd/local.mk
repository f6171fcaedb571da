# SPDX-License-Identifier: GPL-2.0-or-later
# clusterd: the daemon's program and what systemd needs to run it. Its code is in core/ and shell/.

sbin_PROGRAMS += %D%/clusterd
%C%_clusterd_SOURCES = %D%/main.c
%C%_clusterd_LDADD = $(DAEMON_LIBS) $(DAEMON_EXT)

# configure leaves ${prefix} in directory names, so the names are filled in here.
fill_in = $(SED) \
	-e 's|@sbindir[@]|$(sbindir)|g' \
	-e 's|@confdir[@]|$(sysconfdir)/clusterd|g' \
	-e 's|@agentdir[@]|$(pkglibexecdir)|g' \
	-e 's|@rundir[@]|$(runstatedir)/clusterd|g' \
	-e 's|@statedir[@]|$(localstatedir)/lib/clusterd|g'

%D%/clusterd.service: %D%/clusterd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(fill_in) $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

%D%/tmpfiles.d/clusterd.conf: %D%/tmpfiles.d/clusterd.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(fill_in) $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

if WITH_SYSTEMD_UNIT
systemdsystemunit_DATA = %D%/clusterd.service
endif
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = %D%/sysusers.d/clusterd.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
tmpfiles_DATA = %D%/tmpfiles.d/clusterd.conf

EXTRA_DIST += %D%/README.md %D%/clusterd.service.in %D%/tmpfiles.d/clusterd.conf.in
CLEANFILES += %D%/clusterd.service %D%/tmpfiles.d/clusterd.conf
