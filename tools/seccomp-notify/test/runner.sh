#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the test runner: hands it outputs, logs and exit statuses with one
# failure each, as a guest or a script would, and demands that it counts the
# failure and names it. Needs no guest. Prints KTAP.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"
DEBUG=
. "$TOOLS/test/suites.sh"
# shellcheck source=/dev/null
. "$LINUX/tools/testing/selftests/kselftest/ktap_helpers.sh"

mkdir -p "$BUILD/test"
work=$(mktemp -d "$BUILD/test/runner.XXXXXX")
trap 'rm -rf "$work"' EXIT
RESULTS=$work
new_report
KSELFTEST=$work/kselftest
SKIPS=$work/skips
TOP=$work/top

mkdir -p "$KSELFTEST/seccomp" "$TOP/rust/kernel" "$TOP/kernel/seccomp_notify"
echo 'timeout=180' > "$KSELFTEST/seccomp/settings"
printf 'seccomp:%s\n' seccomp_bpf seccomp_benchmark notify_a_test notify_b_test notify_fuzz > "$KSELFTEST/kselftest-list.txt"
echo 'seccomp_notify/c/2 fixture.only_?_here' > "$SKIPS"
: > "$work/image"
image_of() { echo "$work/image"; }

# One suite in a file of ours, one in a hunk; the base's own is not ours.
echo '#[kunit_tests(rust_ours)]' > "$TOP/kernel/seccomp_notify/tests.rs"
printf '%s\n' '+#[macros::kunit_tests(rust_hunk)]' ' #[kunit_tests(rust_base)]' > "$TOP/rust/kernel/uaccess.rs.patch"

# What the next guest or script prints, what its kernel logs, how it ends.
printed=
logged=
ended=0
guest() {
	printf '%s\n' "$*" > "$work/arguments"
	while [[ $1 != --console ]]; do
		shift
	done
	printf '%s\n' "$logged" > "$2"
	printf '%s\n' "$printed"
	return "$ended"
}
kunit_guest() {
	printf '%s\n' "$printed" > "$2"
	return "$ended"
}
script() {
	printf '%s\n' "$printed"
	return "$ended"
}
style_check() { script; }
bench_check() { script; }
demo_check() { script; }
host_check() { script; }

# seed <what is printed> [<what is logged> [<status>]]
seed() {
	printed=$1
	logged=${2:-"[    0.000000] Linux version 7.3.4"}
	ended=${3:-0}
}

# verdict <test> <0 if it is as it has to be> [<what was said>]
verdict() {
	if (($2)); then
		printf '%s\n' "$3" | sed 's/^/# /'
		ktap_test_fail "$1"
	else
		ktap_test_pass "$1"
	fi
}

# fails <test> <pattern of how the failure is named> <function> [argument]...
fails() {
	local test=$1 pattern=$2 said
	shift 2
	said=$("$@"; echo "failed: $failed")
	if [[ $said != *'failed: 0' ]] && grep -qE -- "$pattern" <<< "$said"; then
		verdict "$test" 0
	else
		verdict "$test" 1 "$said"
	fi
}

# passes <test> <passed> <function> [argument]...
passes() {
	local test=$1 want=$2 said
	shift 2
	said=$("$@"; echo "passed: $passed, failed: $failed")
	if [[ $said == *"passed: $want, failed: 0" ]]; then
		verdict "$test" 0
	else
		verdict "$test" 1 "$said"
	fi
}

tests() {
	kselftests
	logs
	kunit
	scripts
	report
	series
	bases
}

good='TAP version 13
1..2
# timeout set to 180
# selftests: seccomp: notify_a_test
# TAP version 13
# 1..3
# # Starting 3 tests from 1 test cases.
# #  RUN           fixture.first ...
# #            OK  fixture.first
# ok 1 fixture.first
# ok 2 fixture.second
# ok 3 fixture.third # XFAIL C does not
# # PASSED: 3 / 3 tests passed.
# # Totals: pass:2 fail:0 xfail:1 xpass:0 skip:0 error:0
ok 1 selftests: seccomp: notify_a_test
# timeout set to 180
# selftests: seccomp: notify_b_test
# TAP version 13
# 1..1
# ok 1 global.last
ok 2 selftests: seccomp: notify_b_test
# Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0'

