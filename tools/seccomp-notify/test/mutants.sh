#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make mutants: whether the host's tests notice mistakes in what they test.
# Those of mutants.list are made one at a time, in a copy of the sources.
#
# usage: mutants.sh [word]...	(all; or those whose names have the words)

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# one_mutant build|test <file>: what may notice a mistake in the file
one_mutant() {
	local -a first=(--package kernel --lib --test index --test state --test waiter)
	local -a then=(--package seccomp_notify --features shuttle)
	local -a how=(--locked --quiet)

	[[ $1 == test ]] || how+=(--no-run)
	case $2 in
	rust/* | */state.rs) timeout 600 cargo test "${how[@]}" "${first[@]}" || return ;;
	esac
	timeout 900 cargo test "${how[@]}" "${then[@]}"
}

if [[ ${1:-} == --one ]]; then
	one_mutant "$2" "$3"
	exit
fi

take_lock
"$TOOLS/setup.sh" build
"$TOOLS/tree/apply.sh"
copy=$BUILD/mutants
rm -rf "$copy/tree"
mkdir -p "$copy/tree"
(cd "$TOP" && cp -a --parents kernel/seccomp_notify rust/kernel rust/macros \
	tools/seccomp-notify/host "$copy/tree")
cargo_home
export CARGO_TARGET_DIR=$copy/target RUSTC=/usr/bin/rustc SCHEDULES=${SCHEDULES:-200}
python3 "$TOOLS/test/mutants.py" "$TOOLS/test/mutants.list" "$copy/tree" "$@" \
	-- "$TOOLS/test/mutants.sh" --one
