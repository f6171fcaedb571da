/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/link.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include <libvirt/virterror.h>

enum { KEEPALIVE_INTERVAL_S = 1, KEEPALIVE_COUNT = 3 };

/* libvirt prints errors to stderr unless somebody listens. */
static void ignore_error(void *context, virErrorPtr error)
{
	(void)context;
	(void)error;
}

static void ignore_timer(int timer, void *context)
{
	(void)timer;
	(void)context;
}

static void *run_loop(void *context)
{
	for (;;)
		virEventRunDefaultImpl();
	return context;
}

int link_loop_start(void)
{
	pthread_t thread;
	sigset_t all, before;
	int r;

	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
		return -EIO;
	virSetErrorFunc(NULL, ignore_error);
	/* Without any timer the loop would not notice what is added before its first turn. */
	if (virEventAddTimeout(1000, ignore_timer, NULL, NULL) < 0)
		return -EIO;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, run_loop, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	pthread_detach(thread);
	return 0;
}

int link_get(struct link *link, virConnectPtr *ret_conn)
{
	if (link->conn && virConnectIsAlive(link->conn) != 1)
		link_close(link);
	if (!link->conn) {
		virConnectPtr conn = virConnectOpen(link->uri);

		if (!conn)
			return -ENOTCONN;
		if (virConnectSetKeepAlive(conn, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) < 0) {
			virConnectClose(conn);
			return -ENOTCONN;
		}
		link->conn = conn;
	}
	*ret_conn = link->conn;
	return 0;
}

void link_close(struct link *link)
{
	if (link->conn)
		virConnectClose(link->conn);
	link->conn = NULL;
}

/* Of a hook that refused, libvirt first tells its whole environment. */
static const char *skip_to_sentence(const char *message)
{
	static const char exit_status[] = "unexpected exit status ";
	const char *at = strstr(message, exit_status);

	at = at ? strstr(at, ": ") : NULL;
	return at && at[2] ? at + 2 : message;
}

/* The length of a time like 2026-11-21T15:04:05.123456Z and the blank behind it; 0: none. */
static size_t time_at(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00.000000Z ";
	size_t n = 0;

	while (form[n] && (form[n] == '0' ? text[n] >= '0' && text[n] <= '9' : text[n] == form[n]))
		n++;
	return form[n] ? 0 : n;
}

void link_sentence(const char *message, bool of_hook, char *ret, size_t size)
{
	const char *from = of_hook ? skip_to_sentence(message) : message;
	size_t n = 0;

	while (*from && n + 1 < size) {
		from += time_at(from);
		if (*from)
			ret[n++] = *from++;
	}
	ret[n] = '\0';
}

const char *link_error(void)
{
	static _Thread_local char sentence[2048];
	virErrorPtr error = virGetLastError();

	if (!error || !error->message)
		return "libvirt gave no reason";
	link_sentence(error->message, error->code == VIR_ERR_HOOK_SCRIPT_FAILED, sentence,
		      sizeof(sentence));
	return sentence;
}

int link_error_code(void)
{
	virErrorPtr error = virGetLastError();

	return error ? error->code : VIR_ERR_OK;
}

bool link_error_is_loss(void)
{
	virErrorPtr error = virGetLastError();

	if (!error)
		return false;
	if (error->domain == VIR_FROM_RPC)
		return true;
	return error->code == VIR_ERR_SYSTEM_ERROR || error->code == VIR_ERR_NO_CONNECT ||
	       error->code == VIR_ERR_INVALID_CONN;
}

int link_domain(virConnectPtr conn, const char *uuid, virDomainPtr *ret_domain)
{
	virDomainPtr domain = virDomainLookupByUUIDString(conn, uuid);

	if (!domain)
		return link_error_code() == VIR_ERR_NO_DOMAIN ? -ENOENT : -EIO;
	*ret_domain = domain;
	return 0;
}
