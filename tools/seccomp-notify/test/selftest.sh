#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make selftest TEST='<program> [argument]...' [GDB=1]: one program of the
# selftests in the guest, built anew. What the kernel says is in
# build/log/console.log.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/test/suites.sh"

[[ -n ${TEST:-} ]] || die "make selftest needs a program" "make selftest TEST='notify_recv_test'"
program=${TEST%% *}
[[ -e $TOP/tools/testing/selftests/seccomp/$program.c || $program == seccomp_bpf ]] ||
	die "there is no selftest $program" "they are in tools/testing/selftests/seccomp"
flavour=$(flavour_of)
take_lock
"$TOOLS/setup.sh" build guest test
# The programs are built with the headers of this one.
"$TOOLS/kernel/kernel.sh" "${prefix}rust"
[[ $IMPL == rust ]] || "$TOOLS/kernel/kernel.sh" "$flavour"
build_selftests || exit 1
exec "$TOOLS/vm/vm.sh" --flavour "$flavour" ${GDB:+--gdb} exec "$KSELFTEST/seccomp/$TEST"
