/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Process: the QEMU process of a guest, as the kernel knows it.
 *
 * libvirt may be hung, restarted or mistaken; what can write a disk is a process, and the kernel
 * tells the truth about those. A guest's process is one whose command line has "-uuid UUID" and
 * "-name", which libvirt gives to every QEMU it starts. A process counts as there until its last
 * thread is gone: a leader that is a zombie can have threads that still finish a write.
 */
#ifndef MIGRATE_DRIVER_PROCESS_H
#define MIGRATE_DRIVER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whether a command line, arguments ended by zero bytes, is that of the guest's process. */
bool process_cmdline_matches(const char *cmdline, size_t len, const char *uuid);

/* Whether QEMU is told there to begin by waiting for a guest's memory. */
bool process_cmdline_waits(const char *cmdline, size_t len);

/* 0 and its pid; -ESRCH: there is none; anything else: could not be told. */
int process_find(const char *uuid, pid_t *ret_pid);

/* The same, with a descriptor that can mean no other process, whatever becomes of the pid. */
int process_open(const char *uuid, int *ret_pidfd, pid_t *ret_pid);

/* Waits until the whole process is gone; -ETIMEDOUT. */
int process_wait(int pidfd, uint64_t timeout_ms);

/*
 * Kills every process of the guest and waits until they are gone. 0 also when there was none;
 * -ETIMEDOUT: killed, but something is still there.
 */
int process_kill(const char *uuid, uint64_t timeout_ms);

/* Whether its guest came from elsewhere, live or from a file; true when that cannot be told. */
bool process_is_arrival(pid_t pid);

/*
 * What its virtual CPUs have run since they exist, from the scheduler's books: in total, and the
 * one that ran most. -ESRCH: no process or no such threads.
 */
struct process_vcpus {
	uint64_t total_ns, most_ns;
	unsigned count;
	bool ran;     /* one of them certainly ran the guest, for 10 ms or more */
	bool stopped; /* every one of them is stopped by a signal */
};
int process_vcpus_read(pid_t pid, struct process_vcpus *ret);

/* Have they stood still between two such readings, but for 0.5 ms each, which is let pass? */
bool process_vcpus_stood(const struct process_vcpus *before, const struct process_vcpus *now);

/* Stops all virtual CPUs by SIGSTOP and waits until they are; on failure it is continued. */
int process_freeze(int pidfd, pid_t pid, uint64_t timeout_ms);
int process_thaw(int pidfd);

/* Milliseconds since the machine started, suspended time included. */
uint64_t process_now_ms(void);
/* Sleeps; a signal ends it early. */
void process_pause_ms(long ms);

#endif
