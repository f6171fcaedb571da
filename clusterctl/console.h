/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Console: one connection between our terminal and the serial console of a running domain,
 * through libvirt.
 *
 * On a terminal every key goes to the guest but the escape, ^]. Otherwise stdin and stdout are
 * passed through as they are, and the end of stdin is not the end: what the guest still says is
 * passed on until its side ends.
 */
#ifndef CLUSTERCTL_CONSOLE_H
#define CLUSTERCTL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

struct console;

enum console_end {
	CONSOLE_LEFT,   /* escape, or a signal told us to go */
	CONSOLE_CLOSED, /* the other side ended: shut down, moved away, taken over */
	CONSOLE_CUT,    /* libvirt is not reached any more; it may hold the session still */
	CONSOLE_OUTPUT, /* nobody reads our stdout any more */
};

/* Makes libvirt ready; once, before anything else. 0 or -EIO. */
int console_init(void);

/*
 * Opens the first console of a domain. take_over: end the session of somebody else. -ENOENT: no
 * such domain is active there; -EBUSY: somebody else has it, as far as libvirt tells; -EIO:
 * anything else; with libvirt's sentence in why.
 */
int console_open(const char *uri, const char *uuid, bool take_over, struct console **ret, char *why,
		 size_t size);

/*
 * Passes bytes in both directions until one of the two sides ends. The terminal is as before
 * afterwards.
 */
enum console_end console_run(struct console *console);

void console_free(struct console *console);

/*
 * From here on ^] on our terminal ends the process with 0 also where no console is open, with the
 * terminal as it was; other signals that end it leave the terminal in order, too. Does nothing
 * where stdin is no terminal. For one thread, and to be ended by the second before it returns.
 */
void console_watch_escape(void);
void console_unwatch_escape(void);

#endif
