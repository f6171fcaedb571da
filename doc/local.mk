# SPDX-License-Identifier: GPL-2.0-or-later
# doc: what people read: guides, design, man pages, a sample configuration.
#
# To add a page: one line %D%/NAME.md to dist_doc_DATA; a man page: one line %D%/NAME.8 to
# dist_man_MANS.

dist_doc_DATA += %D%/clusterd.conf
dist_doc_DATA += %D%/architecture.md %D%/first-cluster.md %D%/operator.md %D%/recovery.md
dist_man_MANS += %D%/clusterctl.8 %D%/clusterd.8 %D%/clusterd.conf.5
