#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make shell [GDB=1]: a shell in the guest; with GDB=1, it waits for gdb before it
# boots.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

flavour=$(flavour_of)
take_lock
"$TOOLS/setup.sh" build guest
"$TOOLS/kernel/kernel.sh" "$flavour"
exec "$TOOLS/vm/vm.sh" --flavour "$flavour" ${GDB:+--gdb} shell
