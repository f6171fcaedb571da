/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tested: what the test of a fence device has shown, which is more than how the operation
 * ended: whether the device would do as a proof that its node is dead.
 */
#ifndef CLUSTERCTL_TESTED_H
#define CLUSTERCTL_TESTED_H

#include "clusterctl/ctl.h"

/*
 * Says of an ended operation of the kind fence-test which device said what of which node, how
 * fast, whether that would do, and if not, what to look at. Takes the exit of the operation and
 * returns that of the command: a device that calls a node off that is up, answers well and is
 * still of no use. looks_back: the test may have ended long ago, and what it proved is of then.
 */
int tested_say(struct ctl *ctl, const json_t *operation, bool looks_back, int exit);

#endif
