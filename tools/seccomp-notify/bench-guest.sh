#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside the guest: the benchmark program, with what it needs. What it said is in
# the output file if it was successful, and only then.
#
# usage: bench-guest.sh <program> <output file> [argument]...

set -euo pipefail

# Room for 10,000 targets and what traces them; a program in memory starts fast.
sysctl -q kernel.threads-max=60000 kernel.pid_max=100000
mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
cp "$1" /dev/shm/program
output=$2
shift 2
# What booting has started comes to rest; with -icount, idle time takes none.
sleep 5
/dev/shm/program "$@" | tee /dev/shm/output
cp /dev/shm/output "$output"
