#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make test: everything there is to prove.  One line a suite; what it said is
# kept in build/test: *.ktap what the tests printed, *.dmesg what the kernel
# did.  Ends with "N passed, M failed".
#
# DEBUG=1 builds the kernels with KASAN, lockdep and their like, and runs the
# suites that need a guest on those.
#
# REPEAT=N runs those suites N times.
#
# usage: test.sh [suite]...	(all; or some of: host check build object kunit
#				seccomp_bpf seccomp_notify bench)

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$TOOLS/sources.sh"

RESULTS=$BUILD/test
SELFTESTS=tools/testing/selftests/seccomp
# A line of the kernel's log that fails the suite that ran into it.
SPLAT='WARNING:|BUG:|Oops|KASAN:|UBSAN:|KCSAN:|general protection fault|INFO: task .* blocked|INFO: .*(lock|RCU|rcu)|possible (circular|recursive|irq) lock|suspicious RCU|inconsistent lock state|self-detected stall|detected stalls|soft lockup|hard LOCKUP|Kernel panic|sleeping function|scheduling while atomic|refcount_t:|list_(add|del) corruption|rust_kernel: panicked|panicked at'

passed=0
failed=0
skipped=0
notes=()

wants() {
	((${#only[@]} == 0)) && return 0
	local suite
	for suite in "${only[@]}"; do
		[[ $suite != "$1" ]] || return 0
	done
	return 1
}

# record <suite> <implementation> <passed> <failed> <skipped> <started>
record() {
	passed=$((passed + $3))
	failed=$((failed + $4))
	skipped=$((skipped + $5))
	printf '%-16s %-6s %4d passed %4d failed %4d skipped %6ds\n' \
		"$1" "$2" "$3" "$4" "$5" $((SECONDS - $6))
}

# note <suite> <implementation> <text>: said at the end, and what is bad at once
note() {
	notes+=("$1 ($2): $3")
	case $3 in
	expected:* | skipped:*) ;;
	*) printf '    %s\n' "$3" ;;
	esac
}

# The lines of the kernel's log that must not be there.
splats() { grep -nE "$SPLAT" "$1" | head -n 5 || true; }

# tally <suite> <implementation> <started> <dmesg or ''> <ktap.py arguments>...
tally() {
	local suite=$1 impl=$2 started=$3 dmesg=$4 p f s line
	local -a lines=()
	shift 4

	mapfile -t lines < <(python3 "$TOOLS/ktap.py" "$@")
	read -r p f s <<< "${lines[0]:-0 1 0}"
	if [[ -n $dmesg ]]; then
		while IFS= read -r line; do
			f=$((f + 1))
			lines+=("in the kernel's log, ${dmesg#"$BUILD"/}: $line")
		done < <(splats "$dmesg")
	fi
	record "$suite" "$impl" "$p" "$f" "$s" "$started"
	for line in "${lines[@]:1}"; do
		note "$suite" "$impl" "$line"
	done
}

run_host() {
	local started=$SECONDS log=$RESULTS/host.log p f s status=0

	[[ -e $TOOLS/host/Cargo.toml ]] || return 0
	(
		cd "$TOOLS/host"
		export CARGO_TARGET_DIR=$BUILD/host RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc
		cargo_home
		cargo test --workspace --locked --no-fail-fast
	) > "$log" 2>&1 || status=$?
	read -r p f s < <(awk '/^test result:/ { p += $4; f += $6; s += $8 }
		END { print p + 0, f + 0, s + 0 }' "$log")
	if ((status && f == 0)); then
		f=1
	fi
	((p + f)) || f=1
	record host - "$p" "$f" "$s" "$started"
	if ((f)); then
		note host - "see $log"
		grep -E '^test .* FAILED$|^error' "$log" | head -n 20 | sed 's/^/    /' || true
	fi
}

run_check() {
	local started=$SECONDS p f log=$RESULTS/check.log

	"$TOOLS/check.sh" > "$log" 2>&1 || true
	p=$(grep -c '^clean: ' "$log" || true)
	f=$(grep -c '^not clean: ' "$log" || true)
	((p + f)) || f=1
	record check - "$p" "$f" 0 "$started"
	if ((f)); then
		note check - "see $log"
		grep '^not clean: ' "$log" | sed 's/^/    /' || true
	fi
}

# A kernel that does not build fails, and so does all that wanted to boot it.
run_build() {
	local flavour=$1 started=$SECONDS

	if "$TOOLS/kernel.sh" "$flavour"; then
		record build "$flavour" 1 0 0 "$started"
		return 0
	fi
	record build "$flavour" 0 1 0 "$started"
	note build "$flavour" "see $LOG/kernel-$flavour.log"
	return 1
}

run_object() {
	local started=$SECONDS log=$RESULTS/object.log

	if "$TOOLS/same-object.sh" "${prefix}c" > "$log" 2>&1; then
		record same-object c 1 0 0 "$started"
	else
		record same-object c 0 1 0 "$started"
		note same-object c "see $log"
		tail -n 5 "$log" | sed 's/^/    /'
	fi
}

run_kunit() {
	local flavour=${prefix}kunit started=$SECONDS ours

	[[ -e $(image_of "$flavour") ]] || { missing kunit rust; return; }
	rm -f "$RESULTS/kunit.ktap" "$RESULTS/kunit.dmesg"
	# It needs no files and no init: it tests, and ends.
	timeout $((300 * slow)) qemu-system-x86_64 -kernel "$(image_of "$flavour")" -M q35 -cpu max \
		-smp 2 -m $((512 * slow))M -display none -no-reboot -net none \
		-serial "file:$RESULTS/kunit.dmesg" -monitor none \
		-append "console=ttyS0 kunit_shutdown=reboot panic=-1" \
		< /dev/null > /dev/null 2>&1 || true
	: >> "$RESULTS/kunit.dmesg"
	tr -d '\r' < "$RESULTS/kunit.dmesg" > "$RESULTS/kunit.ktap"
	# Our own suites, and the examples of each Rust file that is ours or has a hunk.
	ours=$(source_paths | sed -n 's#\.patch$##; s#^rust/kernel/\(.*\)\.rs$#\1#p' | tr '/.-' '___' | paste -sd'|')
	tally kunit rust "$started" "$RESULTS/kunit.dmesg" --nested \
		--match "seccomp|rust_doctest_kernel_($ours)_rs_[0-9]+" "$RESULTS/kunit.ktap"
	tally_others "$ours"
}

# The examples of the base's own files ran too; they are told, not counted.
tally_others() {
	local p f s
	read -r p f s < <(python3 "$TOOLS/ktap.py" --nested "$RESULTS/kunit.ktap" || true)
	printf "    with the base's own tests: %d passed, %d failed, %d skipped\n" "$p" "$f" "$s"
}

missing() {
	record "$1" "$2" 0 1 0 "$SECONDS"
	note "$1" "$2" "there is no kernel to boot"
}

build_selftests() {
	local out=$BUILD/kselftest/seccomp log=$LOG/kselftest.log

	mkdir -p "$out"
	{ kernel_make "${prefix}rust" headers &&
		make -C "$LINUX/$SELFTESTS" OUTPUT="$out" ARCH=x86_64 LLVM="-$LLVM_VERSION" \
			KHDR_INCLUDES="-isystem $BUILD/${prefix}rust/usr/include"; } > "$log" 2>&1 && return
	tail -n 15 "$log" | sed 's/^/    /'
	note kselftest - "the programs did not build, see $log"
	return 1
}

# This test of the base's wants 100,000 round trips in 30 seconds, which is too
# much for a kernel that checks itself, and for a slow machine. The C kernel
# tells: what it cannot do in time is not asked of the other.
CAPPED=user_notification_wait_killable_after_reply
too_slow=${DEBUG:+1}

# run_selftest <program> <implementation> <CPUs>
run_selftest() {
	local program=$1 impl=$2/$3 flavour=$prefix$2 cpus=$3 started=$SECONDS status=0
	local name=$RESULTS/$1-$2-smp$3

	[[ -e $(image_of "$flavour") ]] || { missing "$program" "$impl"; return; }
	if [[ -n $too_slow && $program == seccomp_bpf ]]; then
		program="seccomp_bpf -T $CAPPED"
	fi
	rm -f "$name.ktap" "$name.dmesg"
	"$TOOLS/vm.sh" --flavour "$flavour" --cpus "$cpus" --timeout $((600 * slow)) --console "$name.dmesg" \
		exec "$(printf '%q ' bash "$TOOLS/selftest-guest.sh" "$BUILD/kselftest/seccomp") $program" \
		< /dev/null > "$name.ktap" 2> "$name.stderr" || status=$?
	if [[ $1 == seccomp_bpf && $2 == c && -z $too_slow ]] &&
		grep -q "$CAPPED: Test terminated by timeout" "$name.ktap"; then
		too_slow=1
		run_selftest "$@"
		return
	fi
	[[ -s $name.stderr ]] || rm -f "$name.stderr"
	: >> "$name.dmesg"
	if ((status == 124)); then
		echo "Bail out! the guest did not end in $((600 * slow)) seconds" >> "$name.ktap"
	fi
	tally "${program%% *}" "$impl" "$started" "$name.dmesg" "$name.ktap"
	[[ $program != *' '* ]] || note "${program%% *}" "$impl" "left out, too slow here: ${program##* }"
	((status != 124)) || note "$program" "$impl" "timed out"
}

# With Rust, seccomp_bpf passes whatever it passes with C.
compare_totals() {
	local started=$SECONDS rust c

	rust=$(grep '^# Totals:' "$RESULTS/seccomp_bpf-rust-smp2.ktap" 2> /dev/null | tail -n 1 || true)
	c=$(grep '^# Totals:' "$RESULTS/seccomp_bpf-c-smp2.ktap" 2> /dev/null | tail -n 1 || true)
	if [[ -n $rust && $rust == "$c" ]]; then
		record same-totals - 1 0 0 "$started"
	else
		record same-totals - 0 1 0 "$started"
		note same-totals - "rust: ${rust:-no totals}"
		note same-totals - "c: ${c:-no totals}"
	fi
}

# What must not get slower: the targets of the benchmark.
run_bench() {
	local started=$SECONDS log=$RESULTS/bench.log met missed status=0

	QUICK=1 "$TOOLS/bench.sh" > "$log" 2>&1 || status=$?
	met=$(sed -n 's/^\([0-9]*\) targets met, .*/\1/p' "$log")
	missed=$(sed -n 's/^.* targets met, \([0-9]*\) missed$/\1/p' "$log")
	if ((status)) && ((${missed:-0} == 0)); then
		missed=1
	fi
	record bench both "${met:-0}" "${missed:-1}" 0 "$started"
	if ((${missed:-1})); then
		note bench both "see $log"
		grep -E '^(missed|not measured|error)' "$log" | sed 's/^/    /' || true
	fi
}

only=("$@")
prefix=${DEBUG:+debug-}
slow=${DEBUG:+4}
slow=${slow:-1}
started_all=$SECONDS

take_lock
"$TOOLS/setup.sh" build guest test check
mkdir -p "$RESULTS"
"$TOOLS/apply.sh"

if [[ -z $DEBUG ]]; then
	! wants host || run_host
fi
if wants build || wants seccomp_bpf || wants seccomp_notify || wants bench; then
	run_build "${prefix}rust" || true
	run_build "${prefix}c" || true
elif wants object; then
	run_build c || true
fi
if wants build || wants kunit; then
	run_build "${prefix}kunit" || true
fi
if [[ -z $DEBUG ]]; then
	! wants check || run_check
	! wants object || run_object
fi
! wants kunit || run_kunit
if wants seccomp_bpf || wants seccomp_notify; then
	if build_selftests; then
		for program in seccomp_bpf seccomp_notify; do
			[[ $program != seccomp_notify || -e $LINUX/$SELFTESTS/$program.c ]] || continue
			wants "$program" || continue
			for ((round = 0; round < ${REPEAT:-1}; round++)); do
				run_selftest "$program" c 2
				run_selftest "$program" rust 2
				[[ $program == seccomp_notify ]] || continue
				# The races are others with one CPU, and with four.
				run_selftest "$program" rust 1
				run_selftest "$program" rust 4
			done
			[[ $program != seccomp_bpf ]] || compare_totals
		done
	else
		record kselftest - 0 1 0 "$SECONDS"
	fi
fi
if [[ -z $DEBUG ]]; then
	! wants bench || run_bench
fi

if ((${#notes[@]})); then
	printf '\nWorth knowing (all output is in %s):\n' "$RESULTS"
	printf '  %s\n' "${notes[@]}"
fi
printf '\nin %s\n' "$(clock $((SECONDS - started_all)))"
printf '%d passed, %d failed%s\n' "$passed" "$failed" "$( ((skipped == 0)) || printf ', %d skipped' "$skipped")"
((failed == 0))
