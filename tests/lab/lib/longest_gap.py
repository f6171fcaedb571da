# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints the longest silence, in ms, between two ticks of a tick log on standard input."""
import sys

last, longest = None, 0
for line in sys.stdin:
    ms = float(line.split()[0])
    if last is not None:
        longest = max(longest, ms - last)
    last = ms
print(round(longest))