# good_but <sed script>: the output above, changed
good_but() { sed -E "$1" <<< "$good"; }

kselftests() {
	local run=(run_selftests seccomp_notify c 2)

	seed "$good"
	passes 'good output passes' 4 "${run[@]}"
	verdict 'the suite runs all its programs' \
		"$(grep -q -- '-t seccomp:notify_a_test -t seccomp:notify_b_test -t seccomp:notify_fuzz *$' "$work/arguments"; echo $?)" \
		"$(cat "$work/arguments")"
	seed "$good" '' 124
	fails 'a guest that hangs after its last result' 'did not end in time' "${run[@]}"
	seed "$good" '' 255
	fails 'a guest that dies after its last result' 'status 255' "${run[@]}"
	seed ''
	fails 'no output' 'no KTAP' "${run[@]}"
	seed "$(good_but '/^1\.\.2/d')"
	fails 'no plan' 'no plan' "${run[@]}"
	seed "$(good_but 's/^# ok 2 .*/# Bail out! no memory/')" '' 1
	fails 'a program that bails out' 'Bail out! no memory' "${run[@]}"
	seed "$good"$'\nBail out! no memory'
	fails 'bailing out after the last result' 'Bail out! no memory' "${run[@]}"
	seed "$(good_but '/^# ok 2 /d')"
	fails 'a result that is missing' 'Expected test number' "${run[@]}"
	seed "$(good_but 's/^# ok 2 .*/# ok 1 fixture.first/')"
	fails 'a number that comes twice' 'Expected test number 2 but found 1' "${run[@]}"
	seed "$(good_but 's/^(# ok 3 .*)/\1\n# ok 4 fixture.fourth/')"
	fails 'a result beyond a program'"'"'s plan' 'Expected test number' "${run[@]}"
	seed "$good"$'\nnot ok 3 selftests: seccomp: notify_c_test'
	fails 'a result beyond the plan' 'beyond the plan' "${run[@]}"
	seed "$(good_but '/notify_b_test/,$d')"
	fails 'a program that did not run' 'missing expected subtest' "${run[@]}"
	seed "$(good_but 's/^# ok 2 /# not ok 2 /')" '' 1
	fails 'a test that fails' 'failed: fixture.second' "${run[@]}"
	seed "$(good_but 's/^# ok 2 /# # a.c:7:second:Expected 0 (0) == err (5)\n# not ok 2 /')" '' 1
	fails 'what a test that fails said' '\| .*:second:Expected 0' "${run[@]}"
	seed "$(good_but 's/^# ok 2 .*/& # SKIP no such thing/')"
	fails 'a skip that nobody expects' 'second is not among' "${run[@]}"
	seed "$(good_but 's/^# ok 2 .*/# ok 2 fixture.only_2_here # SKIP no such thing/')"
	passes 'a skip that is expected' 3 "${run[@]}"
	fails 'a skip that is expected elsewhere' 'only_2_here is not among' run_selftests seccomp_notify rust 2
	seed "$(good_but 's/XFAIL/XPASS/')"
	fails 'an expected failure that passes' 'third was expected to fail' "${run[@]}"
	seed "$(good_but '/^# selftests: seccomp: notify_b_test/,/^ok 2/{/^# /d}')"
	fails 'a program that prints no result' 'notify_b_test printed no result' "${run[@]}"
	seed "$(good_but 's/^ok (2 .*)/not ok \1 # exit=139/')" '' 1
	fails 'a program that crashes after its last test' 'notify_b_test, with no test' "${run[@]}"
	seed "$(good_but 's/^ok (2 .*)/not ok \1 # TIMEOUT 180 seconds/')" '' 1
	fails 'a program that hangs after its last test' 'notify_b_test, with no test' "${run[@]}"
	seed "$(good_but '/selftests: seccomp: notify_b_test/,$d')"$'\nok 2 selftests: seccomp: notify_b_test # SKIP'
	fails 'a program that skips as a whole' 'notify_b_test is not among' "${run[@]}"

	# Who is too slow for C is not asked of Rust; anyone else's timeout counts.
	local slow_test="global.$CAPPED"
	seed "$(good_but "s/^# ok 2 .*/# # $slow_test: Test terminated by timeout\n# not ok 2 $slow_test/
		s/^ok (1 .*)/not ok \1 # exit=1/")" '' 1
	passes 'a test that is too slow for C' 3 run_selftests seccomp_bpf c 2
	fails 'a test that is too slow for Rust' "failed: $slow_test" run_selftests seccomp_bpf rust 2
	too_slow=1 fails 'a test that is too slow for Rust, and was for C' "failed: $slow_test" \
		run_selftests seccomp_bpf rust 2

	counted=(['seccomp_bpf c/2']='112 passed' ['seccomp_bpf rust/2']='112 passed')
	passes 'totals that are the same' 1 compare_totals
	counted['seccomp_bpf rust/2']='111 passed'
	fails 'totals that differ' 'rust: 111 passed; c: 112 passed' compare_totals
	counted=()
	fails 'totals of nothing' 'rust: nothing; c: nothing' compare_totals

	seed "$good"
	SKIPS=$work/none fails 'a judge that dies' 'failed: 1' "${run[@]}" 2> /dev/null
}

