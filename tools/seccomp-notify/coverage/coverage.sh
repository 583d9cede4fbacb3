#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make coverage: which lines of the implementation the selftests execute, in the
# kernel as it is, with nothing added that counts. QEMU says what code of it was
# ever translated, which is done when it is about to be executed, and the
# kernel's debug information says of which lines that code is.
#
# The lines that are not executed are in build/coverage/missed.txt; those that
# cannot be are in unreached, here, with the reason.
#
# usage: coverage.sh

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"

FLAVOUR=cov-rust
RESULTS=$BUILD/coverage
KSELFTEST=$RESULTS/kselftest
VMLINUX=$BUILD/$FLAVOUR/vmlinux

take_lock
"$TOOLS/setup.sh" build guest test
DEBUG='' "$TOOLS/kernel/kernel.sh" "$FLAVOUR"
rm -rf "$RESULTS"
mkdir -p "$RESULTS"

say 'reading which code is of which lines'
# Code of the implementation: neither tests, samples nor declarations.
source_paths | grep -E '\.(rs|c)(\.patch)?$' |
	grep -vE '^(samples|tools|rust/macros)/|/tests\.rs$' > "$RESULTS/sources"
"$(llvm llvm-dwarfdump)" --debug-line "$VMLINUX" |
	python3 "$TOOLS/coverage/coverage.py" lines "$TOP" "$LINUX" "$RESULTS"

if ! kernel_make "$FLAVOUR" kselftest-install TARGETS=seccomp KSFT_INSTALL_PATH="$KSELFTEST" \
	FORCE_TARGETS=1 > "$LOG/coverage-kselftest.log" 2>&1; then
	tail -n 15 "$LOG/coverage-kselftest.log" >&2
	die "the selftests did not build" "the log is $LOG/coverage-kselftest.log"
fi
say 'running the selftests'
TRANSLATED=$RESULTS/translated TRANSLATED_RANGES=$(cat "$RESULTS/ranges")
export TRANSLATED TRANSLATED_RANGES
programs=$(grep -E '^seccomp:(seccomp_bpf|notify_.*_test)$' "$KSELFTEST/kselftest-list.txt" | sed 's/^/-t /')
"$TOOLS/vm/vm.sh" --flavour "$FLAVOUR" --cpus 2 --timeout 1800 --console "$RESULTS/dmesg" exec \
	"bash $(printf '%q' "$TOOLS/test/selftest-guest.sh") $(printf '%q' "$KSELFTEST") -o 300 ${programs//$'\n'/ }" \
	< /dev/null > "$RESULTS/ktap" 2> "$RESULTS/stderr" || true
[[ -s $TRANSLATED ]] || die 'QEMU has not said what it translated' "see $RESULTS/stderr and $RESULTS/dmesg"
grep -c '^# ok' "$RESULTS/ktap" | sed 's/$/ tests passed/' >&2 || true

python3 "$TOOLS/coverage/coverage.py" report "$TOP" "$LINUX" "$RESULTS" "$TOOLS/coverage/unreached"
