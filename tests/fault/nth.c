/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fault/nth.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/mem.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

_Thread_local unsigned nth_paused;

static _Thread_local struct {
	bool armed, hit;
	unsigned at, count;
	jmp_buf after;
} nth;

static bool fails(void)
{
	if (!nth.armed || nth_paused || ++nth.count != nth.at)
		return false;
	nth.hit = true;
	return true;
}

#ifdef __SANITIZE_ADDRESS__

static sqlite3_mem_methods real;

static void *sqlite_malloc(int size)
{
	return fails() ? NULL : real.xMalloc(size);
}

static void *sqlite_realloc(void *memory, int size)
{
	return fails() ? NULL : real.xRealloc(memory, size);
}

void nth_watch_sqlite(void)
{
	sqlite3_mem_methods ours;

	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
	ours = real;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
}

bool nth_leaks(void)
{
	return __lsan_do_recoverable_leak_check() != 0;
}

static bool hook(void *context, size_t bytes)
{
	return !fails();
}

static void watch(bool yes)
{
	mem_set_hook(yes ? hook : NULL, NULL);
}

#else

/* The C library's own, under the names it has for those who replace malloc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t size)
{
	return fails() ? no_memory() : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? no_memory() : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
	return fails() ? no_memory() : __libc_realloc(memory, size);
}

static void watch(bool yes)
{
}

void nth_watch_sqlite(void)
{
}

bool nth_leaks(void)
{
	return false;
}

#endif

static _Noreturn void end_at_once(void)
{
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
	_exit(1);
}

_Noreturn void __wrap_abort(void);

_Noreturn void __wrap_abort(void)
{
	if (!nth.armed || !nth.hit)
		end_at_once();
	nth.armed = false;
	longjmp(nth.after, 1);
}

/* The one way to end is by what base/mem.c says. */
static bool says_so(int said)
{
	static const char words[] = "out of memory: ";
	char text[sizeof(words)] = "";

	return pread(said, text, sizeof(text) - 1, 0) > 0 && strcmp(text, words) == 0;
}

enum nth_end nth_try(unsigned n, void (*run)(void *context), void *context, unsigned *ret_count)
{
	volatile bool died = false;
	int saved = dup(STDERR_FILENO), said = memfd_create("stderr", 0);

	assert(!nth.armed && saved >= 0 && said >= 0);
	dup2(said, STDERR_FILENO);
	nth.hit = false;
	nth.at = n;
	nth.count = 0;
	watch(true);
	if (setjmp(nth.after) == 0) {
		nth.armed = true;
		run(context);
	} else
		died = true;
	nth.armed = false;
	watch(false);
	dup2(saved, STDERR_FILENO);
	if (died && !says_so(said))
		end_at_once();
	close(saved);
	close(said);
	*ret_count = nth.count;
	return died ? NTH_DIED : nth.hit ? NTH_BORNE : NTH_THROUGH;
}
