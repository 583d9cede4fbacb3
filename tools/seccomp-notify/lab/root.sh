#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the root file system that a kernel lab boots, an initramfs: busybox, selftests
# as they were installed, and the libraries of these, see init.
#
# usage: root.sh <flavour> <selftests> <file>

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

flavour=$1
selftests=$2
file=$(readlink -m "$3")
root=${file%.cpio.gz}
mkdir -p "$(dirname "$file")"

# with_libraries <program>...: what they are linked with, at the same paths
with_libraries() {
	local library

	while read -r library; do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done < <(
		# It fails for those that are linked with nothing.
		{ ldd "$@" 2> /dev/null || true; } | grep -oE '/[^ :]+ \(0x' | cut -d ' ' -f 1 | sort -u
		# What pthread_exit() loads when it is called.
		ldconfig -p | awk '/libgcc_s\.so\.1 .*x86-64/ { print $NF; exit }'
	)
}

# Nothing here tells what programs of another architecture are linked with: they get
# all that they could be.
with_all_libraries() {
	mkdir -p "$root/lib"
	find "$ARM64_ROOT" \( -name 'ld-linux-*.so.*' -o -name 'lib*.so.*' \) \
		-exec cp -L {} "$root/lib" \;
}

busybox=$BUILD/tools/busybox
timeout=/usr/bin/timeout
if [[ $(arch_of "$flavour") == arm64 ]]; then
	busybox=$(find "$ARM64_ROOT" -path '*bin/busybox')
	timeout=$(find "$ARM64_ROOT" -path '*bin/timeout')
fi

rm -rf "$root"
mkdir -p "$root"/{bin,dev,etc,proc,root,sbin,sys,tmp,usr/bin,usr/sbin}
cp "$TOOLS/lab/init" "$root/init"
cp "$busybox" "$root/bin/busybox"
# Nobody gets in by a network that is not there.
echo 'root::0:0:root:/root:/bin/sh' > "$root/etc/passwd"
# What labs wait for.
echo "PS1='root@lab:# '" > "$root/etc/profile"
cp -r "$selftests" "$root/kselftest"
# That of busybox does not know --foreground.
cp -L "$timeout" "$root/usr/bin/timeout"
if [[ $(arch_of "$flavour") == arm64 ]]; then
	with_all_libraries
else
	mapfile -t programs < <(find "$root/kselftest" -type f -perm -100)
	with_libraries "${programs[@]}" "$timeout"
fi
(cd "$BUILD/$flavour" && "$LINUX/usr/gen_initramfs.sh" -o "${file%.gz}" \
	-u squash -g squash -d 2026-01-01 "$root")
gzip -nf "${file%.gz}"
chmod a+r "$file"
