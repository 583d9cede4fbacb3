#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make trace: how long the notifications of a run took, from their tracepoints.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

flavour=$(flavour_of)
[[ $flavour == *rust ]] || die "the C implementation has no tracepoints" "make trace, without IMPL=c"
take_lock
"$TOOLS/setup.sh" build guest
"$TOOLS/kernel/kernel.sh" "$flavour"

mkdir -p "$BUILD/run"
kernel_make "$flavour" headers > "$LOG/headers.log" 2>&1 ||
	die "the kernel's headers could not be made" "the log is $LOG/headers.log"
"$(llvm clang)" -O2 -Wall -isystem "$BUILD/$flavour/usr/include" \
	-o "$BUILD/run/seccomp_notify_bench" \
	"$LINUX/tools/testing/selftests/seccomp/seccomp_notify_bench.c"

say "booting it"
exec "$TOOLS/vm/vm.sh" --flavour "$flavour" --cpus 2 --timeout 120 \
	exec "$(printf '%q ' bash "$TOOLS/demo/trace-guest.sh" "$BUILD/run/seccomp_notify_bench")"
