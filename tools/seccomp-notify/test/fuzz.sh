#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make fuzz: everything at once, at random, in kernels that check themselves:
# notify_fuzz of the selftests, with 1, 2 and 4 CPUs, a third of the time each.
#
# TIME= is for how many seconds (600 if not set), SEED= what chance starts from
# (the time of day), ROUND= the first round, to come back to one that failed.
#
# What it and the kernel said is in build/fuzz.
#
# usage: fuzz.sh [flavour]	(debug-rust; or what DEBUG= and IMPL= say)

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

seconds=${TIME:-600}
seed=${SEED:-$(date +%s)}
round=${ROUND:-0}
flavour=${1:-$(DEBUG=${DEBUG:-1} flavour_of)}
fuzz=$BUILD/fuzz
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "TIME=$seconds is not a number of seconds"
[[ $seed =~ ^[0-9]+$ ]] || die "SEED=$seed is not a number"
[[ $round =~ ^[0-9]+$ ]] || die "ROUND=$round is not a number"

# judge <CPUs> <status> <KTAP> <kernel's log>: what the tests' judge says of it
judge() {
	local first
	local -a said=()

	mapfile -t said < <(python3 "$TOOLS/test/results.py" --linux "$LINUX" \
		--run "fuzz/${flavour#debug-}/$1" --status "$2" --log "$4" "$3")
	first=${said[0]:-0 1 0}
	((${#said[@]} < 2)) || printf '    %s\n' "${said[@]:1}" >&2
	[[ $first == '1 0 0' ]]
}

take_lock
"$TOOLS/setup.sh" build guest lab
"$TOOLS/kernel/kernel.sh" "$flavour"
mkdir -p "$fuzz/programs"
kernel_make "$flavour" headers > "$LOG/headers.log" 2>&1 ||
	die "the kernel's headers could not be made" "the log is $LOG/headers.log"
"$(llvm clang)" -O2 -Wall -D_GNU_SOURCE= -isystem "$BUILD/$flavour/usr/include" \
	-o "$fuzz/programs/notify_fuzz" "$LINUX/tools/testing/selftests/seccomp/notify_fuzz.c" -lpthread
cp "$TOOLS/test/fuzz-guest.sh" "$fuzz/programs"
"$TOOLS/lab/root.sh" "$flavour" "$fuzz/programs" "$fuzz/root.cpio.gz" > "$LOG/fuzz-root.log" 2>&1 ||
	die "there is no root file system to boot" "the log is $LOG/fuzz-root.log"

failed=0
say "SEED=$seed TIME=$seconds, in the $flavour kernel"
for cpus in 1 2 4; do
	log=$fuzz/$flavour-$seed-smp$cpus.log
	status=0
	say "$cpus CPUs: the log is $log"
	# As a lab does: most of the time that it takes to boot this machine's files
	# would be udev's.
	"$TOOLS/lab/boot.sh" --flavour "$flavour" --cpus "$cpus" --timeout $((seconds / 3 + 600)) \
		--console "${log%.log}.dmesg" "$fuzz/root.cpio.gz" \
		"SEED=$seed ROUND=$round TIME=$(((seconds + 2) / 3)) sh /kselftest/fuzz-guest.sh /kselftest/notify_fuzz" \
		2>&1 | tee "$log" | sed -un 's/^# //p' >&2 || status=$?
	if judge "$cpus" "$status" "$log" "${log%.log}.dmesg"; then
		say "$cpus CPUs: passed"
	else
		failed=1
		say "$cpus CPUs: FAILED; to come back to it: SEED=$seed, and the ROUND that it says"
	fi
done
((failed == 0))
