#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside a guest of 4 CPUs: how long 4 supervisors take to serve 16 targets, with
# 4, 3 and 2 of the CPUs. The output file has a line for each time.
#
# usage: overcommit-guest.sh <program> <output file> <times> [argument]...

set -euo pipefail

cp "$1" /dev/shm/program
output=$2
times=$3
shift 3
# What booting has started comes to rest.
sleep 5
for cpus in 4 3 2; do
	for ((cpu = cpus; cpu < 4; cpu++)); do
		echo 0 > "/sys/devices/system/cpu/cpu$cpu/online"
	done
	[[ $(nproc --all) -ge 4 && $(getconf _NPROCESSORS_ONLN) == "$cpus" ]]
	for ((i = 0; i < times; i++)); do
		/dev/shm/program "$@" smp | sed -n "s#^smp/time #overcommitted/$cpus #p"
	done
done | tee /dev/shm/output
cp /dev/shm/output "$output"
