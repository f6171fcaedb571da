/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hint: "Did you mean …?" for a name that is not there.
 *
 * What kind of thing a word of the command line names stands in the table of commands, so a
 * hint is always a name of that kind.
 */
#ifndef CLUSTERCTL_HINT_H
#define CLUSTERCTL_HINT_H

#include "clusterctl/ctl.h"

/*
 * Says on stderr which name may have been meant by the one that a sentence about something
 * missing quotes ('n9'), if one is near. Asks the daemon for names.
 */
void hint_say(struct ctl *ctl, const char *sentence);

#endif
