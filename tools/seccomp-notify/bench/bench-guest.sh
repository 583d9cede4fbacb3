#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside the guest: the benchmark program, with what it needs. What it said is in
# the output file if it was successful, and only then.
#
# usage: bench-guest.sh <program> <output file> [argument]...

set -euo pipefail

# Room for 100,000 targets and what traces them; a program in memory starts fast.
sysctl -q kernel.threads-max=130000 kernel.pid_max=200000
[[ -d /sys/kernel/tracing/events ]] || mount -t tracefs tracefs /sys/kernel/tracing
cp "$1" /dev/shm/program
output=$2
shift 2
# What booting has started comes to rest; with -icount, idle time takes none, so
# there is something to do as well.
sleep 5
/dev/shm/program -r 500 floor > /dev/null
# What it says waits for the end: the host answers when it likes, and the guest
# would take that in while the next figure is measured.
status=0
/dev/shm/program "$@" > /dev/shm/output || status=$?
cat /dev/shm/output
[[ $status == 0 ]]
cp /dev/shm/output "$output"
