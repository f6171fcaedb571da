#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes ./configure from configure.ac in a fresh clone. Run it once; make keeps things up to date
# afterwards.
set -eu
cd "$(dirname "$0")"

for tool in autoconf automake pkg-config; do
	command -v "$tool" >/dev/null || {
		echo "autogen.sh: $tool is missing: apt-get install $tool (or run tools/setup)" >&2
		exit 1
	}
done

autoreconf --force --install --warnings=all

cat <<'X'
Now, for a build beside the sources:
  mkdir -p build/dev && cd build/dev
  ../../configure --prefix=/usr --sysconfdir=/etc --localstatedir=/var --runstatedir=/run
  make && make check
X
