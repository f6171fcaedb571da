# shellcheck shell=bash disable=SC2154
# a node is cut from the network: it is fenced, and comes back
# SPDX-License-Identifier: GPL-2.0-or-later
# set: core
may_fence n3
add_on cut-a n3
add_on cut-b n1
count=$(ticks cut-a)
first_event=$(last_event)
lab cut n3
until_true "n3 is off" node_is n3 off
equal "whether its power is on" false "$(is_on n3 && echo true || echo false)"
until_true "cut-a runs elsewhere" runs cut-a
differ "where it is" n3 "$(owner cut-a)"
until_true "it ticks there" ticked_on cut-a "$(owner cut-a)" "$count"
before "node n3: lost" "node n3: being fenced through"
before "node n3: is off, proven" "vm cut-a: runs on"
ticks_on cut-b
equal "boots of the guest on n1" 1 "$(boots cut-b)"

lab join n3
lab start n3
until_true "n3 is up" node_is n3 up
differ "where cut-a is" n3 "$(owner cut-a)"
equal "how often n3 was fenced" 1 "$(count_events '^node n3: being fenced through')"
