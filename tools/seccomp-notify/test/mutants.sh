#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make mutants: whether the tests notice mistakes in what they test. Those of
# mutants.list are made one at a time, in a copy of the sources: for the host's
# tests, and what these cannot see, in a kernel that is booted.
#
# EVERY=1 makes those instead that cargo-mutants thinks of, in each function. The
# ones that nothing could notice are in host/.cargo/mutants.toml, and why. It is
# for who has the night: SHARD=0/8 is an eighth of them.
#
# usage: mutants.sh [word]...	(all; or those whose names have the words)

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

copy=$BUILD/mutants
flavour=mutants/rust

# The kernel and the selftests as they are without a mistake, to begin with.
prepare_kernel() {
	local log=$LOG/mutants-kernel.log ours=$LINUX
	local -a programs

	. "$TOOLS/test/suites.sh"
	"$TOOLS/setup.sh" build guest test lab
	"$TOOLS/kernel/kernel.sh" rust
	build_selftests || exit 1
	say 'copying the kernel'
	rm -rf "$copy/linux" "$copy/rust"
	cp -a --reflink=auto "$LINUX" "$copy/linux"
	LINUX=$copy/linux
	adopt_objects "$BUILD/rust" "$copy/rust" "$ours"
	kernel_make "$flavour" -j"$(nproc)" bzImage > "$log" 2>&1 || die "the copy did not build" "see $log"
	"$TOOLS/lab/root.sh" rust "$KSELFTEST" "$copy/root.cpio.gz" >> "$log" 2>&1 ||
		die "there is no root file system to boot" "see $log"
	# A guest that does not come up, or a name that is wrong, would notice all.
	say 'running the selftests without a mistake'
	mapfile -t programs < <(sed -n 's/^boot: //p' "$TOOLS/test/mutants.list" | tr ' ' '\n' | sort -u)
	boot_mutant test "${programs[@]}" || die "the selftests do not pass without a mistake" "see $copy/boot.ktap"
}

# boot_mutant build|test <selftest>...: whether the selftests pass in that kernel
boot_mutant() {
	local what=$1 name=$copy/boot status=0
	shift

	LINUX=$copy/linux
	if [[ $what == build ]]; then
		kernel_make "$flavour" -j"$(nproc)" bzImage 2>&1
		return
	fi
	: > "$name.ktap"
	# With a mistake, tests may hang, each until its time is out: the first that finds
	# something wrong is enough.
	set -m
	"$TOOLS/lab/boot.sh" --flavour "$flavour" --console "$name.dmesg" --timeout 600 "$copy/root.cpio.gz" \
		"/kselftest/run_kselftest.sh -o 300$(printf ' -t seccomp:%s' "$@")" > "$name.ktap" &
	guest=$!
	set +m
	trap 'kill -- "-$guest" 2> /dev/null || true' EXIT
	while kill -0 "$guest" 2> /dev/null && ! grep -qE '^(# )?not ok |:Expected ' "$name.ktap"; do
		sleep 1
	done
	kill -- "-$guest" 2> /dev/null || true
	wait "$guest" || status=$?
	trap - EXIT
	: >> "$name.dmesg"
	[[ $(python3 "$TOOLS/test/results.py" --linux "$LINUX" --skips "$TOOLS/test/expected-skips" \
		--run seccomp_notify/rust/2 --kselftest --status "$status" --log "$name.dmesg" "$name.ktap" |
		awk 'NR == 1 { print $2 }') == 0 ]]
}

# one_mutant build|test <file>: what may notice a mistake in the file
one_mutant() {
	local -a first=(--package kernel --lib --test index --test state --test waiter)
	local -a then=(--package seccomp_notify --features shuttle)
	local -a how=(--locked --quiet)

	[[ $1 == test ]] || how+=(--no-run)
	case $2 in
	rust/* | */state.rs) timeout 600 cargo test "${how[@]}" "${first[@]}" || return ;;
	esac
	timeout 900 cargo test "${how[@]}" "${then[@]}"
}

