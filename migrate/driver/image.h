/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image: a guest's memory in a file on a shared volume, between two nodes (quick migration).
 *
 * An image may be resumed once. Who restores it renames it to NAME.consumed before the guest runs,
 * and syncs that; what happens then is for the cluster's records to decide, never for this module.
 * libvirt syncs the data but neither the header that declares it complete nor the directory, so
 * both are done here, and no return code is believed: what counts is the header and whether the
 * guest is still there.
 */
#ifndef MIGRATE_DRIVER_IMAGE_H
#define MIGRATE_DRIVER_IMAGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "migrate/driver/outcome.h"

/*
 * Pauses, saves and ends the guest. OK: the image is complete and durable, no process is left; also
 * when all that was done before. FAILED, CANCELLED: the guest is still here, no image; it runs as
 * before unless libvirtd was lost meanwhile, which leaves it paused (user). ABSENT: it is gone and
 * there is no complete image. The path must be VOLUME/.clusterd/state/NAME, and used for no other
 * save. Once *cancel is set, no save is begun; one that libvirt does already goes on.
 */
void image_save(virConnectPtr conn, const char *uuid, const char *path, const atomic_bool *cancel,
		struct outcome *ret);

/*
 * Restores from path, or from path.consumed, with its virtual CPUs stopped. OK: it is here, paused,
 * and the image is path.consumed; also when all that was done before. FAILED: the image is as it
 * was, and the guest not here, or what is here was not restored and has not run.
 */
void image_restore(virConnectPtr conn, const char *uuid, const char *path, struct outcome *ret);

/*
 * Removes the image in all its forms: as it was saved, wholly or in part, and as it is once it was
 * restored. OK: something was removed; ABSENT: there is none. Either is durable.
 */
void image_drop(const char *path, struct outcome *ret);

enum image_state { IMAGE_NONE, IMAGE_PARTIAL, IMAGE_COMPLETE };
/* What the file's first bytes say; -errno: cannot be told. */
int image_look(const char *path, enum image_state *ret);

/* Whether a path is of the form VOLUME/.clusterd/state/NAME, without "." or "..". */
bool image_path_ok(const char *path);

#endif
