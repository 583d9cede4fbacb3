# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The suites of make test: how each is run, and how what came of it is judged.
# Sourced by test.sh, and by runner.sh, which tests what is here.

RESULTS=$BUILD/test
KSELFTEST=$BUILD/kselftest
SKIPS=$TOOLS/test/expected-skips
# A kernel that checks itself takes its time.
slow=${DEBUG:+4}
slow=${slow:-1}
prefix=$(flavour_prefix)

runs=0
passed=0
failed=0
skipped=0
# Worth knowing; and what is wrong, which is said last.
notes=()
faults=()
# By "<suite> <implementation>": what judge() counted last.
declare -A counted=()

# record <suite> <implementation> <passed> <failed> <skipped> <started>
record() {
	runs=$((runs + 1))
	passed=$((passed + $3))
	failed=$((failed + $4))
	skipped=$((skipped + $5))
	counted[$1 $2]="$3 passed, $4 failed, $5 skipped"
	printf '%s %s %d %d %d %d\n' "$1" "$2" "$3" "$4" "$5" $((SECONDS - $6)) >> "$RESULTS/junit/counts"
	printf '%-16s %-6s %4d passed %4d failed %4d skipped %6ds\n' \
		"$1" "$2" "$3" "$4" "$5" $((SECONDS - $6))
}

# note <suite> <implementation> <text>: said at the end, and what is wrong at once
note() {
	case $3 in
	expected:* | skipped:* | 'not counted:'* | 'left out,'*)
		notes+=("$1 ($2): $3")
		;;
	*)
		faults+=("$1 ($2): $3")
		printf '    %s\n' "$3"
		;;
	esac
}

# judge <suite> <implementation> <started> <argument of results.py>...
judge() {
	local suite=$1 impl=$2 started=$3 p f s line
	local -a lines=()
	shift 3

	mapfile -t lines < <(python3 "$TOOLS/test/results.py" --linux "$LINUX" \
		--skips "$SKIPS" --run "$prefix$suite/$impl" \
		--junit "$RESULTS/junit/$((runs + 1)).xml" "$@")
	# No answer is a bad one.
	read -r p f s <<< "${lines[0]:-0 1 0}"
	record "$suite" "$impl" "$p" "$f" "$s" "$started"
	for line in "${lines[@]:1}"; do
		note "$suite" "$impl" "$line"
	done
}

# What make report puts together, see report.py, is of this run.
new_report() {
	rm -rf "$RESULTS/junit"
	mkdir -p "$RESULTS/junit"
}

# judge_status <suite> <implementation> <started> <log> <status>: one result
judge_status() {
	record "$1" "$2" $(($5 == 0)) $(($5 != 0)) 0 "$3"
	(($5 == 0)) || note "$1" "$2" "see $4"
}

# What runs outside of this file. runner.sh puts seeded failures in their place.
guest() { "$TOOLS/vm/vm.sh" "$@"; }
runner_check() { "$TOOLS/test/runner.sh"; }
style_check() { "$TOOLS/test/check.sh"; }
bench_check() { QUICK=1 "$TOOLS/bench/bench.sh"; }
# What make run and make trace show works, and the samples with it.
# "make run" is for a terminal, which stops whatever reads it in the background.
demo_check() {
	TAKEOVERS=500 script -qefc "$(printf %q "$TOOLS/demo/run.sh")" /dev/null &&
		"$TOOLS/demo/trace.sh"
}

host_check() {
	cd "$TOOLS/host" || return
	export CARGO_TARGET_DIR=$BUILD/host RUSTC RUSTDOC
	RUSTDOC=$(beside_rustc rustdoc)
	cargo_home
	local status=0

	# With threads of the host, then with those of a model checker, which says how far it
	# came where it searches, and then with memory that is weakly ordered.
	cargo test --workspace --locked --no-fail-fast || status=$?
	cargo test --package seccomp_notify --features shuttle --locked --no-fail-fast \
		-- --show-output || status=$?
	cargo test --package seccomp_notify --features loom --locked --test ordering || status=$?
	miri_check || status=$?
	return "$status"
}
# What is undefined behaviour in the lists and their waiters. It comes with other compilers.
miri_check() {
	if ! cargo miri --version > /dev/null 2>&1; then
		echo 'left out, there is no "cargo miri" here: Miri'
		return
	fi
	unset RUSTC RUSTDOC
	export MIRIFLAGS=-Zmiri-disable-isolation RUNS=1 PROPTEST_CASES=4
	cargo miri test --package kernel --locked --test index &&
		cargo miri test --package seccomp_notify --locked --test scenarios
}
# It needs no files and no init: it tests, and ends. kunit.py would boot it with
# KVM wherever /dev/kvm opens, and it may open and not work.
kunit_guest() {
	local -a qemu

	mapfile -t qemu < <(qemu_of "${prefix}kunit" | tr ' ' '\n')
	timeout --foreground -k 5 $((300 * slow)) "${qemu[@]}" -kernel "$1" -smp 2 -m $((512 * slow))M -display none \
		-no-reboot -net none -serial "file:$2" -monitor none \
		-append "console=$(console_of "${prefix}kunit") kunit.enable=1 kunit.autorun=1 kunit_shutdown=reboot panic=-1 ${DEBUG:+$DEBUG_ARGS}" < /dev/null
}

