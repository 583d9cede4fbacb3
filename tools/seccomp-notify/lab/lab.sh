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
url=${LAB_URL:-file://$lab}
# All that make test runs; the benchmark has nothing to say of a machine in QEMU.
arguments=-c,seccomp,-S,seccomp:seccomp_benchmark

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
"$TOOLS/lab/root.sh" "$flavour" "$KSELFTEST" "$lab/rootfs.cpio.gz"
sed -e "s#@IMPL@#$IMPL#; s#@URL@#$url#; s#@ARGUMENTS@#$arguments#" \
	-e "s#@KERNEL@#$(sum "$lab/bzImage")#; s#@ROOTFS@#$(sum "$lab/rootfs.cpio.gz")#" \
	"$TOOLS/lab/job.yaml" > "$lab/job.yaml"
say "in $lab: bzImage, rootfs.cpio.gz, and job.yaml for LAVA, which expects them at $url"
