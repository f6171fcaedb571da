/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hook ask: the question of libvirt's qemu hook to the daemon, without the process around it.
 *
 * libvirt 9.0 calls the hook, each within some milliseconds (tried out):
 *	cold start	prepare, start, started
 *	incoming move	migrate, prepare, start, started	(on the destination)
 *	restore		restore, prepare, start, started
 * "prepare" and "start" look the same in all three, with the same arguments. What came before them
 * is kept in a file beside the daemon's socket, so that a start can be told from the end of a move:
 * a node that may receive a guest may not for that start a second, fresh copy of it. A move or a
 * restore that fails early, as for want of a disk, gets no further than its announcement. What is
 * announced bears the mark of the guest as it was started last, a cold start a new one: by that
 * the cluster's next start is not taken for the end of what failed before.
 */
#ifndef AGENTS_HOOK_ASK_H
#define AGENTS_HOOK_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOOK_UUID_SIZE = 37, HOOK_XML_MAX = 1024 * 1024 };

/* Which question an operation of libvirt means; NULL: none, let it pass unasked. */
const char *hook_question_of(const char *operation);
/* Whether the operation announces what the next "prepare" and "start" are about. */
bool hook_announces(const char *operation);

/* The guest that libvirt asks about. */
struct hook_guest {
	char uuid[HOOK_UUID_SIZE];
	bool marked;             /* it bears our mark */
	uint64_t vm, generation; /* in that mark; 0: not to be found there */
};

/*
 * The guest of a definition as libvirt writes it. Not a parser: libvirt is its author and escapes
 * all text. -EBADMSG: no uuid.
 */
int hook_read_xml(const char *xml, size_t len, struct hook_guest *ret);

/* How the daemon answered. */
enum hook_answer { HOOK_MAY, HOOK_MAY_NOT, HOOK_NO_ANSWER };

struct hook_question {
	const char *uuid;
	const char *what;     /* "start", "incoming", "restore" */
	bool marked;          /* it bears our mark */
	uint64_t deadline_ms; /* hook_now_ms() */
};

/* Asks on the socket at path. ret_why: the daemon's sentence, or why there is no answer. */
enum hook_answer hook_ask(const char *path, const struct hook_question *question, char *ret_why,
			  size_t why_size);

/* What such an answer says, whatever it is; ret_why is left alone if it is HOOK_MAY. */
enum hook_answer hook_judge(const char *reply, size_t len, char *ret_why, size_t why_size);

/*
 * The announcement of this guest: written, read, removed. hook_announced() is NULL when there is
 * none that is fresh and of the same mark.
 */
void hook_announce(const char *run_dir, const struct hook_guest *guest, const char *question);
const char *hook_announced(const char *run_dir, const struct hook_guest *guest);
void hook_forget(const char *run_dir, const struct hook_guest *guest);

uint64_t hook_now_ms(void);

#endif