run_runner() {
	local started=$SECONDS status=0

	runner_check > "$RESULTS/runner.ktap" 2> "$RESULTS/runner.stderr" || status=$?
	judge runner - "$started" --status "$status" "$RESULTS/runner.ktap"
}

# cargo says what it counted, a line for each program of tests.
run_host() {
	local started=$SECONDS log=$RESULTS/host.log p f s status=0 line

	(host_check) > "$log" 2>&1 || status=$?
	read -r p f s < <(awk '/^test result:/ { p += $4; f += $6; s += $8 }
		END { print p + 0, f + 0, s + 0 }' "$log")
	# Here, nothing has a reason to be left out.
	f=$((f + s))
	if ((f == 0 && (status || p == 0))); then
		f=1
	fi
	record host - "$p" "$f" "$s" "$started"
	while read -r line; do
		note host - "$line"
	done < <(grep '^left out, ' "$log" || true)
	((f)) || return 0
	note host - "see $log"
	while read -r line; do
		note host - "$line"
	done < <(grep -E '^test .* (FAILED|ignored.*)$|^error' "$log" | head -n 20)
}

run_check() {
	local started=$SECONDS status=0

	style_check > "$RESULTS/check.ktap" 2> "$RESULTS/check.stderr" || status=$?
	judge check - "$started" --status "$status" "$RESULTS/check.ktap"
}

# A kernel that does not build fails, and so does all that wanted to boot it.
run_build() {
	local started=$SECONDS status=0

	"$TOOLS/kernel/kernel.sh" "$1" || status=$?
	judge_status build "$1" "$started" "$LOG/kernel-$1.log" "$status"
}

run_object() {
	local started=$SECONDS log=$RESULTS/object.log status=0

	"$TOOLS/test/same-object.sh" "${prefix}c" > "$log" 2>&1 || status=$?
	judge_status same-object c "$started" "$log" "$status"
}

# The KUnit suites that our sources declare.
our_suites() {
	local path
	while IFS= read -r path; do
		case $path in
		*.rs.patch) sed -n 's/^+//p' "$TOP/$path" ;;
		*.rs) cat "$TOP/$path" ;;
		esac
	done < <(source_paths) | sed -n 's/.*kunit_tests(\([a-z0-9_]*\)).*/\1/p'
}

run_kunit() {
	local image log=$RESULTS/kunit.dmesg started=$SECONDS status=0 ours
	local -a suites=()

	image=$(image_of "${prefix}kunit")
	[[ -e $image ]] || { missing kunit rust; return; }
	rm -f "$log"
	kunit_guest "$image" "$log" > "$RESULTS/kunit.out" 2>&1 || status=$?
	: >> "$log"
	# Ours are these suites, each of which has to run, and the examples of each
	# Rust file that is ours or has a hunk. What else ran is told.
	mapfile -t suites < <(our_suites)
	ours=$(source_paths | sed -n 's#\.patch$##; s#^rust/kernel/\(.*\)\.rs$#\1#p' | tr '/.-' '___' | paste -sd'|')
	judge kunit rust "$started" --status "$status" --log "$log" \
		--needs 'Brought up 1 node, 2 CPUs' --needs 'reboot: Restarting system' \
		--match "^($(IFS='|'; echo "${suites[*]}"))\.|\.rust_doctest_kernel_($ours)_rs_[0-9]+$" \
		"${suites[@]/#/--suite=}" "$log"
}

missing() {
	record "$1" "$2" 0 1 0 "$SECONDS"
	note "$1" "$2" "there is no kernel to boot"
}

# The selftests as kselftest installs them: with its runner, and a list.
build_selftests() {
	local log=$LOG/kselftest.log
	local -a foreign=()

	[[ $ARCH != arm64 ]] || foreign=(USERCFLAGS="--sysroot=$ARM64_ROOT" USERLDFLAGS='-fuse-ld=lld')
	rm -rf "$KSELFTEST"
	kernel_make "${prefix}rust" kselftest-install TARGETS=seccomp KSFT_INSTALL_PATH="$KSELFTEST" \
		FORCE_TARGETS=1 "${foreign[@]}" > "$log" 2>&1 &&
		{ [[ $ARCH == x86_64 ]] || "$TOOLS/lab/root.sh" "${prefix}rust" "$KSELFTEST" "$RESULTS/root.cpio.gz" >> "$log" 2>&1; } &&
		return
	tail -n 15 "$log" | sed 's/^/    /'
	note kselftest - "the programs did not build, see $log"
	return 1
}

