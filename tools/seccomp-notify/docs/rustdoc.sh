#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make rustdoc: the documentation of the kernel crate, with the abstractions of
# this project, by the kernel's own rustdoc. A warning is an error. Their
# examples are run by "make test".

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

log=$LOG/rustdoc.log

take_lock
"$TOOLS/setup.sh" build
"$TOOLS/kernel/kernel.sh" rust
say "documenting the kernel crate; the log is $log"
kernel_make rust rustdoc > "$log" 2>&1 || {
	tail -n 15 "$log" >&2
	die "rustdoc failed" "the log is $log"
}
! grep -qE '^(warning|error)(\[[^]]*\])?:' "$log" || {
	grep -E -A 8 '^(warning|error)(\[[^]]*\])?:' "$log" >&2
	die "rustdoc has warnings" "the log is $log"
}
say "it is in $BUILD/rust/Documentation/output/rust/rustdoc/kernel/index.html"