logs() {
	local line
	while IFS= read -r line; do
		seed "$good" "[    1.000000] $line"
		fails "in the log: ${line//#/}" 'in the kernel'"'"'s log' run_selftests seccomp_notify c 2
	done <<- 'END'
		WARNING: CPU: 0 PID: 1 at kernel/seccomp.c:1
		BUG: KASAN: slab-use-after-free in seccomp_notify_release
		BUG kmalloc-128 (Not tainted): Redzone overwritten
		INFO: trying to register non-static key.
		turning off the locking correctness validator.
		WARNING: possible circular locking dependency detected
		kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
		Freezing user space processes failed after 20.004 seconds (1 tasks refusing to freeze, wq_busy=0):
		Freezing remaining freezable tasks failed after 20.004 seconds (0 tasks refusing to freeze, wq_busy=1):
		INFO: task notify_a_test:77 blocked for more than 60 seconds.
		rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
		watchdog: BUG: soft lockup - CPU#0 stuck for 26s!
		Kernel panic - not syncing: Attempted to kill init!
		rust_kernel: panicked at kernel/seccomp_notify/state.rs:1
		Call Trace:
	END

	local starved='notify_starved_: vmalloc error: size 4096' trace='Call Trace:
 <TASK>
 </TASK>'
	seed "$good" "$starved
$trace"
	passes 'in the log: an allocation that had to fail' 4 run_selftests seccomp_notify c 2
	seed "$good" "notify_starved_ invoked oom-killer: gfp_mask=0xcc0
$trace"
	passes 'in the log: a cgroup that had to be full' 4 run_selftests seccomp_notify c 2
	seed "$good" "notify_a_test: vmalloc error: size 4096
$trace"
	fails 'in the log: one that failed by itself' 'line 2: Call Trace' run_selftests seccomp_notify c 2
	seed "$good" "$starved
BUG: KASAN: slab-use-after-free
$trace"
	fails 'in the log: what comes amid it' 'line 2: BUG' run_selftests seccomp_notify c 2
	seed "$good" "$starved
$trace
$trace"
	fails 'in the log: what comes after it' 'line 5: Call Trace' run_selftests seccomp_notify c 2
}

good_kunit='[    0.500000] smp: Brought up 1 node, 2 CPUs
[    1.000000] KTAP version 1
[    1.000000] 1..3
[    1.000000]     KTAP version 1
[    1.000000]     # Subtest: rust_ours
[    1.000000]     1..2
[    1.000000]     ok 1 first
[    1.000000]     ok 2 second
[    1.000000] # rust_ours: pass:2 fail:0 skip:0 total:2
[    1.000000] ok 1 rust_ours
[    1.000000]     KTAP version 1
[    1.000000]     # Subtest: rust_hunk
[    1.000000]     1..1
[    1.000000]     ok 1 third
[    1.000000] ok 2 rust_hunk
[    1.000000]     KTAP version 1
[    1.000000]     # Subtest: rust_doctests_kernel
[    1.000000]     1..2
[    1.000000]     ok 1 rust_doctest_kernel_uaccess_rs_0
[    1.000000]     ok 2 rust_doctest_kernel_others_rs_0
[    1.000000] ok 3 rust_doctests_kernel
[    1.100000] reboot: Restarting system'

