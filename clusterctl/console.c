/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/console.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum {
	ESCAPE = 0x1d,       /* ^], as telnet has it */
	PENDING_MAX = 16384, /* typed and not yet taken by the guest; then stdin waits */
	CHUNK = 4096,
	KEEPALIVE_S = 2,
	KEEPALIVE_MISSED = 3, /* a node whose plug was pulled says no good-bye */
};

struct console {
	virConnectPtr connection;
	virDomainPtr domain;
	virStreamPtr stream;
	struct buf pending; /* from stdin, for the guest */
	bool is_tty;
	bool input_over;
	bool over;
	enum console_end end;
	int stdin_watch, signal_watch, signal_fd;
};

/*
 * libvirt writes errors to stderr unless somebody takes them; ours are told by whom they
 * concern.
 */
static void ignore_error(void *context, virErrorPtr error)
{
}

int console_init(void)
{
	virSetErrorFunc(NULL, ignore_error);
	return virInitialize() < 0 || virEventRegisterDefaultImpl() < 0 ? -EIO : 0;
}

/* ---- opening ---- */

static void on_close(virConnectPtr connection, int reason, void *context)
{
	struct console *console = context;

	console->over = true;
	console->end = CONSOLE_CUT;
}

static int failed(char *why, size_t size)
{
	virErrorPtr error = virGetLastError();
	int code = virGetLastErrorCode();

	snprintf(why, size, "%s", error && error->message ? error->message : "no reason given");
	return code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID ? -ENOENT : -EIO;
}

int console_open(const char *uri, const char *uuid, bool take_over, struct console **ret, char *why,
		 size_t size)
{
	/*
	 * SAFE: libvirt itself then refuses a second session, also where the pty could be
	 * opened twice.
	 */
	unsigned flags = take_over ? VIR_DOMAIN_CONSOLE_FORCE : VIR_DOMAIN_CONSOLE_SAFE;
	struct console *console = mem_new(struct console);
	bool is_held = false;
	int r;

	console->stdin_watch = console->signal_watch = console->signal_fd = -1;
	console->connection = virConnectOpen(uri);
	if (!console->connection)
		goto fail;
	/* A connection within the machine has no keepalive; nothing is lost. */
	virConnectSetKeepAlive(console->connection, KEEPALIVE_S, KEEPALIVE_MISSED);
	virConnectRegisterCloseCallback(console->connection, on_close, console, NULL);
	console->domain = virDomainLookupByUUIDString(console->connection, uuid);
	if (!console->domain)
		goto fail;
	console->stream = virStreamNew(console->connection, VIR_STREAM_NONBLOCK);
	if (!console->stream)
		goto fail;
	if (virDomainOpenConsole(console->domain, NULL, console->stream, flags) == 0) {
		*ret = console;
		return 0;
	}
	/* "Active console session exists", in whatever language libvirtd speaks. */
	if (!take_over && virGetLastErrorCode() == VIR_ERR_OPERATION_FAILED)
		is_held = true;
fail:
	r = failed(why, size);
	console_free(console);
	return is_held ? -EBUSY : r;
}

void console_free(struct console *console)
{
	if (!console)
		return;
	if (console->stream) {
		virStreamAbort(console->stream);
		virStreamFree(console->stream);
	}
	if (console->domain)
		virDomainFree(console->domain);
	if (console->connection) {
		virConnectUnregisterCloseCallback(console->connection, on_close);
		virConnectClose(console->connection);
	}
	buf_free(&console->pending);
	free(console);
}

/* ---- passing bytes ---- */

static void finish(struct console *console, enum console_end end)
{
	if (console->over)
		return;
	console->over = true;
	console->end = end;
}

/*
 * Asks for what can be worked on: no more input than there is room for, no room before there is
 * input.
 */
static void update_watches(struct console *console)
{
	int events = VIR_STREAM_EVENT_READABLE;

	if (console->over)
		return;
	if (console->pending.len)
		events |= VIR_STREAM_EVENT_WRITABLE;
	virStreamEventUpdateCallback(console->stream, events);
	if (console->stdin_watch >= 0)
		virEventUpdateHandle(console->stdin_watch,
				     console->input_over || console->pending.len >= PENDING_MAX
					     ? 0
					     : VIR_EVENT_HANDLE_READABLE);
}

