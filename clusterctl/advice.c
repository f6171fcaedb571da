/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusterctl/advice.h"

#include "base/cleanup.h"

#include <string.h>

#define IS_REACHED                                                                                 \
	"Check that the node which asked reaches the device: address, port, network, firewall; if "\
	"the device is only slow, "
/* The agent itself gave up: more time for the whole call does not help. */
static const char is_reached[] = IS_REACHED
	"add it anew with higher limits among the agent's own parameters (login_timeout=, "
	"shell_timeout=, power_timeout=)";
static const char is_in_time[] = IS_REACHED
	"clusterctl settings set fence.timeout_s gives it more time";
static const char is_let_in[] =
	"Check address, user name and password, and whether the device lets this user in that way "
	"(SSH, telnet, HTTPS; on a BMC IPMI over LAN)";
static const char has_password[] =
	"Give the password: fence add has --ask-secret and --secret-stdin for that";

/* Source of what agents say: fail() and fail_usage() of fencing.py of fence-agents. */
static const struct {
	const char *said, *advice;
} table[] = {
	{ "plug status or plug is not available",
	  "Check address, user name, password and privileges, on a BMC also lanplus=1 (IPMI 2.0), "
	  "and the plug of --node NODE=PLUG: agents say this of all of them" },
	{ "You have to set login password", has_password },
	{ "You have to enter password", has_password },
	{ "'-h' for usage",
	  "A parameter is missing, or has a value that the agent does not take: its manual page "
	  "has them all" },
	{ "You have to ", "A parameter is missing: the agent's manual page has them all" },
	{ "connect/login", is_let_in },
	{ "correct privileges",
	  "Give that user of the device the right to switch power (on a BMC: OPERATOR)" },
	{ "Connection lost", is_reached },
	{ "timed out", is_reached },
	{ "Timed out", is_reached },
	{ "no answer within", is_in_time },
	{ "no answer in time", is_in_time },
	{ "it switches another machine",
	  "Check the address and the plug of --node NODE=PLUG: they must be those of that node" },
};

const char *advice_on_fencing(const char *said)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strstr(said, table[i].said))
			return table[i].advice;
	return NULL;
}
