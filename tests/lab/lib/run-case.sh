#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run-case.sh NAME: one case, in the lab that $lab_dir names. The reason of a
# failure goes to descriptor 3, everything else to the log that is its output.
set -Eeuo pipefail

lab_home=${BASH_SOURCE[0]%/lib/*}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'fail "line $LINENO of ${BASH_SOURCE[0]##*/} failed: $BASH_COMMAND"' ERR

# shellcheck disable=SC1091
. "$lab_home/lib/testlib.sh"
case_begin
# shellcheck disable=SC1090
. "$lab_home/cases/$1.sh"
case_end
note "ok"
