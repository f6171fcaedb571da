/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vcpus: how many virtual processors a guest can have on this node at most.
 */
#ifndef AGENTS_VCPUS_H
#define AGENTS_VCPUS_H

#include <stdint.h>

/*
 * The most that any machine type of any emulator takes, by libvirt's capabilities
 * (<guest><arch><machine maxCpus=…>); the machine type of a guest may take fewer. 0: they do not
 * say, or are not XML.
 */
uint32_t vcpus_max(const char *capabilities);

#endif
