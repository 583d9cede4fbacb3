#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside the guest: the fuzzer, and what it has leaked.
#
# usage: fuzz-guest.sh <notify_fuzz>

set -euo pipefail

cp "$1" /dev/shm/notify_fuzz
status=0
/dev/shm/notify_fuzz || status=$?

leaks=/sys/kernel/debug/kmemleak
[[ -e $leaks ]] || mount -t debugfs none /sys/kernel/debug || true
if [[ -e $leaks ]]; then
	# What is younger than 5 seconds does not count, nor what has changed since
	# the scan before. The kernel's log tells.
	sleep 6
	echo scan > "$leaks"
	echo scan > "$leaks"
	sed 's/^/# /' "$leaks"
fi
exit "$status"