# programs_of <suite>: the options of run_kselftest.sh that select its programs
programs_of() {
	local pattern="^seccomp:$1$"

	[[ $1 != seccomp_notify ]] || pattern='^seccomp:(seccomp_notify|notify_.*_test|notify_fuzz)$'
	grep -E "$pattern" "$KSELFTEST/kselftest-list.txt" | sed 's/^/-t /'
}

# This test of the base's wants 100,000 round trips in 30 seconds, which is too
# much for a kernel that checks itself, and for a slow machine. The C kernel
# tells: what it cannot do in time is not asked of the other.
CAPPED=user_notification_wait_killable_after_reply
too_slow=${DEBUG:+1}

# run_selftests <suite> <implementation> <CPUs>
run_selftests() {
	local suite=$1 impl=$2/$3 flavour=$prefix$2 cpus=$3 started=$SECONDS status=0
	local name=$RESULTS/$1-$2-smp$3 programs timeout capped=''
	local -a excuse=()

	[[ -e $(image_of "$flavour") ]] || { missing "$suite" "$impl"; return; }
	programs=$(programs_of "$suite" | tr '\n' ' ')
	[[ -z $too_slow || $suite != seccomp_bpf ]] || capped="-T $CAPPED"
	# A program has the time that the selftests' settings give it, times what
	# this kernel is slower.
	timeout=$(sed -n 's/^timeout=//p' "$KSELFTEST/seccomp/settings")
	rm -f "$name.ktap" "$name.dmesg"
	if [[ $ARCH == x86_64 ]]; then
		guest --flavour "$flavour" --cpus "$cpus" --timeout $((900 * slow)) --console "$name.dmesg" \
			exec "KSELFTEST_SECCOMP_BPF_ARGS='$capped' $(printf '%q ' bash "$TOOLS/test/selftest-guest.sh" \
			"$KSELFTEST") -o $((timeout * slow)) $programs"
	else
		# This machine's files are not for that one.
		"$TOOLS/lab/boot.sh" --flavour "$flavour" --cpus "$cpus" --timeout $((900 * slow)) \
			--console "$name.dmesg" "$RESULTS/root.cpio.gz" \
			"KSELFTEST_SECCOMP_BPF_ARGS='$capped' /kselftest/run_kselftest.sh -o $((timeout * slow)) $programs"
	fi < /dev/null > "$name.ktap" 2> "$name.stderr" || status=$?
	if [[ $suite == seccomp_bpf && $2 == c && -z $too_slow ]] &&
		grep -q "$CAPPED: Test terminated by timeout" "$name.ktap"; then
		too_slow=1
		excuse=(--excuse "global.$CAPPED")
	fi
	[[ -s $name.stderr ]] || rm -f "$name.stderr"
	: >> "$name.dmesg"
	judge "$suite" "$impl" "$started" --kselftest --status "$status" --log "$name.dmesg" \
		"${excuse[@]}" "$name.ktap"
	[[ -z $too_slow || $suite != seccomp_bpf ]] || note "$suite" "$impl" "left out, too slow here: $CAPPED"
}

# With Rust, seccomp_bpf passes whatever it passes with C.
compare_totals() {
	local started=$SECONDS rust=${counted[seccomp_bpf rust/2]:-nothing} c=${counted[seccomp_bpf c/2]:-nothing}

	if [[ $rust != nothing && $rust == "$c" ]]; then
		record same-totals - 1 0 0 "$started"
	else
		record same-totals - 0 1 0 "$started"
		note same-totals - "rust: $rust; c: $c"
	fi
}

run_demo() {
	local started=$SECONDS log=$RESULTS/demo.log status=0

	demo_check > "$log" 2>&1 < /dev/null || status=$?
	if ! grep -q '^warnings in the kernel log: 0' "$log"; then
		status=1
	fi
	judge_status demo rust "$started" "$log" "$status"
}

# What must not get slower: the targets of the benchmark.
run_bench() {
	local started=$SECONDS log=$RESULTS/bench.log met missed status=0 line

	bench_check > "$log" 2>&1 || status=$?
	met=$(sed -n 's/^\([0-9]*\) targets met, .*/\1/p' "$log")
	missed=$(sed -n 's/^.* targets met, \([0-9]*\) missed$/\1/p' "$log")
	if ((${missed:-0} == 0 && (status || ${met:-0} == 0))); then
		missed=1
	fi
	record bench both "${met:-0}" "$missed" 0 "$started"
	if ((missed)); then
		while read -r line; do
			note bench both "$line"
		done < <(grep -E '^(missed|not measured|error)' "$log" || true)
		note bench both "see $log"
	fi
}
