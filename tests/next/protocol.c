/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/frame.h"

const struct frame_protocols frame_protocols = { .min = 1, .max = 2 };
