#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make bench: what user notification costs, the C implementation beside the
# Rust one, in instructions of the guest (see vm.sh --icount), each figure
# twice. Wall time as well, where KVM works.
#
# Instructions say nothing of CPUs that wait for each other. So contention is
# timed, with more CPUs in the guest than it has of the host's, C and Rust by
# turns, and compared as a ratio.
#
# Leaves in build/bench: results.json, results.md, chart.svg, the profiles, and
# what the benchmark program said in each guest.
#
# QUICK=1 takes fewer round trips, and nothing twice but what varies, and draws
# nothing.
#
# ARCH=arm64 counts in guests of that one, beside what was counted before on x86-64.
# The targets are for the latter: here they are compared with, and not demanded.
#
# usage: bench.sh

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

QUICK=${QUICK:-}
RESULTS=$BUILD/bench
prefix=
foreign=()
if [[ $ARCH != x86_64 ]]; then
	RESULTS=$BUILD/bench-$ARCH
	prefix=$ARCH-
	foreign=(--target=aarch64-linux-gnu "--sysroot=$ARM64_ROOT" -fuse-ld=lld)
fi
PROGRAM=seccomp_notify_bench
SELFTEST=tools/testing/selftests/seccomp/$PROGRAM.c
MATPLOTLIB_VERSION=3.10.0

# Round trips for a figure; of each of 16 targets; how often that is timed, and
# by how many turns.
rounds=2000
smp_rounds=500
times=5
turns='1 2'
# What is measured once more: all, or these figures.
again=''
if [[ -n $QUICK ]]; then
	rounds=1000
	smp_rounds=125
	times=3
	turns=1
	again='hold hold-unused'
fi

build_program() {
	local log=$LOG/bench-program.log

	if ! { kernel_make "${prefix}rust" headers &&
		"$(llvm clang)" "${foreign[@]}" -O2 -Wall -isystem "$BUILD/${prefix}rust/usr/include" \
			-o "$RESULTS/$PROGRAM" "$LINUX/$SELFTEST" -lpthread; } > "$log" 2>&1; then
		tail -n 15 "$log" >&2
		die "the benchmark program did not build" "the whole log is $log"
	fi
}

install_matplotlib() {
	local log=$LOG/matplotlib.log

	! "$BUILD/venv/bin/python" -c 'import matplotlib' 2> /dev/null || return 0
	say "installing matplotlib $MATPLOTLIB_VERSION; the log is $log"
	"$BUILD/venv/bin/pip" install --no-cache-dir "matplotlib==$MATPLOTLIB_VERSION" > "$log" 2>&1 || {
		tail -n 15 "$log" >&2
		die "matplotlib, which draws the chart, could not be installed" "the whole log is $log"
	}
}

# in_guest <name of the run> <flavour> <guest script> <arguments of it> [<option of vm.sh>]...
in_guest() {
	local name=$1 flavour=$2 script=$3 arguments=$4
	local -a how=(--flavour "$prefix$flavour" --memory 4G --timeout 900 --console "$RESULTS/$name.dmesg")
	shift 4

	if [[ $ARCH == x86_64 ]]; then
		# Its output comes as a file: where the clock leaps over idle time, the
		# guest's udev can be late with the port that its terminal output takes.
		"$TOOLS/vm/vm.sh" "${how[@]}" --rw "$RESULTS" "$@" exec \
			"$(printf '%q ' bash "$TOOLS/bench/$script" "$RESULTS/$PROGRAM" "$RESULTS/$name.txt") $arguments"
	else
		"$TOOLS/lab/boot.sh" "${how[@]}" "$@" "$RESULTS/root.cpio.gz" \
			"sh /kselftest/$script /kselftest/$PROGRAM /dev/null $arguments" | tee "$RESULTS/$name.txt.new" &&
			mv "$RESULTS/$name.txt.new" "$RESULTS/$name.txt"
	fi
}

