/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exits: what clusterctl ends with, for scripts.
 *
 * They are part of the interface and stand in clusterctl(8); numbers never change their
 * meaning. `clusterctl status` is the one exception: it speaks the language of monitoring
 * systems, STATUS_ below.
 */
#ifndef CLUSTERCTL_EXITS_H
#define CLUSTERCTL_EXITS_H

enum ctl_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1,    /* refused (also a VALUE of KEY=VALUE), or tried and failed */
	EXIT_USAGE = 2,     /* no such command, option or key, or one misused; nothing was asked */
	EXIT_NO_SUCH = 3,   /* no object of that name */
	EXIT_NO_DAEMON = 4, /* the local daemon does not answer */
	EXIT_NO_QUORUM = 5, /* no majority, or this node has not caught up with it yet */
	EXIT_UNKNOWN = 6,   /* out of time: whether it happens is not known */
	EXIT_DENIED = 7,
};

enum status_exit {
	STATUS_WELL = 0,
	STATUS_WARNING = 1,
	STATUS_CRITICAL = 2,
	STATUS_UNKNOWN = 3, /* the daemon does not answer, or the command line is wrong */
};

/*
 * The exit for a verdict or error code as the daemon writes it: "no-such". NULL and unknown
 * words: EXIT_FAILED.
 */
enum ctl_exit exit_of_code(const char *code);

#endif
