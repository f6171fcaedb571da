# SPDX-License-Identifier: GPL-2.0-or-later
# doc: what people read: guides, design, man pages, a sample configuration.
#
# To add a page: one line %D%/NAME.md to dist_doc_DATA; a man page: its text in %D%/NAME.8.in, and
# %D%/NAME.8 in filled_in. There @confdir@, @statedir@, @rundir@ and @agentdir@ are the directories
# that configure was told.

filled_in = %D%/clusterd.conf %D%/clusterctl.8 %D%/clusterd.8 %D%/clusterd.conf.5

dist_doc_DATA += %D%/architecture.md %D%/first-cluster.md %D%/operator.md %D%/recovery.md
doc_DATA = %D%/clusterd.conf
man_MANS = %D%/clusterctl.8 %D%/clusterd.8 %D%/clusterd.conf.5

$(filled_in): Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(fill_in) $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@
%D%/clusterd.conf: %D%/clusterd.conf.in
%D%/clusterctl.8: %D%/clusterctl.8.in
%D%/clusterd.8: %D%/clusterd.8.in
%D%/clusterd.conf.5: %D%/clusterd.conf.5.in

EXTRA_DIST += %D%/clusterd.conf.in %D%/clusterctl.8.in %D%/clusterd.8.in %D%/clusterd.conf.5.in
CLEANFILES += $(filled_in)
