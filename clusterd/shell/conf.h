/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLUSTERD_SHELL_CONF_H
#define CLUSTERD_SHELL_CONF_H

/*
 * The bootstrap configuration of one node's daemon: where things are. Everything that is
 * the cluster's is a replicated setting and not here.
 *
 * File: [clusterd] and lines key = value; '#' and ';' begin a comment line. A file that is
 * not there means the defaults; anything in it that is not understood, or given twice, is an
 * error.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf {
	char *state_dir;	/* the store, the blackbox */
	char *run_dir;		/* sockets */
	char *agent_dir;	/* programs clusterd-agent-… */
	char *libvirt_uri;
	char *secret_key;	/* file of the key that seals secrets */
	uint64_t memory_mib;	/* memory the node offers to VMs; 0 = what the agent finds */
	int log_level;		/* LOG_… of syslog.h */
	bool read_all;		/* everybody may read, not only group clusterd */
};

/* The defaults. Free with conf_free. */
void conf_init(struct conf *conf);
void conf_free(struct conf *conf);

/*
 * Reads a file on top of what conf holds. -ENOENT: there is none; another -errno: it
 * cannot be read; -EINVAL: a sentence "FILE:LINE: what is wrong, what to do" in ret_why.
 * conf may be changed in part then.
 */
int conf_read(struct conf *conf, const char *path, char *ret_why, size_t size);

#endif