if [[ ${1:-} == --one ]]; then
	shift
	case $1 in
	prepare) prepare_kernel ;;
	*) if (($# > 2)); then boot_mutant "$1" "${@:3}"; else one_mutant "$@"; fi ;;
	esac
	exit
fi

take_lock
"$TOOLS/setup.sh" build
"$TOOLS/tree/apply.sh"
rm -rf "$copy/tree"
mkdir -p "$copy/tree"
(cd "$TOP" && cp -a --parents Documentation kernel/seccomp_notify rust/kernel rust/macros \
	tools/seccomp-notify/host "$copy/tree")
cargo_home
export CARGO_TARGET_DIR=$copy/target RUSTC
export SCHEDULES=${SCHEDULES:-200} DFS=${DFS:-200}

# It looks for sources where cargo has them by default.
gather_sources() {
	local host=$copy/tree/tools/seccomp-notify/host

	mkdir "$host/src/sync/shipped"
	cp -r "$copy"/tree/rust/kernel/sync/waiter{,.rs} "$host/src/sync/shipped"
	cp "$copy"/tree/kernel/seccomp_notify/{file,listener,notification,state,supervisor,target}.rs \
		"$host/notify/src"
	sed -i '/^#\[path/d' "$host/src/sync.rs" "$host/notify/src/lib.rs"
	sed -i 's#^\(..path = ".*\)kernel/seccomp_notify/#\1tools/seccomp-notify/host/notify/src/#
		s#^\(..path = ".*\)rust/kernel/sync/#\1tools/seccomp-notify/host/src/sync/shipped/#' \
		"$host"/tests/{index,state}.rs
	cd "$host"
}

install_cargo_mutants() {
	local program=$BUILD/tools/cargo/bin/cargo-mutants

	[[ $("$program" mutants --version 2> /dev/null) != "cargo-mutants $MUTANTS_VERSION" ]] || return 0
	say "building cargo-mutants $MUTANTS_VERSION; the log is $LOG/cargo-mutants.log"
	CARGO_TARGET_DIR=$BUILD/tools/mutants-target cargo install --locked \
		"cargo-mutants@$MUTANTS_VERSION" --root "$BUILD/tools/cargo" \
		> "$LOG/cargo-mutants.log" 2>&1 ||
		die "cargo-mutants did not build" "the whole log is $LOG/cargo-mutants.log"
	rm -rf "$BUILD/tools/mutants-target"
}

# every <directory for what came of it> <regular expression for the mistakes> <argument>...
every() {
	local out=$copy/$1 mistakes=$2 tool=cargo
	shift 2

	# Which stops at the first test that fails.
	! command -v cargo-nextest > /dev/null || tool=nextest
	mkdir -p "$out"
	# That the tests pass without a mistake is for make test to say.
	"$BUILD/tools/cargo/bin/cargo-mutants" mutants --in-place --no-shuffle --workspace \
		--test-package kernel,seccomp_notify --re "$mistakes" --test-tool "$tool" \
		--baseline skip --timeout 120 --build-timeout 600 ${SHARD:+--shard "$SHARD"} \
		--output "$out" "$@"
}

if [[ -n ${EVERY:-} ]]; then
	install_cargo_mutants
	gather_sources
	status=0
	# Some have tests of their own, which are none for a model checker.
	every by-threads '^(src/sync|notify/src/state)' -- --locked \
		--lib --test index --test state --test waiter --test scenarios || status=$?
	every by-schedules '^notify/src/(file|listener|notification|supervisor|target)' \
		--features shuttle -- --locked --test scenarios || status=$?
	exit $status
fi
python3 "$TOOLS/test/mutants.py" "$TOOLS/test/mutants.list" "$copy" "$@" \
	-- "$TOOLS/test/mutants.sh" --one
