/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conf: the three things that clusterctl wants to know from the node's clusterd.conf.
 *
 * Everything else in that file is the daemon's, which also checks it; here a file that cannot
 * be read, and keys that are not known, mean the defaults.
 */
#ifndef CLUSTERCTL_CONF_H
#define CLUSTERCTL_CONF_H

struct ctl_conf {
	char *run_dir;
	char *libvirt_uri;
	char *agent_dir; /* of clusterd-agent-fence */
};

void ctl_conf_read(const char *path, struct ctl_conf *ret);
void ctl_conf_free(struct ctl_conf *conf);

#endif
