#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make test: everything there is to prove.  One line a suite; what it said is
# kept in build/test: *.ktap what the tests printed, *.dmesg what the kernel
# did.  Ends with "N passed, M failed".
#
# DEBUG=1 builds the kernels with KASAN, lockdep and their like, and runs the
# suites that need a guest on those.
#
# ARCH=arm64 builds those for that one, and boots them as a lab would.
#
# REPEAT=N runs those suites N times.
#
# usage: test.sh [suite]...	(all; or some of: runner host check build object
#				kunit seccomp_bpf seccomp_notify demo bench)

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"
. "$TOOLS/test/suites.sh"

only=("$@")
wants() {
	local suite

	((${#only[@]})) || return 0
	for suite in "${only[@]}"; do
		[[ $suite != "$1" ]] || return 0
	done
	return 1
}
# What does not depend on how the kernel was configured, and is for this machine.
wants_once() { [[ -z $DEBUG && $ARCH == x86_64 ]] && wants "$1"; }

other=${ARCH#x86_64}
take_lock
"$TOOLS/setup.sh" build guest test check ${other:+"$other"}
new_report
"$TOOLS/tree/apply.sh"
printf '%-56s %6ds\n' 'the tools and the tree' "$SECONDS"

! wants_once runner || run_runner
! wants_once host || run_host
if wants build || wants seccomp_bpf || wants seccomp_notify || wants demo || wants bench; then
	run_build "${prefix}rust"
	run_build "${prefix}c"
elif wants_once object; then
	run_build c
fi
if wants build || wants kunit; then
	run_build "${prefix}kunit"
fi
! wants_once check || run_check
! wants_once object || run_object
! wants kunit || run_kunit
if wants seccomp_bpf || wants seccomp_notify; then
	if build_selftests; then
		for ((round = 0; round < ${REPEAT:-1}; round++)); do
			if wants seccomp_bpf; then
				run_selftests seccomp_bpf c 2
				run_selftests seccomp_bpf rust 2
				compare_totals
			fi
			wants seccomp_notify || continue
			run_selftests seccomp_notify c 2
			run_selftests seccomp_notify rust 2
			# The races are others with one CPU, and with four.
			run_selftests seccomp_notify rust 1
			run_selftests seccomp_notify rust 4
		done
	else
		record kselftest - 0 1 0 "$SECONDS"
	fi
fi
! wants_once demo || run_demo
! wants_once bench || run_bench

if ((${#notes[@]})); then
	printf '\nWorth knowing (all output is in %s):\n' "$RESULTS"
	printf '  %s\n' "${notes[@]}"
fi
if ((${#faults[@]})); then
	printf '\nWrong (all output is in %s):\n' "$RESULTS"
	printf '  %s\n' "${faults[@]}"
fi
printf '\nin %s\n' "$(clock $SECONDS)"
printf '%d passed, %d failed%s\n' "$passed" "$failed" "$( ((skipped == 0)) || printf ', %d skipped' "$skipped")"
((failed == 0))
