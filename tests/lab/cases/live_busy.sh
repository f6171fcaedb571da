# shellcheck shell=bash disable=SC2154
# live migration of a guest whose memory changes all the time
# SPDX-License-Identifier: GPL-2.0-or-later
guest_mib=256 guest_options="tick.dirty_mb_s=100 tick.wss_mb=96" add_on live-busy n1
done_ ctl vm migrate live-busy n3
equal "owner" n3 "$(owner live-busy)"
ticks_on live-busy