# measure <name of the run> <flavour> <guest script> <arguments of it> [<option of vm.sh>]...
measure() {
	local name=$1 flavour=$2 script=$3 arguments=$4 started=$SECONDS status=0
	shift 4

	in_guest "$name" "$flavour" "$script" "$arguments" "$@" \
		< /dev/null > "$RESULTS/$name.out" 2>&1 || status=$?
	if [[ ! -s $RESULTS/$name.txt ]]; then
		tail -n 15 "$RESULTS/$name.out" "$RESULTS/$name.dmesg" >&2
		die "the benchmark did not come to its end in the guest (status $status), see above" \
			"what it said is in $RESULTS/$name.out, and what the kernel said in $RESULTS/$name.dmesg"
	fi
	# What hangs for seconds may come to its end, too.
	if grep -nE 'BUG: |WARNING: |Oops|soft lockup|rcu.*stall' "$RESULTS/$name.dmesg" >&2; then
		die "the kernel complained while it was measured, see above" "all of it is in $RESULTS/$name.dmesg"
	fi
	say "$name: $(grep -c . "$RESULTS/$name.txt") figures, $(clock $((SECONDS - started)))"
}

# Who counts instructions is not disturbed by another guest beside it.
# in_pairs <name of the runs> <arguments of the program> [<option of vm.sh>]...
in_pairs() {
	local name=$1 arguments=$2 flavour pid status=0
	local -a pids=()
	shift 2

	for flavour in c rust; do
		measure "$name-$flavour" "$flavour" bench-guest.sh "$arguments" --icount "$@" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=$?
	done
	return "$status"
}

commit() { git -C "$TOP" describe --always --dirty --abbrev=12 2> /dev/null || echo unknown; }

take_lock
"$TOOLS/setup.sh" build guest ${prefix:+"$ARCH"}
flavours=(c rust)
# What inline helpers are worth.
[[ -n $QUICK$prefix ]] || flavours+=(rust-outline)
for flavour in "${flavours[@]}"; do
	DEBUG='' "$TOOLS/kernel/kernel.sh" "$prefix$flavour"
done
mkdir -p "$RESULTS"
rm -f "$RESULTS"/*.{txt,out,dmesg,md}
build_program
if [[ -n $prefix ]]; then
	# There is nothing to be timed or drawn there.
	mkdir -p "$RESULTS/programs"
	cp "$RESULTS/$PROGRAM" "$TOOLS/bench/bench-guest.sh" "$RESULTS/programs"
	"$TOOLS/lab/root.sh" "${prefix}rust" "$RESULTS/programs" "$RESULTS/root.cpio.gz" > "$LOG/bench-root.log" 2>&1 ||
		die "there is no root file system to boot" "the log is $LOG/bench-root.log"
	in_pairs icount-1 "-r $rounds"
	in_pairs icount-2 "-r $rounds $again"
	in_pairs smp "-r $smp_rounds smp" --cpus 4
	beside=$BUILD/bench/results.json
	[[ -e $beside ]] || beside=
	python3 "$TOOLS/bench/bench.py" --no-chart --elsewhere ${beside:+--beside "$beside"} \
		--commit "$(commit)" --rounds "$rounds" "$RESULTS"
	exit
fi
[[ -n $QUICK ]] || install_matplotlib

in_pairs icount-1 "-r $rounds"
in_pairs icount-2 "-r $rounds $again"
[[ -n $QUICK ]] || measure icount-1-rust-outline rust-outline bench-guest.sh "-r $rounds" --icount
in_pairs smp "-r $smp_rounds smp" --cpus 4
for run in $turns; do
	for flavour in c rust; do
		# Beside another guest, it would be the other that is timed.
		measure "overcommit-$run-$flavour" "$flavour" overcommit-guest.sh "$times -r $smp_rounds" \
			--cpus 4 --pin 2
	done
done
# vm.sh has tried KVM, as it does when it is not asked to count.
if [[ $(cat "$BUILD/kvm.works" 2> /dev/null) == yes ]]; then
	for flavour in c rust; do
		measure "kvm-$flavour" "$flavour" bench-guest.sh "-r 20000" --cpus 1
	done
fi

if [[ -z $QUICK ]]; then
	for figure in one-to-one send-recv; do
		"$TOOLS/bench/profile.sh" "$figure" > "$RESULTS/profile-$figure.out"
	done
fi

python=python3
[[ -n $QUICK ]] || python=$BUILD/venv/bin/python
"$python" "$TOOLS/bench/bench.py" ${QUICK:+--no-chart} --commit "$(commit)" --rounds "$rounds" "$RESULTS"