static bool write_out(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static void read_guest(struct console *console)
{
	char chunk[CHUNK];
	int n = virStreamRecv(console->stream, chunk, sizeof(chunk));

	if (n == -2)
		return;
	if (n <= 0)
		finish(console, CONSOLE_CLOSED);
	else if (!write_out(chunk, (size_t)n))
		finish(console, CONSOLE_OUTPUT);
}

static void write_guest(struct console *console)
{
	int n;

	if (!console->pending.len)
		return;
	n = virStreamSend(console->stream, (char *)console->pending.data, console->pending.len);
	if (n == -2)
		return;
	if (n < 0)
		finish(console, CONSOLE_CLOSED);
	else
		buf_consume(&console->pending, (size_t)n);
}

static void on_stream(virStreamPtr stream, int events, void *context)
{
	struct console *console = context;

	if (!console->over && (events & VIR_STREAM_EVENT_READABLE))
		read_guest(console);
	if (!console->over && (events & VIR_STREAM_EVENT_WRITABLE))
		write_guest(console);
	if (!console->over && !(events & VIR_STREAM_EVENT_READABLE) &&
	    (events & (VIR_STREAM_EVENT_ERROR | VIR_STREAM_EVENT_HANGUP)))
		finish(console, CONSOLE_CLOSED);
	update_watches(console);
}

static void on_stdin(int watch, int fd, int events, void *context)
{
	struct console *console = context;
	char chunk[CHUNK], *escape;
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		console->input_over = true;
		/* A terminal that ends is one whose window was closed. */
		if (console->is_tty)
			finish(console, CONSOLE_LEFT);
		update_watches(console);
		return;
	}
	escape = console->is_tty ? memchr(chunk, ESCAPE, (size_t)n) : NULL;
	if (escape)
		n = escape - chunk;
	buf_append(&console->pending, chunk, (size_t)n);
	if (escape) {
		write_guest(console);
		finish(console, CONSOLE_LEFT);
	}
	update_watches(console);
}

static void on_signal(int watch, int fd, int events, void *context)
{
	finish(context, CONSOLE_LEFT);
}

/* ---- the terminal and the loop ---- */

static void enter_raw(struct console *console, struct termios *ret_before)
{
	struct termios raw;

	console->is_tty = tcgetattr(STDIN_FILENO, ret_before) == 0;
	if (!console->is_tty)
		return;
	raw = *ret_before;
	cfmakeraw(&raw);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
}

/* Signals that end us come as events, so that the terminal is never left raw. */
static void catch_signals(struct console *console, sigset_t *ret_before)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, ret_before);
	console->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (console->signal_fd >= 0)
		console->signal_watch = virEventAddHandle(
			console->signal_fd, VIR_EVENT_HANDLE_READABLE, on_signal, console, NULL);
}

static void drop_watches(struct console *console)
{
	virStreamEventRemoveCallback(console->stream);
	if (console->stdin_watch >= 0)
		virEventRemoveHandle(console->stdin_watch);
	if (console->signal_watch >= 0)
		virEventRemoveHandle(console->signal_watch);
	if (console->signal_fd >= 0)
		close(console->signal_fd);
	console->stdin_watch = console->signal_watch = console->signal_fd = -1;
}

enum console_end console_run(struct console *console)
{
	struct termios before;
	sigset_t signals;

	enter_raw(console, &before);
	catch_signals(console, &signals);
	console->stdin_watch =
		virEventAddHandle(STDIN_FILENO, VIR_EVENT_HANDLE_READABLE, on_stdin, console, NULL);
	if (virStreamEventAddCallback(console->stream, VIR_STREAM_EVENT_READABLE, on_stream,
				      console, NULL) < 0)
		finish(console, CONSOLE_CLOSED);
	while (!console->over)
		if (virEventRunDefaultImpl() < 0)
			finish(console, CONSOLE_CLOSED);
	/* The stream may have been told before the connection was. */
	if (console->end == CONSOLE_CLOSED && virConnectIsAlive(console->connection) != 1)
		console->end = CONSOLE_CUT;
	drop_watches(console);
	if (console->is_tty)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	return console->end;
}

/* ---- leaving where no console is open ---- */

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static struct termios terminal_before;
static bool is_watched;

/* ^] comes as SIGQUIT; what is called here is safe in a handler. */
static void on_ending(int signal)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	if (signal == SIGQUIT)
		_exit(0);
	raise(signal);
}

void console_watch_escape(void)
{
	struct sigaction action = { .sa_handler = on_ending, .sa_flags = (int)SA_RESETHAND };
	struct termios watching;

	if (is_watched || tcgetattr(STDIN_FILENO, &terminal_before) < 0)
		return;
	is_watched = true;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaction(ending[i], &action, NULL);
	watching = terminal_before;
	watching.c_cc[VQUIT] = ESCAPE;
	watching.c_lflag = (watching.c_lflag | ISIG) & ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSANOW, &watching);
}

void console_unwatch_escape(void)
{
	if (!is_watched)
		return;
	is_watched = false;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		signal(ending[i], SIG_DFL);
}
