/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FAULT_CRASHFS_H
#define TESTS_FAULT_CRASHFS_H

/*
 * A crashfs is the file system of one store under test, in memory, which knows what was synced.
 * SQLite sees it as its default VFS; what the store asks of the system itself (open, fsync of the
 * folder, rename …) is taken to it by the linker's --wrap, for names below CRASHFS_DIR. So the
 * store is as it is in the daemon.
 *
 * At a loss of power each write since the last sync of its file is kept, lost, or torn at 512
 * bytes, each by itself; names that were made, moved or removed since the last sync of the folder
 * are as they were, or are not. After a sync that failed its writes are still read, but whether
 * they are on disk is open, and no later sync puts them there.
 *
 * It also leads the store's writing thread, so that one seed is one course of things: the thread
 * waits at each sync while the gate is shut, and time passes for it when the test says so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRASHFS_DIR "/crashfs"

enum crashfs_fault {
	CRASHFS_POWER,			/* before or in the middle of a change */
	CRASHFS_READ,			/* EIO */
	CRASHFS_WRITE,			/* EIO, a part may be written */
	CRASHFS_FULL,			/* ENOSPC, the same */
	CRASHFS_SYNC,
	CRASHFS_KINDS
};

/* Empty, everything works. Once before anything else, and for each new run. */
void crashfs_reset(uint64_t seed);

/* The fault comes at the nth operation of its kind from now, n from 1, and stays for so many. */
void crashfs_plan(enum crashfs_fault fault, unsigned nth, unsigned times);
/* Nothing is planned any more; whether something had come. */
bool crashfs_calm(void);

void crashfs_cut(void);			/* power is lost now */
void crashfs_kill(void);		/* the process is: nothing it does from now on counts */
void crashfs_boot(void);		/* after both: a new process may begin */
bool crashfs_is_off(void);

/* ---- what lies in it, while nothing is open */

struct crashfs_copy;
/* All of it as it is now, and that durable. */
struct crashfs_copy *crashfs_save(void);
void crashfs_restore(const struct crashfs_copy *copy);
/* Only the file of that name: "cluster.db", "cluster.db-wal"; not there in the copy: removed. */
void crashfs_restore_file(const struct crashfs_copy *copy, const char *name);
void crashfs_copy_free(struct crashfs_copy *copy);
size_t crashfs_size(const char *name);	/* 0: not there */
/* False: its sector is zero now. */
bool crashfs_flip(const char *name, size_t bit);
void crashfs_noise(const char *name, size_t at, size_t size);

/* ---- the writing thread */

void crashfs_shut_gate(bool shut);
/* Before something is submitted: then crashfs_wait waits for what comes of it. */
void crashfs_work(void);
enum crashfs_thread { CRASHFS_BUSY, CRASHFS_AT_GATE, CRASHFS_IDLE, CRASHFS_ENDED };
/* Until the thread is at the gate, has nothing to do or has ended. */
enum crashfs_thread crashfs_wait(void);
void crashfs_pass(void);		/* one sync may pass the gate */
void crashfs_wait_long(void);		/* nothing came for so long that it stops waiting */

#endif
