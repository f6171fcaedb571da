/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_FAULT_CRASHFS_H
#define TESTS_FAULT_CRASHFS_H

/*
 * A crashfs is the file system of one store under test, in memory, which knows what was synced.
 * SQLite sees all of them as its default VFS; what the store asks of the system itself (open, fsync
 * of the folder, rename …) is taken to them by the linker's --wrap, for names below CRASHFS_DIR:
 * each has a folder there, which tells it from the others. So the store is as it is in the daemon.
 *
 * At a loss of power each write since the last sync of its file is kept, lost, or torn at 512
 * bytes, each by itself; names that were made, moved or removed since the last sync of the folder
 * are as they were, or are not. After a sync that failed its writes are still read, but whether
 * they are on disk is open, and no later sync puts them there.
 *
 * Chance and time are the same for each run: SQLite draws from our dice, its clock stands still.
 *
 * It also leads the store's writing thread, if there is one, so that one seed is one course of
 * things: the thread waits at each sync while the gate is shut, and time passes for it when the
 * test says so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRASHFS_DIR "/crashfs"

enum { CRASHFS_MAX = 128 };

struct crashfs;

enum crashfs_fault {
	CRASHFS_POWER,			/* before or in the middle of a change */
	CRASHFS_READ,			/* EIO */
	CRASHFS_WRITE,			/* EIO, a part may be written */
	CRASHFS_FULL,			/* ENOSPC, the same */
	CRASHFS_SYNC,
	CRASHFS_KINDS
};

/* Empty, everything works. At most CRASHFS_MAX at a time. */
struct crashfs *crashfs_new(uint64_t seed);
void crashfs_free(struct crashfs *fs);
/* As if it were new: for another run. */
void crashfs_reset(struct crashfs *fs, uint64_t seed);
/* All that SQLite and stores draw from now on follows from that; for each new run. */
void crashfs_same_chance(uint64_t seed);
/* The id that new stores draw from now on; 0: any. */
void crashfs_next_id(uint64_t id);
/* The folder that a store is opened in. */
const char *crashfs_dir(const struct crashfs *fs);

/* The fault comes at the nth operation of its kind from now, n from 1, and stays for so many. */
void crashfs_plan(struct crashfs *fs, enum crashfs_fault fault, unsigned nth, unsigned times);
/*
 * At the nth write from now, n from 1, or at a sync before it, power is lost, or else the process
 * is killed; and the write that is the last one then is not there. So what is being written is
 * never whole, however much of it comes to the disk.
 */
void crashfs_plan_end(struct crashfs *fs, unsigned nth, bool power);
/* Nothing is planned any more; whether something had come. */
bool crashfs_calm(struct crashfs *fs);

void crashfs_cut(struct crashfs *fs);			/* power is lost now */
void crashfs_kill(struct crashfs *fs);		/* the process is: it does nothing any more */
void crashfs_boot(struct crashfs *fs);		/* after both: a new process may begin */
bool crashfs_is_off(const struct crashfs *fs);

/* ---- what lies in it, while nothing is open */

struct crashfs_copy;
/* All of it as it is now, and that durable. */
struct crashfs_copy *crashfs_save(struct crashfs *fs);
void crashfs_restore(struct crashfs *fs, const struct crashfs_copy *copy);
/* Only the file of that name: "cluster.db", "cluster.db-wal"; not there in the copy: removed. */
void crashfs_restore_file(struct crashfs *fs, const struct crashfs_copy *copy, const char *name);
void crashfs_copy_free(struct crashfs_copy *copy);
/* What was set aside is removed, as by an administrator who has seen enough of it. */
void crashfs_forget_damaged(struct crashfs *fs);
size_t crashfs_size(struct crashfs *fs, const char *name);	/* 0: not there */
/* False: its sector is zero now. */
bool crashfs_flip(struct crashfs *fs, const char *name, size_t bit);
void crashfs_noise(struct crashfs *fs, const char *name, size_t at, size_t size);

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
