/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migrate/driver/disk_fault.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "domain/essence.h"
#include "wire/message.h"

/* The words of strerror() and of QEMU's block layer; the first that is found counts. */
static const struct cause {
	const char *sign, *what, *advice;
	bool anywhere; /* it is not this node's fault more than another's */
} causes[] = {
	{ "Is another process using the image", "is in use by another process",
	  "that may be this very VM, which runs elsewhere without the cluster knowing: look with "
	  "virsh list on every node first, and end nothing before that; if it is not, find what "
	  "has it open, on any node (fuser -v)", true },
	{ "No such file or directory", "is not there", "mount its storage, or correct its path" },
	{ "Permission denied", "may not be opened",
	  "check its owner and mode, those of the directories above it, and what AppArmor or "
	  "SELinux denied (journalctl -k)" },
	{ "Read-only file system", "is on a read-only file system",
	  "see why that is not mounted to be written" },
	{ "Input/output error", "cannot be read", "see to its storage (journalctl -k)" },
	{ "Image is not in", "is no image of its format",
	  "correct the type of its driver, or restore the image", true },
};

static const struct cause *cause_of(const char *said)
{
	static const struct cause unknown = { "", "cannot be used", "" };

	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		if (strstr(said, causes[i].sign))
			return &causes[i];
	return &unknown;
}

/* Is the path in it, as a whole? They quote paths with these. */
static bool names(const char *said, const char *path)
{
	size_t len = strlen(path);
	const char *at = len ? strstr(said, path) : NULL;

	for (; at; at = strstr(at + 1, path))
		if (at > said && strchr("'\"[", at[-1]) && at[len] && strchr("'\"]", at[len]))
			return true;
	return false;
}

static bool names_any_path(const char *said)
{
	return strstr(said, "'/") || strstr(said, "\"/") || strstr(said, "[/");
}

/* QEMU's take more lines than one. */
static void fold_lines(char *text)
{
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
}

void disk_fault_say(const Wire__Disk *disk, const char *where, const char *said, char *ret,
		    size_t size)
{
	bool itself = !names_any_path(said) || names(said, disk->source);
	const struct cause *cause = cause_of(said);

	snprintf(ret, size, "%sdisk %s (%s) %s%s%s%s%s (%s)",
		 itself ? "" : "a backing file of ", disk->target, disk->source, cause->what,
		 cause->anywhere ? "" : " on ", cause->anywhere ? "" : where,
		 cause->advice[0] ? ": " : "", cause->advice, said);
	fold_lines(ret);
}

static bool is_named(const Wire__Disk *disk, const char *said)
{
	bool named = names(said, disk->source);

	for (size_t i = 0; i < disk->n_chain && !named; i++)
		named = names(said, disk->chain[i]);
	return named;
}

void disk_fault_explain(Wire__Disk *const *disks, size_t n, const char *where, const char *said,
			char *ret, size_t size)
{
	for (size_t i = 0; i < n; i++)
		if (is_named(disks[i], said)) {
			disk_fault_say(disks[i], where, said, ret, size);
			return;
		}
	snprintf(ret, size, "%s", said);
}

void disk_fault_explain_xml(const char *xml, const char *where, const char *said, char *ret,
			    size_t size)
{
	_cleanup_(wire_freep) Wire__Essence *essence = NULL;
	char why[400];

	if (!xml || domain_essence_read(xml, strlen(xml), NULL, &essence, why, sizeof(why)) < 0)
		snprintf(ret, size, "%s", said);
	else
		disk_fault_explain(essence->disks, essence->n_disks, where, said, ret, size);
}