good_kunit_but() { sed -E "$1" <<< "$good_kunit"; }

kunit() {
	seed "$good_kunit"
	passes 'KUnit: good output passes' 4 run_kunit
	seed "$(good_kunit_but '/reboot:/d')" '' 124
	fails 'KUnit: a guest that hangs after its last result' 'did not end in time' run_kunit
	seed "$(good_kunit_but '/reboot:/d')"
	fails 'KUnit: a guest that dies after its last result' 'has no .reboot' run_kunit
	seed "$(good_kunit_but '/Brought up/d')"
	fails 'KUnit: a guest of one CPU' 'has no .Brought up' run_kunit
	seed "$(good_kunit_but '/Subtest: rust_hunk/,/rust_hunk/d; s/1\.\.3/1..2/; s/ok 3 /ok 2 /')"
	fails 'KUnit: a suite of a hunk that did not run' 'nothing of rust_hunk ran' run_kunit
	seed "$(good_kunit_but 's/ok 1 third/not ok 1 third/; s/ok 2 rust_hunk/not ok 2 rust_hunk/')"
	fails 'KUnit: a test of a hunk that fails' 'failed: rust_hunk.third' run_kunit
	seed "$(good_kunit_but 's/ok 2 (rust_doc.*)/not ok 2 \1/; s/ok 3 /not ok 3 /')"
	passes 'KUnit: what fails of others is theirs' 4 run_kunit
	seed "$(good_kunit_but 's/ok 1 third/& # SKIP not here/')"
	fails 'KUnit: a skip that nobody expects' 'third is not among' run_kunit
	seed "$(good_kunit_but '/ok 2 second/,$d')" '' 124
	fails 'KUnit: a guest that hangs amid its tests' 'missing' run_kunit
}

scripts() {
	local said

	seed $'KTAP version 1\n1..3\nok 1 spdx\nok 2 shell\nok 3 files'
	passes 'check: clean passes' 3 run_check
	seed $'KTAP version 1\n1..3\nok 1 spdx\nok 2 shell' '' 1
	fails 'check: a script that dies midway' 'missing' run_check
	seed $'KTAP version 1\n1..3\nok 1 spdx\nok 2 shell\nok 3 files' '' 1
	fails 'check: a script that dies at its end' 'status 1' run_check
	seed $'KTAP version 1\n1..2\nok 1 spdx\n# a.sh: no\nnot ok 2 shell' '' 1
	fails 'check: what is not clean' 'failed: shell' run_check

	seed '17 targets met, 0 missed'
	passes 'bench: all met passes' 17 run_bench
	seed $'missed one to one\n16 targets met, 1 missed' '' 1
	fails 'bench: a target that is missed' 'missed one to one' run_bench
	seed '17 targets met, 0 missed' '' 1
	fails 'bench: a script that dies at its end' 'see' run_bench
	seed 'error: no guest' '' 1
	fails 'bench: a script that dies midway' 'error: no guest' run_bench
	seed 'no figures'
	fails 'bench: no verdict' 'see' run_bench

	seed 'warnings in the kernel log: 0'
	passes 'demo: no warning passes' 1 run_demo
	seed 'warnings in the kernel log: 2'
	fails 'demo: a warning' 'see' run_demo
	seed 'warnings in the kernel log: 0' '' 1
	fails 'demo: a script that dies at its end' 'see' run_demo
	seed 'nothing was said'
	fails 'demo: no verdict' 'see' run_demo

	seed $'test result: ok. 5 passed; 0 failed; 0 ignored;\ntest result: ok. 2 passed; 0 failed; 0 ignored;'
	passes 'host: good output passes' 7 run_host
	seed $'test one ... FAILED\ntest result: FAILED. 5 passed; 1 failed; 0 ignored;' '' 101
	fails 'host: a test that fails' 'one ... FAILED' run_host
	seed 'test result: ok. 5 passed; 0 failed; 0 ignored;' '' 101
	fails 'host: a program that does not build' 'see' run_host
	seed $'test one ... ignored\ntest result: ok. 5 passed; 0 failed; 1 ignored;'
	fails 'host: a test that is ignored' 'one ... ignored' run_host
	seed ''
	fails 'host: no tests' 'see' run_host
	seed $'test result: ok. 5 passed; 0 failed; 0 ignored;\nleft out, there is no: tool'
	said=$(run_host > /dev/null; printf '%s' "${notes[*]-}")
	verdict 'host: what is left out is said' \
		"$([[ $said == *'left out, there is no: tool' ]] && echo 0 || echo 1)" "$said"
}

