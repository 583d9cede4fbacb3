#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside the guest: the installed selftests, by their own runner, from memory (a
# guest reads the host's files slowly, and Landlock does not hold on them). Then,
# in a kernel that looks for leaks, whether they left any.
#
# usage: selftest-guest.sh <where they are> <argument of run_kselftest.sh>...

set -euo pipefail

cp -r "$1" /dev/shm/kselftest
cd /dev/shm/kselftest
shift
status=0
./run_kselftest.sh "$@" 2>&1 || status=$?

# The kernel's log has the number of leaks, which is judged; this tells what they
# are. What is younger than five seconds does not count: it may not be linked yet.
# Nor does what has changed since the scan before, as all has that is new to it.
leaks=/sys/kernel/debug/kmemleak
if [[ -w $leaks ]]; then
	sleep 6
	echo scan > "$leaks"
	echo scan > "$leaks"
	sed 's/^/# /' "$leaks"
fi
exit "$status"
