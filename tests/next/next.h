/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_NEXT_NEXT_H
#define TESTS_NEXT_NEXT_H

/*
 * The next version of clusterd, as far as tests need one: this version, compiled or linked a second
 * time, that speaks one protocol more and knows one feature level more. At that level a VM has a
 * note (`vm set NAME note=TEXT`), and a node tells one fact more.
 *
 * Nothing in the product knows of it. What stands in wire/protocol.c and
 * clusterd/core/feature_table.c is replaced by protocol.c and feature_table.c here, functions that
 * do more at the new level are wrapped by the linker (hooks.c), and what is new in the schema is
 * put into a copy of it (schema.sed).
 */

#include "clusterd/core/feature.h"

enum { FEATURE_NEXT = FEATURE_FIRST + 1 };

#endif