# What make report says of a run whose tests are known, and of one that only counts.
report() {
	local said

	new_report
	seed "$(good_but 's/^# ok 2 /# # a.c:7:second:Expected 0 < 1\n# not ok 2 /; s/ok 3 (.*) # XFAIL .*/ok 3 \1 # SKIP no such/')" \
		'[    1.0] BUG: KASAN: a use'
	run_selftests seccomp_notify c 2 > /dev/null
	seed '16 targets met, 1 missed' '' 1
	run_bench > /dev/null
	said=$(python3 "$TOOLS/test/report.py" "$work/junit")
	verdict 'report: both runs' \
		"$(grep -c '<testsuite .*name="\(seccomp_notify.c/2\|bench.both\)"' <<< "$said" | grep -qx 2; echo $?)" "$said"
	verdict 'report: what failed, with what was said' \
		"$(grep -A1 'name="fixture.second"' <<< "$said" | grep -q 'Expected 0 &lt; 1'; echo $?)" "$said"
	verdict 'report: the kernel'"'"'s log' "$(grep -q 'message=.*KASAN: a use' <<< "$said"; echo $?)" "$said"
	verdict 'report: what was skipped' "$(grep -q 'skipped="1"' <<< "$said"; echo $?)" "$said"
	verdict 'report: a suite that only counts' \
		"$(grep -q '16 passed, 1 failed, 0 skipped' <<< "$said"; echo $?)" "$said"
}

# A series of three patches: the first has what is left of f, the second has a
# file of its own and a diff for f, the third a diff for both.
make_series() {
	rm -rf "$work/series"
	mkdir -p "$work/series"/{base,stage,set/1-first,set/2-second,out}
	cd "$work/series"
	seq 1 20 > base/f
	seq 1 20 | sed '2s/$/ first/; 10s/$/ second/; 18s/$/ third/' > stage/f
	printf '%s\n' own own third > stage/g
	printf 'subject\n\nbody\n\nFiles:\nf\n' > set/1-first/01-first.msg
	printf 'subject\n\nbody\n\nFiles:\ng\n' > set/2-second/01-second.msg
	printf 'subject\n\nbody\n' > set/2-second/02-third.msg
	printf '%s\n' '--- a/f' '+++ b/f' '@@ -8,5 +8,5 @@' ' 8' ' 9' -10 '+10 second' ' 11' ' 12' \
		> set/2-second/01-second.diff
	printf '%s\n' '--- a/f' '+++ b/f' '@@ -16,5 +16,5 @@' ' 16' ' 17' -18 '+18 third' ' 19' ' 20' \
		'--- a/g' '+++ b/g' '@@ -1,2 +1,3 @@' ' own' ' own' +third > set/2-second/02-third.diff
}

# changed_series <command>...: that, with one thing wrong
changed_series() { (make_series && "$@"); }

run_series() {
	rm -rf "$work/series/out"
	python3 "$TOOLS/series/series.py" "$work/series/set" "$work/series/base" "$work/series/stage" \
		"$work/series/out" "$@" 2>&1
}

# refuses <test> <pattern of what is said> <command>...: and it fails
refuses() {
	local test=$1 pattern=$2 said status=0
	shift 2
	said=$("$@" 2>&1) || status=$?
	if ((status)) && grep -qE -- "$pattern" <<< "$said"; then
		verdict "$test" 0
	else
		verdict "$test" 1 "status $status: $said"
	fi
}

# has <patch> <file> <its lines that are no number alone>
has() { [[ $(grep -v '^[0-9]*$' "$work/series/out/$1/tree/$2" | paste -sd,) == "$3" ]]; }

