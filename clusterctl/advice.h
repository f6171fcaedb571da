/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Advice: what to look at when a fence device did not pass its test. */
#ifndef CLUSTERCTL_ADVICE_H
#define CLUSTERCTL_ADVICE_H

/* One sentence for the commonest things that fence agents say; NULL for all others. */
const char *advice_on_fencing(const char *said);

#endif
