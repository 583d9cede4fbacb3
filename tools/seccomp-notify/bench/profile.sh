#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Says in which functions of the kernel the instructions of a round trip are
# executed: C, Rust, and an eventfd ping-pong beside them. For whoever wants to
# have fewer. Takes the kernels and the program that make bench has built.
#
# usage: profile.sh [figure of seccomp_notify_bench]	(one-to-one)
#
# The table is build/bench/profile-<figure>.txt as well; areas-<figure>.md there
# sums it up.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

figure=${1:-one-to-one}
RESULTS=$BUILD/bench
PROGRAM=$RESULTS/seccomp_notify_bench
[[ -e $PROGRAM ]] || die "there is no $PROGRAM" "build it, and the kernels: make bench"

# step <name> <flavour> <figure>: leaves a trace of instructions in <name>.steps
step() {
	local name=$1 flavour=$2 figure=$3 guest

	export MONITOR=$RESULTS/monitor
	rm -f "$MONITOR" "$RESULTS/$name".{steps,out,dmesg}
	say "stepping through $figure on the $flavour kernel"
	"$TOOLS/vm/vm.sh" --flavour "$flavour" --memory 3G --icount --timeout 300 --console "$RESULTS/$name.dmesg" exec \
		"echo it runs; $(printf '%q ' bash "$TOOLS/bench/bench-guest.sh" "$PROGRAM" /dev/null -r 1000000000 "$figure")" \
		< /dev/null > "$RESULTS/$name.out" 2>&1 &
	guest=$!
	# Where the guest's udev is late, it says so on the console.
	until grep -qs 'it runs' "$RESULTS/$name.out" "$RESULTS/$name.dmesg"; do
		kill -0 "$guest" 2> /dev/null || die "the guest ended before it ran" "see $RESULTS/$name.out"
		sleep 0.5
	done
	# It has begun; what it does from now on is the same over and over.
	sleep "${SETTLE:-5}"
	python3 "$TOOLS/bench/profile.py" trace "$MONITOR" "$RESULTS/$name.steps"
	wait "$guest" || true
}

take_lock
columns=()
# C has no SEND_RECV.
if [[ $figure != send-recv* ]]; then
	step c c "$figure"
	columns+=("C:$BUILD/c/vmlinux:$RESULTS/c.steps:__seccomp_filter")
fi
step rust rust "$figure"
step eventfd rust floor/eventfd
columns+=("Rust:$BUILD/rust/vmlinux:$RESULTS/rust.steps:__seccomp_filter"
	"eventfd:$BUILD/rust/vmlinux:$RESULTS/eventfd.steps:eventfd_write/2")
name=${figure//\//-}
python3 "$TOOLS/bench/profile.py" table "$figure" "$RESULTS/areas-$name.md" "${columns[@]}" |
	tee "$RESULTS/profile-$name.txt"
rm -f "$RESULTS"/*.steps
