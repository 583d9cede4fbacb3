#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make bench: what user notification costs, the C implementation beside the
# Rust one, in instructions of the guest (see vm.sh --icount), each figure
# twice. Wall time as well, where KVM works.
#
# Leaves in build/bench: results.json, chart.svg, and what the benchmark program
# said in each guest.
#
# QUICK=1 takes fewer round trips, and draws nothing.
#
# usage: bench.sh

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

QUICK=${QUICK:-}
RESULTS=$BUILD/bench
PROGRAM=seccomp_notify_bench
SELFTEST=tools/testing/selftests/seccomp/$PROGRAM.c
MATPLOTLIB_VERSION=3.10.0

build_program() {
	local log=$LOG/bench-program.log

	if ! { kernel_make rust headers &&
		"clang-$LLVM_VERSION" -O2 -Wall -isystem "$BUILD/rust/usr/include" \
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

# measure <name of the run> <flavour> <arguments of the program> [<option of vm.sh>]...
measure() {
	local name=$1 flavour=$2 arguments=$3 started=$SECONDS status=0
	shift 3

	# Its output comes as a file: where the clock leaps over idle time, the
	# guest's udev can be late with the port that its terminal output takes.
	"$TOOLS/vm.sh" --flavour "$flavour" --memory 3G --timeout 900 --console "$RESULTS/$name.dmesg" \
		--rw "$RESULTS" "$@" exec \
		"$(printf '%q ' bash "$TOOLS/bench-guest.sh" "$RESULTS/$PROGRAM" "$RESULTS/$name.txt") $arguments" \
		< /dev/null > "$RESULTS/$name.out" 2>&1 || status=$?
	if [[ ! -s $RESULTS/$name.txt ]]; then
		tail -n 15 "$RESULTS/$name.out" "$RESULTS/$name.dmesg" >&2
		die "the benchmark did not come to its end in the guest (status $status), see above" \
			"what it said is in $RESULTS/$name.out, and what the kernel said in $RESULTS/$name.dmesg"
	fi
	say "$name: $(grep -c . "$RESULTS/$name.txt") figures, $(clock $((SECONDS - started)))"
}

rounds=2000
smp_rounds=500
[[ -z $QUICK ]] || rounds=1000

take_lock
"$TOOLS/setup.sh" build guest
for flavour in c rust; do
	DEBUG='' "$TOOLS/kernel.sh" "$flavour"
done
mkdir -p "$RESULTS"
rm -f "$RESULTS"/*.{txt,out,dmesg}
build_program
[[ -n $QUICK ]] || install_matplotlib

# In turns, so that nothing but the kernel differs between the two.
for run in 1 2; do
	for flavour in c rust; do
		measure "$flavour-$run" "$flavour" "-r $rounds" --icount
	done
done
for flavour in c rust; do
	# The CPUs take turns: with more of them than the host has, who waits for
	# whom would be the host's doing.
	measure "smp-$flavour" "$flavour" "-r $smp_rounds smp" --icount --cpus 4
done
# vm.sh tries KVM when it is not asked to count.
"$TOOLS/vm.sh" --flavour rust --timeout 60 exec true < /dev/null > "$RESULTS/kvm.out" 2>&1 || true
if [[ $(cat "$BUILD/kvm.works" 2> /dev/null) == yes ]]; then
	for flavour in c rust; do
		measure "kvm-$flavour" "$flavour" "-r 20000" --cpus 1
	done
fi

commit=$(git -C "$TOP" describe --always --dirty --abbrev=12 2> /dev/null || echo unknown)
python=python3
[[ -n $QUICK ]] || python=$BUILD/venv/bin/python
"$python" "$TOOLS/bench.py" ${QUICK:+--no-chart} --commit "$commit" --rounds "$rounds" "$RESULTS"
