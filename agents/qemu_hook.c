/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clusterd-qemu-hook NAME OPERATION SUB EXTRA: libvirt asks before it lets a guest come to life.
 *
 * Installed as /etc/libvirt/hooks/qemu.d/clusterd; libvirt gives the definition on stdin and takes
 * an exit status other than 0 as a refusal, with stderr as the reason. Nothing is ever written to
 * stdout: for "migrate" and "restore" libvirt would take that as the definition to use instead.
 *
 * Only prepare, start, migrate and restore are asked about. All else passes at once: a refusal of
 * "reconnect" would end running guests when libvirtd starts anew, and this program must not call
 * libvirt, which waits for it. See hook_ask.h for how a start is told from a move.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ini.h>

#include "agents/hook_ask.h"

enum { LIMIT_MS = 2000, RUN_DIR_SIZE = 150 };

struct settings {
	char run_dir[RUN_DIR_SIZE];
};

static int take_setting(void *context, const char *section, const char *name, const char *value)
{
	struct settings *settings = context;

	if (strcmp(name, "run_dir") == 0 && value[0] == '/' && strlen(value) < RUN_DIR_SIZE)
		memcpy(settings->run_dir, value, strlen(value) + 1);
	return 1;
}

/* What libvirt writes to us, as far as there is time and place. NULL: not within those. */
static char *read_input(size_t *ret_len, uint64_t deadline_ms)
{
	char *text = malloc(HOOK_XML_MAX + 1);
	size_t len = 0;

	while (text && len <= HOOK_XML_MAX) {
		uint64_t now_ms = hook_now_ms();
		struct pollfd p = { .fd = 0, .events = POLLIN };
		ssize_t n;

		if (now_ms >= deadline_ms || poll(&p, 1, (int)(deadline_ms - now_ms)) <= 0)
			break;
		n = read(0, text + len, HOOK_XML_MAX + 1 - len);
		if (n == 0) {
			text[len] = '\0';
			*ret_len = len;
			return text;
		}
		if (n < 0 && errno != EINTR)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	free(text);
	return NULL;
}

static int refuse(const char *why)
{
	fprintf(stderr, "%s\n", why);
	return 1;
}

/* Nobody there who knows. Only what was the cluster's before can be told to be so. */
static int decide_alone(bool marked, const char *why)
{
	char text[900];

	if (!marked)
		return 0;
	snprintf(text, sizeof(text),
		 "clusterd on this node does not answer (%s), so nobody knows whether this managed "
		 "VM runs "
		 "elsewhere; systemctl start clusterd, or remove clusterd's element from its "
		 "metadata",
		 why);
	return refuse(text);
}

static int ask(const char *operation, const char *question, const struct settings *settings,
	       uint64_t deadline_ms)
{
	const char *dir = settings->run_dir, *announced;
	char path[RUN_DIR_SIZE + 20], why[600] = "";
	struct hook_question q = { .what = question, .deadline_ms = deadline_ms };
	struct hook_guest guest;
	enum hook_answer answer;
	size_t len = 0;
	char *xml = read_input(&len, deadline_ms);

	if (!xml || hook_read_xml(xml, len, &guest) < 0) {
		free(xml);
		return refuse("clusterd's hook could not read the definition that libvirt gave it");
	}
	free(xml);
	q.uuid = guest.uuid;
	q.marked = guest.marked;
	announced = hook_announces(operation) ? NULL : hook_announced(dir, &guest);
	if (announced)
		q.what = announced;
	snprintf(path, sizeof(path), "%s/hook.sock", dir);
	answer = hook_ask(path, &q, why, sizeof(why));
	if (answer == HOOK_MAY && hook_announces(operation))
		hook_announce(dir, &guest, question);
	else if (answer != HOOK_MAY || strcmp(operation, "start") == 0)
		hook_forget(dir, &guest);
	if (answer == HOOK_NO_ANSWER)
		return decide_alone(q.marked, why);
	return answer == HOOK_MAY ? 0 : refuse(why);
}

int main(int argc, char **argv)
{
	struct settings settings = { CLUSTERD_RUN_DIR };
	uint64_t deadline_ms = hook_now_ms() + LIMIT_MS;
	const char *question = argc > 2 ? hook_question_of(argv[2]) : NULL;

	if (!question)
		return 0;
	ini_parse(CLUSTERD_CONF_DIR "/clusterd.conf", take_setting, &settings);
	return ask(argv[2], question, &settings, deadline_ms);
}
