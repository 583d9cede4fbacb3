#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What make trace shows, inside the guest: the kernel takes the time between two
# tracepoints of a target, and counts. The argument is a program that makes
# notifications.

set -euo pipefail

tracing=/sys/kernel/tracing
events=$tracing/events
from=seccomp_notify_queued
to=seccomp_notify_answered
latency=seccomp_notify_latency

mountpoint -q "$tracing" || mount -t tracefs tracefs "$tracing"
echo "$latency u64 us" > "$tracing/synthetic_events"
# A target waits for one answer at a time, so that its pid tells what belongs together.
echo 'hist:keys=pid:start=common_timestamp.usecs' > "$events/seccomp_notify/$from/trigger"
echo "hist:keys=pid:us=common_timestamp.usecs-\$start:onmatch(seccomp_notify.$from).trace($latency,\$us)" \
	> "$events/seccomp_notify/$to/trigger"
echo 'hist:keys=us.log2:sort=us' > "$events/synthetic/$latency/trigger"

cp "$1" /dev/shm/program
printf '\n4 supervisors serve 16 targets ...\n'
/dev/shm/program -r 100 smp > /dev/null
printf '... and these are the last events in the trace of one more:\n\n'
echo 1 > "$events/seccomp_notify/enable"
/dev/shm/program -r 10 one-to-one > /dev/null
echo 0 > "$events/seccomp_notify/enable"
grep -v '^#' "$tracing/trace" | tail -n 6

printf '\nFrom the notification to the answer, in microseconds:\n\n'
awk '
	/us: ~ 2\^/ {
		split($0, part, /[\^}]/)
		hits = $NF
		count[++rows] = hits
		least[rows] = 2 ^ part[2]
		total += hits
		if (hits > most)
			most = hits
	}
	END {
		if (!total) {
			print "nothing was counted"
			exit 1
		}
		for (row = 1; row <= rows; row++) {
			bar = sprintf("%*s", int(50 * count[row] / most + 0.5), "")
			gsub(/ /, "#", bar)
			printf "%8d to %8d %8d %s\n", least[row], 2 * least[row] - 1, count[row], bar
		}
		printf "\n%d notifications\n", total
	}
' "$events/synthetic/$latency/hist"
