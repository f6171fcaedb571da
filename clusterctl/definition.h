/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Definition: the domain XML of a VM, as the cluster keeps it. */
#ifndef CLUSTERCTL_DEFINITION_H
#define CLUSTERCTL_DEFINITION_H

#include "clusterctl/ctl.h"

/* The XML, which the caller frees. */
bool definition_get(struct ctl *ctl, const char *name, char **ret_xml, struct ctl_error *ret_error);

#endif
