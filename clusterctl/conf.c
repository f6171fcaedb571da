/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/conf.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <ini.h>
#include <string.h>

static int take(void *context, const char *section, const char *name, const char *value)
{
	struct ctl_conf *conf = context;
	char **to = NULL;

	if (strcmp(section, "clusterd") == 0 && strcmp(name, "run_dir") == 0)
		to = &conf->run_dir;
	if (strcmp(section, "clusterd") == 0 && strcmp(name, "libvirt_uri") == 0)
		to = &conf->libvirt_uri;
	if (strcmp(section, "clusterd") == 0 && strcmp(name, "agent_dir") == 0)
		to = &conf->agent_dir;
	if (to && *value) {
		free(*to);
		*to = mem_strdup(value);
	}
	return 1;
}

void ctl_conf_read(const char *path, struct ctl_conf *ret)
{
	*ret = (struct ctl_conf){
		.run_dir = mem_strdup(CLUSTERD_RUN_DIR),
		.libvirt_uri = mem_strdup("qemu:///system"),
		.agent_dir = mem_strdup(CLUSTERD_AGENT_DIR),
	};
	ini_parse(path, take, ret);
}

void ctl_conf_free(struct ctl_conf *conf)
{
	free(conf->run_dir);
	free(conf->libvirt_uri);
	free(conf->agent_dir);
	*conf = (struct ctl_conf){ 0 };
}
