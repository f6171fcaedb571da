/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the vm agent have in common. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/vm.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "wire/check.h"
#include "wire/message.h"

void agent_sent(const struct agent *agent, int r)
{
	if (r == 0)
		return;
	if (r != -EPIPE)
		fprintf(stderr, "agent kind=vm ended reason=\"the daemon cannot be told: %s\"\n",
			strerror(-r));
	_exit(r == -EPIPE ? 0 : 1);
}

void agent_send_news(struct agent *agent, const Wire__AgentNews *news)
{
	int r = channel_send(agent->channel, FRAME_AGENT_NEWS, 0, &news->base);

	/* A live definition that is too large is left out; the rest still counts. */
	if ((r == -EMSGSIZE || r == -EBADMSG) && news->body_case == WIRE__AGENT_NEWS__BODY_DOMAIN) {
		Wire__AgentNews less = *news;
		Wire__DomainNews domain = *news->domain;

		domain.live_xml = (char *)protobuf_c_empty_string;
		less.domain = &domain;
		r = channel_send(agent->channel, FRAME_AGENT_NEWS, 0, &less.base);
		domain.live = NULL;
		if (r == -EMSGSIZE || r == -EBADMSG)
			r = channel_send(agent->channel, FRAME_AGENT_NEWS, 0, &less.base);
	}
	agent_sent(agent, r);
}

int agent_connect(struct agent *agent, struct link *link, virConnectPtr *ret_conn,
		  char why[VM_WHY_SIZE])
{
	bool connected;

	pthread_mutex_lock(&agent->lock);
	connected = agent->connected;
	snprintf(why, VM_WHY_SIZE, "%s", agent->why);
	pthread_mutex_unlock(&agent->lock);
	/* Opening one to a libvirtd that hangs would never come back. */
	if (!connected)
		return -ENOTCONN;
	if (link_get(link, ret_conn) < 0) {
		snprintf(why, VM_WHY_SIZE, "libvirtd does not answer at %.100s: %.150s", agent->uri,
			 link_error());
		return -ENOTCONN;
	}
	return 0;
}

/* libvirt's sentences may be long, or hold what is no clean text. */
void vm_set_text(char **field, const char *text)
{
	_cleanup_(freep) char *clean = mem_strndup(text ? text : "", WIRE_TEXT_MAX);
	size_t len = wire_text_fit(clean, WIRE_TEXT_MAX);

	while (len > 0 && (clean[len - 1] == '\n' || clean[len - 1] == ' '))
		len--;
	clean[len] = '\0';
	if (!wire_text_ok(clean, len, true)) {
		for (char *c = clean; *c; c++) {
			if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
				*c = ' ';
		}
	}
	wire_set(field, clean);
}