series_is_taken_back() {
	make_series
	run_series &&
		has 1-first/0001 f '2 first' &&
		has 2-second/0002 f '2 first,10 second' && has 2-second/0002 g 'own,own' &&
		has 2-second/0003 f '2 first,10 second,18 third' && has 2-second/0003 g 'own,own,third' &&
		[[ ! -e out/tree && ! -e out/misfit ]] || return 1
	run_series 2-second/01-second
	[[ $(grep -v '^[0-9]*$' out/tree/f | paste -sd,) == '2 first,10 second' ]]
}

# A project of its own, of the series above: what series.sh needs, and no more.
make_project() {
	local tools=project/tools/seccomp-notify

	make_series
	mkdir -p "$tools/tree" project/build
	: > project/build/.seccomp-notify
	cp "$TOOLS/lib.sh" "$tools"
	cp "$TOOLS/tree/sources.sh" "$tools/tree"
	cp -r "$TOOLS/series" "$tools"
	rm -r "$tools/series"/[0-9]*
	cp -r set/* "$tools/series"
	printf 'subject\n\nbody\n' | tee "$tools/series/1-first/cover.msg" > "$tools/series/2-second/cover.msg"
	printf '#!/bin/sh\n' | tee "$tools/setup.sh" > "$tools/tree/base.sh"
	chmod +x "$tools/setup.sh" "$tools/tree/base.sh"
	mv base project/build/base
	printf 'VERSION = 7\nPATCHLEVEL = 3\n' > project/build/base/Makefile
	cp stage/g project
	diff -u --label a/f --label b/f project/build/base/f stage/f > project/f.patch || true
}

# its_series <argument of series.sh>...
its_series() {
	env -u SECCOMP_NOTIFY_LOCKED BUILD="$work/series/project/build" GIT_CONFIG_GLOBAL=/dev/null \
		"$work/series/project/tools/seccomp-notify/series/series.sh" "$@" 2>&1
}

# What is before the second patch has changed, beside what that does or in it.
change_f() {
	sed "$1" stage/f > f
	diff -u --label a/f --label b/f project/build/base/f f > project/f.patch || true
}

project_is_mended() {
	local diff=project/tools/seccomp-notify/series/2-second/01-second.diff

	make_project
	its_series proof || return
	# A line of the context: nothing to decide.
	change_f '12s/$/ changed/'
	! its_series proof || return
	its_series mend && its_series proof && grep -q '^ 12 changed$' "$diff" || return
	# The line itself.
	change_f '10s/second/other/; 12s/$/ changed/'
	! its_series mend && ! its_series mend && ! its_series proof || return
	sed -i '/^<<<<<<</,/^>>>>>>>/c 10' project/build/series.edit/f
	its_series mend && its_series proof && grep -q '^+10 other$' "$diff" || return
	# Once more, without a question.
	change_f '10s/second/own/'
	its_series mend own && its_series proof && grep -q '^+10 own$' "$diff" && grep -q '^-10$' "$diff"
}

series() {
	local said status=0
	said=$(series_is_taken_back 2>&1) || status=1
	verdict 'series: the files are as they are after each patch' "$status" "$said"

	status=0
	said=$(project_is_mended 2>&1) || status=1
	verdict 'series: what does not fit any more is mended' "$status" "$said"

	changed_series sed -i '11s/$/ changed/' stage/f
	refuses 'series: a diff that does not fit' '2-second/01-second.diff does not fit' run_series
	refuses 'series: which file that is in' 'f: Hunk #1 FAILED' run_series
	verdict 'series: which patch is to be mended' \
		"$([[ $(cat "$work/series/out/misfit") == 2-second/01-second ]]; echo $?)" 'it is not named'
	changed_series sed -i '12s/$/ changed/' stage/f
	refuses 'series: a diff that fits with fuzz alone' 'does not fit' run_series
	changed_series cp base/f stage/h
	refuses 'series: a file that no patch has' 'in no patch of the series: h' run_series
	changed_series sed -i 's,^f$,f /second/,' set/1-first/01-first.msg
	refuses 'series: a hunk that its patch does not have' 'nothing is left in f' run_series
	changed_series sed -i '$s,$, /own/,' set/2-second/01-second.msg
	refuses 'series: a part of a file after the first diff' 'a path is whole' run_series
	changed_series sed -i '$s/$/one/' set/2-second/01-second.msg
	refuses 'series: a file that is not there' 'names gone' run_series
	changed_series sed -i '2,$d' set/2-second/02-third.msg
	refuses 'series: a message without reasons' '02-third.msg is no message' run_series
	changed_series rm set/2-second/02-third.diff
	refuses 'series: a message without files' 'has no list of files' run_series
	changed_series :
	refuses 'series: no such patch' 'is no patch with a diff' run_series 1-first/01-first
	make_project
	GIT_CEILING_DIRECTORIES="$work/series" GIT_CONFIG_SYSTEM=/dev/null \
		refuses 'series: git knows no user' 'does not know who the patches are from' its_series mail
}

# A project of a hunk, and of one for 7.2 alone, beside a base.
# make_base <version> <sed expression: what the base has otherwise>
make_base() {
	rm -rf "$work/bases"
	mkdir -p "$work/bases"/{top,tools/tree/7.2,base,stage}
	cd "$work/bases"
	seq 1 20 > base/f
	sed '10s/$/ ours/' base/f | diff -u --label a/f --label b/f base/f - > top/f.patch || true
	sed '10s/$/ of 7.2/' base/f | diff -u --label a/f --label b/f base/f - > top/other || true
	mv top/other tools/tree/7.2/f.patch
	seq 1 3 > base/g
	seq 1 3 > base/h
	sed '2s/$/ first/' base/h | diff -u --label a/h --label b/h base/h - > tools/tree/7.2/h.first.patch || true
	sed '2s/$/ ours/' base/g | diff -u --label a/g --label b/g base/g - > top/g.patch || true
	sed -i "$2" base/f
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = 1\n' "${1%.*}" "${1#*.}" > base/Makefile
}

# its_stage <version> <sed expression> [<function>]
its_stage() {
	make_base "$1" "$2"
	(BASE=$work/bases/base TOP=$work/bases/top TOOLS=$work/bases/tools LOG=$work/bases \
		"${3:-stage_sources}" "$work/bases/stage" 2>&1)
}

# its_base <variable=value>...: base.sh, with what make_base() has made as KDIR
its_base() {
	make_base 7.9 ''
	mkdir base/kernel
	: > base/kernel/seccomp.c
	env -u SECCOMP_NOTIFY_LOCKED BUILD="$work/bases/build" KDIR="$work/bases/base" "$@" "$TOOLS/tree/base.sh" 2>&1
}

# a_base <version> <sed expression> <the line that has to be in the end>
a_base() {
	local said line status=0

	said=$(its_stage "$1" "$2") || status=1
	line=$(sed -n 10p "$work/bases/stage/f")
	verdict "base: $1, $3" "$([[ $status == 0 && $line == "$3" ]]; echo $?)" "$said: $line"
}

bases() {
	local said

	a_base 7.3 '' '10 ours'
	a_base 7.2 '' '10 of 7.2'
	verdict 'base: 7.2, what it lacks' "$(grep -q '^2 first' "$work/bases/stage/h"; echo $?)" 'h is as it was'
	a_base 7.4 '7s/$/ changed/' '10 ours'
	refuses 'base: what stands around a hunk is as it was' 'f.patch does not fit' its_stage 7.3 '7s/$/ changed/'
	refuses 'base: a line that is changed is another' 'f.patch does not fit' its_stage 7.4 '10s/$/ changed/'
	refuses 'base: and all that does not fit is said' 'g, which the base tree does not have' \
		its_stage 7.4 '10s/$/ changed/; 1e rm base/g'
	refuses 'base: a hunk for a version alone is named' 'tools/tree/7.2/f.patch does not fit' \
		its_stage 7.2 '10s/$/ changed/'
	refuses 'base: no hunks are written beside another' 'is Linux 7.2, and the hunks are made for' \
		its_stage 7.2 '' require_home
	refuses 'base: no version of that name' 'BASE_VERSION=7.9 is no base' its_base BASE_VERSION=7.9
	said=$(its_base V=)
	verdict 'base: one that nobody has tried is taken' "$([[ $said == *'Linux 7.9, which nobody has tried'* ]]; echo $?)" "$said"
}

# The plan comes first, and how many there are is known when all have run.
tests > "$work/results"
ktap_print_header
ktap_set_plan $((KTAP_TESTNO - 1))
cat "$work/results"
ktap_finished
