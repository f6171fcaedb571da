/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/trace/build.h"

const struct build build_this = BUILD(, "this version");
