#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make series CHECK=1: builds the tree as it is after each patch, with the option
# off and on, and the selftests. Prints a line a patch. A build fails by an error
# or by a warning. It builds again what a patch touches, and what was found
# good is not built again: interrupted, it goes on from there. The logs are
# build/log/series-*.log, that of what fails is named.
#
# "on" has the KUnit tests and the samples, too. Before the patch that adds the
# option, the two differ in these alone.
#
# usage: check.sh REPO	one branch a set, one commit a patch; see series.sh

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

repo=$1
check=$BUILD/series.check
ours=$LINUX
LINUX=$check/linux
good=$check/good
failed=0

# A flavour with the option off or on, as every patch has it: what is not there
# yet is not asked for.
fragments() {
	local kind=$1
	local -a list=("$TOOLS/kernel/lean.config" "$ours/tools/testing/selftests/seccomp/config"
		"$TOOLS/kernel/x86_64.config")

	case $kind in
	off) list+=("$TOOLS/kernel/c.config") ;;
	on) list+=("$TOOLS/kernel/rust.config" "$ours/kernel/seccomp_notify/.kunitconfig" "$TOOLS/kernel/kunit.config") ;;
	esac
	cat "${list[@]}"
	# The samples of seccomp are programs. The compiler of the kernel makes them, with
	# the headers of the same tree: a sample cannot use what comes later.
	[[ $kind != on ]] ||
		printf 'CONFIG_%s=y\n' SAMPLES HEADERS_INSTALL SAMPLE_SECCOMP
}

# Objects that were built from the project's tree are those of this one, where
# the files are the same: only what is not is newer than they are.
seed() {
	local out=$check/$1 from=$BUILD/$2 path

	[[ ! -d $out ]] || return 0
	[[ -e $from/vmlinux ]] || { mkdir -p "$out"; return 0; }
	while IFS= read -r path; do
		[[ -e $LINUX/$path ]] || continue
		if cmp -s "$ours/$path" "$LINUX/$path"; then
			touch -r "$ours/$path" "$LINUX/$path"
		else
			touch "$LINUX/$path"
		fi
	done < "$check/paths"
	say "series: starting from the $2 kernel's objects"
	adopt_objects "$from" "$out" "$ours"
}

# The base tree, with the touched files as they are in the repository: make(1)
# shall see a change where there is one.
lay() {
	local path

	while IFS= read -r path; do
		if [[ ! -e $repo/$path ]]; then
			rm -f "$LINUX/$path"
		elif ! cmp -s "$repo/$path" "$LINUX/$path"; then
			mkdir -p "$LINUX/$(dirname "$path")"
			cp --remove-destination "$repo/$path" "$LINUX/$path"
		fi
	done < "$check/paths"
}

# logged <log> <command>...: no error, and no warning.
logged() {
	local log=$1
	shift
	"$@" > "$log" 2>&1 < /dev/null || return 1
	! grep -E '(^|[^[:alnum:]-])(warning|WARNING)(\[[^]]*\])?:' "$log" > "$log.warnings" || return 1
	rm -f "$log.warnings"
}

kernel() {
	local kind=$1 config=$LOG/series-config-$1.log

	fragments "$kind" > "$check/$kind.config"
	kernel_make "series.check/$kind" KCONFIG_ALLCONFIG="$check/$kind.config" allnoconfig > "$config" 2>&1 ||
		return 1
	# Where there is the option, it is what the column says.
	if [[ -e $LINUX/kernel/seccomp_notify/Kconfig ]]; then
		if grep -q '^CONFIG_SECCOMP_NOTIFY_RUST=y' "$check/$kind/.config"; then
			[[ $kind == on ]] || return 1
		else
			[[ $kind == off ]] || return 1
		fi
	fi
	# Where nothing can be linked for the kernel's programs, samples are left out.
	[[ $kind != on ]] || grep -q '^CONFIG_SAMPLE_SECCOMP=y' "$check/$kind/.config" || return 1
	logged "$LOG/series-$kind.log" kernel_make "series.check/$kind" -j"$(nproc)" -Otarget vmlinux
}

selftests() {
	logged "$LOG/series-selftests.log" kernel_make series.check/off kselftest-install \
		TARGETS=seccomp KSFT_INSTALL_PATH="$check/kselftest"
}

formatted() {
	local path
	local -a files=()

	while IFS= read -r path; do
		[[ $path != *.rs ]] || files+=("$LINUX/$path")
	done < <(git -C "$repo" diff --name-only HEAD~ HEAD)
	((${#files[@]})) || return 0
	for path in "${files[@]}"; do
		rustfmt --check --edition 2021 --config-path "$LINUX/.rustfmt.toml" \
			--config skip_children=true "$path"
	done > "$LOG/series-rustfmt.log" 2>&1
}

# verdict <what> <command>...: says what it is, and how to find out why.
verdict() {
	local what=$1
	shift
	if "$@"; then
		printf ' %-9s' ok
		return
	fi
	printf ' %-9s' FAILED
	failed=1
	bad+=("$what")
}

mkdir -p "$check"
if [[ ! -d $LINUX ]]; then
	say "series: copying the base tree to $LINUX"
	rm -rf "$LINUX.new"
	cp -a --reflink=auto "$BASE" "$LINUX.new"
	chmod -R u+w "$LINUX.new"
	mv "$LINUX.new" "$LINUX"
fi
touch "$good"
tip=$(git -C "$repo" rev-parse HEAD)
{ cat "$check/paths" 2> /dev/null || true
  git -C "$repo" diff --name-only base "$tip"; } | sort -u > "$check/paths.new"
mv "$check/paths.new" "$check/paths"
printf '%-4s %-9s %-9s %-9s %-9s %6s  %s\n' '' off on selftests rustfmt time patch
number=0
while IFS= read -r commit; do
	number=$((number + 1))
	start=$SECONDS
	bad=()
	git -C "$repo" -c advice.detachedHead=false checkout -q "$commit"
	# What decides whether it is good: the files, and what is asked for.
	key=$({ git -C "$repo" rev-parse 'HEAD^{tree}'; echo "$BASE_VERSION"; "$(llvm clang)" --version
		fragments off; fragments on; "$RUSTC" -V; } | sha256sum | cut -c 1-32)
	printf '%-4s' "$number"
	if grep -q "^$key\$" "$good"; then
		printf ' %-9s %-9s %-9s %-9s %6s' ok ok ok ok ''
	else
		lay
		seed off c
		seed on kunit
		verdict off kernel off
		verdict on kernel on
		verdict selftests selftests
		verdict rustfmt formatted
		printf ' %6s' "$(clock $((SECONDS - start)))"
		((${#bad[@]})) || echo "$key" >> "$good"
	fi
	printf '  %s\n' "$(git -C "$repo" log -1 --format=%s)"
	for what in "${bad[@]}"; do
		# The next patch would write over it.
		cp "$LOG/series-$what.log" "$LOG/series-$number-$what.log" 2> /dev/null || true
		say "       $what: see $LOG/series-$number-$what.log"
	done
done < <(git -C "$repo" rev-list --reverse base.."$tip")
((failed == 0)) || die "not each patch builds"
say "each of $number patches builds, with the option off and on, and without a warning"
