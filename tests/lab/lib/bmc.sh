#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The wire between a BMC and its node's power, called by ipmi_sim:
#   bmc.sh DIR NODE MC get power        prints power:1 or power:0
#   bmc.sh DIR NODE MC set power 0|1
set -euo pipefail

lab_home=${BASH_SOURCE[0]%/lib/*}
. "$lab_home/lib/common.sh"
. "$lab_home/lib/power.sh"
lab_open "$1"

case "$4 $5 ${6:-}" in
"get power ") if node_is_on "$2"; then echo power:1; else echo power:0; fi ;;
"set power 0") power_off "$2" ;;
"set power 1") power_on "$2" ;;
*) exit 1 ;;
esac
