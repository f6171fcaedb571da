/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Secret: passwords that reach clusterctl without standing on its command line.
 *
 * A command line can be read by every user of the machine and stays in the history of the
 * shell. So a KEY=VALUE whose key is that of a secret is refused, and secrets come over stdin
 * or are asked for at the terminal.
 */
#ifndef CLUSTERCTL_SECRET_H
#define CLUSTERCTL_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum { SECRET_MAX = 8192 }; /* bytes of all lines */

/*
 * Whether a key holds a secret: password, passwd, snmp_priv_passwd, token …; not
 * password_script, which is a path.
 */
bool secret_is_key(const char *key, size_t len);

/* What to do instead, for a message. */
extern const char secret_advice[];

/*
 * Reads lines KEY=VALUE from a descriptor to its end and checks them. 0; -EINVAL for a line of
 * another form (*ret_line is its number); -E2BIG, -ENODATA for nothing, or the errno of
 * reading. Wipe the lines with secret_wipe().
 */
int secret_read(int fd, struct buf *ret_lines, unsigned *ret_line);

/*
 * Asks at the terminal, without echo, and makes the line password=…; -ENOTTY without a
 * terminal, -ENODATA for nothing.
 */
int secret_ask(const char *question, struct buf *ret_lines);

/* Overwrites and frees. */
void secret_wipe(struct buf *lines);

#endif
