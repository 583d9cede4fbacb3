#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make run: the whole way, from nothing to a supervisor at work in the guest.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

flavour=$(flavour_of)
take_lock
"$TOOLS/setup.sh" build guest
"$TOOLS/kernel/kernel.sh" "$flavour"

# The demo, the base's own sample as it is, and ours, against this kernel's headers.
mkdir -p "$BUILD/run"
kernel_make "$flavour" headers > "$LOG/headers.log" 2>&1 ||
	die "the kernel's headers could not be made" "the log is $LOG/headers.log"
for source in "$TOOLS/demo/demo.c" "$LINUX"/samples/seccomp/user-trap{,-signaled,-launcher,-send-recv}.c; do
	"$(llvm clang)" -O2 -Wall -isystem "$BUILD/$flavour/usr/include" \
		-o "$BUILD/run/$(basename "$source" .c)" "$source"
done

say "booting it"
exec "$TOOLS/vm/vm.sh" --flavour "$flavour" --timeout 120 \
	exec "$(printf '%q ' env "TAKEOVERS=${TAKEOVERS:-}" bash "$TOOLS/demo/demo.sh" "$BUILD/run")"
