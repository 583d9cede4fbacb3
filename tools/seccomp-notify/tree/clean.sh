#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Removes all that was built and fetched, and the configuration of menuconfig.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

take_lock
[[ $BUILD != "$TOP" && $BUILD != / && $BUILD != "${HOME:-}" ]] || die "$BUILD is not a build directory"

# Work in the built tree that the project does not have yet is not rubbish.
edited=()
if [[ -z ${FORCE:-} && -e $BUILD/linux.manifest ]]; then
	while read -r sum path; do
		[[ ! -e $LINUX/$path || $(sha256sum < "$LINUX/$path") == "$sum  -" ]] || edited+=("$path")
	done < "$BUILD/linux.manifest"
fi
((${#edited[@]} == 0)) || die "edited in $LINUX, and not in the project: ${edited[*]}" \
	"make refresh brings them back; make clean FORCE=1 drops them"

for name in {,arm64-}{,debug-,kcsan-,rt-,cov-}{c,kunit,rust,rust-outline}{,.new} \
	apt apt-arm64 base base.from base.new bench bench-arm64 coverage docs docs.work fuzz host \
	kselftest kvm.works lab linux linux.base linux.keep linux.manifest linux.new local.config log \
	mutants package run seccomp series series.check series.edit series.proof series.stage \
	series.work stage test tools venv vm; do
	rm -rf "${BUILD:?}/$name"
done
rm -f "$BUILD/.seccomp-notify" "$BUILD/.lock"
rmdir "$BUILD" 2> /dev/null || say "left in $BUILD: $(find "$BUILD" -mindepth 1 -maxdepth 1 -printf '%P ')"
