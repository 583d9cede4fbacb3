#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make exec CMD='...' [RWDIR=dir] [GDB=1]: a command in the guest, on the host's
# files; with GDB=1, the guest waits for gdb before it boots.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

[[ -n ${CMD:-} ]] || die "make exec needs a command" "make exec CMD='uname -a'"
flavour=$(flavour_of)
take_lock
"$TOOLS/setup.sh" build guest
"$TOOLS/kernel/kernel.sh" "$flavour"
options=()
if [[ -n ${RWDIR:-} ]]; then
	[[ -d $RWDIR ]] || die "RWDIR=$RWDIR is not a directory"
	options+=(--rw "$RWDIR")
fi
exec "$TOOLS/vm/vm.sh" --flavour "$flavour" ${GDB:+--gdb} "${options[@]}" exec "$CMD"
