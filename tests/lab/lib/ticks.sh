# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a tick log tells. Its columns: ARRIVED_MS SOURCE_IP NAME BOOT UPTIME_S
# SEQ STRANGE SOURCE_PORT. One QEMU process ticks from one address and port; a
# migration continues a boot from another one.

ticks_log() {
	printf '%s' "$dir/ticks/$1.log"
}

need_ticks() {
	[[ -s $(ticks_log "$1") ]] ||
		fail "guest $1 has not ticked" "nothing is in $(ticks_log "$1")" \
			"Define it with the XML of: lab guest $1, and start it"
}

# A line a boot, then the longest gap within any of them.
ticks_gap() {
	awk '
	{
		boot = $4; node = $2; sub(/.*\./, "n", node)
		if (!(boot in last)) { order[++boots] = boot; path[boot] = node; longest[boot] = 0 }
		else {
			gap = $1 - last[boot]
			if (gap > longest[boot]) { longest[boot] = gap; where[boot] = $5 }
			if ($6 > seq[boot] + 1) lost[boot] += $6 - seq[boot] - 1
			if (source[boot] != $2 ":" $8) path[boot] = path[boot] ">" node
		}
		last[boot] = $1; seq[boot] = $6; source[boot] = $2 ":" $8; ticks[boot]++
	}
	END {
		for (i = 1; i <= boots; i++) {
			b = order[i]
			printf "boot=%s nodes=%s ticks=%d lost=%d longest_gap_ms=%d at_uptime_s=%s\n",
				b, path[b], ticks[b], lost[b], longest[b], where[b] == "" ? "-" : where[b]
			if (longest[b] > max) max = longest[b]
		}
		printf "boots=%d longest_gap_ms=%d\n", boots, max
	}' "$(ticks_log "$1")"
}

# A guest runs once if each of its QEMU processes falls silent for good before
# the next one speaks: then A>B>A by two migrations is three processes, one
# after the other. A process that speaks again after another one ran beside it.
# So does one whose canary found another writer on the disk.
ticks_writers() {
	awk '
	{
		process = $2 ":" $8
		if (process != current) {
			if (process in heard) {
				printf "%s ms: %s ticks again, %d ms after %s began (boots %s and %s)\n",
					$1, process, $1 - began[current], current, $4, boot[current]
				wrong++
			} else began[process] = $1
			current = process
		}
		heard[process] = 1; boot[process] = $4
		if ($7 > strange[$4]) {
			printf "%s ms: boot %s on %s found foreign bytes on its disk\n", $1, $4, process
			strange[$4] = $7; wrong++
		}
	}
	END {
		if (wrong) { printf "double=%d\n", wrong; exit 1 }
		print "double=0"
	}' "$(ticks_log "$1")"
}
