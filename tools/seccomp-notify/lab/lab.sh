#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make lab [LAB_URL=url] [IMPL=c]: what a kernel lab needs to run the selftests, in
# build/lab: the kernel, a root file system that is an initramfs (of busybox, the
# selftests and the libraries of these), and a job for LAVA.
#
# LAB_URL is where the lab will find the files; file:// and build/lab if not set.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/test/suites.sh"

lab=$BUILD/lab
root=$lab/root
url=${LAB_URL:-file://$lab}
# All that make test runs; the benchmark has nothing to say of a machine in QEMU.
arguments=-c,seccomp,-S,seccomp:seccomp_benchmark

# with_libraries <program>...: what they are linked with, at the same paths
with_libraries() {
	local library

	while read -r library; do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done < <(ldd "$@" 2> /dev/null | grep -oE '/[^ :]+ \(0x' | cut -d ' ' -f 1 | sort -u)
}

make_root() {
	local applet

	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,etc,proc,root,sbin,sys,tmp,usr/bin}
	cp "$TOOLS/lab/init" "$root/init"
	cp "$BUILD/tools/busybox" "$root/bin/busybox"
	while read -r applet; do
		[[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
	done < <("$BUILD/tools/busybox" --list)
	# Nobody gets in by a network that is not there.
	echo 'root::0:0:root:/root:/bin/sh' > "$root/etc/passwd"
	# What labs wait for.
	echo "PS1='root@lab:# '" > "$root/etc/profile"
	cp -r "$KSELFTEST" "$root/kselftest"
	# That of busybox does not know --foreground.
	cp -L /usr/bin/timeout "$root/usr/bin/timeout"
	with_libraries "$root"/kselftest/seccomp/* "$root/usr/bin/timeout"
}

pack_root() {
	(cd "$BUILD/$flavour" && "$LINUX/usr/gen_initramfs.sh" -o "$lab/rootfs.cpio" \
		-u squash -g squash -d 2026-01-01 "$root") &&
		gzip -nf "$lab/rootfs.cpio" && chmod a+r "$lab/rootfs.cpio.gz"
}

sum() { sha256sum < "$1" | cut -d ' ' -f 1; }

[[ -z $DEBUG ]] || die "the time that the job has is not enough for a kernel that checks itself" \
	"make lab without DEBUG="
flavour=$(flavour_of)
take_lock
"$TOOLS/setup.sh" build test lab
# The programs are built with the headers of this one.
"$TOOLS/kernel/kernel.sh" rust
[[ $flavour == rust ]] || "$TOOLS/kernel/kernel.sh" "$flavour"
build_selftests || exit 1
mkdir -p "$lab"
cp "$(image_of "$flavour")" "$lab/bzImage"
make_root
pack_root
sed -e "s#@IMPL@#$IMPL#; s#@URL@#$url#; s#@ARGUMENTS@#$arguments#" \
	-e "s#@KERNEL@#$(sum "$lab/bzImage")#; s#@ROOTFS@#$(sum "$lab/rootfs.cpio.gz")#" \
	"$TOOLS/lab/job.yaml" > "$lab/job.yaml"
say "in $lab: bzImage, rootfs.cpio.gz, and job.yaml for LAVA, which expects them at $url"
