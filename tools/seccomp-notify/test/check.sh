#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make check: the style of everything that is ours, as KTAP: what was found is
# above the result.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"

# The project's files, the kernel's sources and its own.
project_files() {
	(cd "$TOP" && find . \( -path ./.git -o -path ./build -o -path "${BUILD/#$TOP/.}" \
		-o -name target \) -prune -o -type f -printf '%P\n') | sort
}

check_spdx() {
	local path
	while IFS= read -r path; do
		case $path in
		# Texts of a licence, of a message, of a hunk, and generated lists.
		COPYING | LICENSES/* | README.md | CONTRIBUTING.md | .gitignore | *.msg | *.diff | *.patch | *.lock | *.json | *.svg | *.png | *.stderr) continue ;;
		esac
		grep -q 'SPDX-License-Identifier: ' < <(head -n 3 "$TOP/$path") ||
			printf '%s: no SPDX-License-Identifier in its first lines\n' "$path"
	done < <(project_files)
}

check_shell() {
	local -a scripts
	mapfile -t scripts < <(cd "$TOP" && find tools/seccomp-notify .ci -type f \
		\( -name '*.sh' -o -path '.ci/*' -o -path '*/lab/init' \) ! -path '*/target/*' | sort)
	(cd "$TOP" && shellcheck -x -P SCRIPTDIR:"$TOOLS" -e SC2016,SC2119 "${scripts[@]}") || true
}

# checkpatch.pl, outside of any repository.  What it need not tell: ENOSYS is
# part of this interface, as "nobody answers"; and a new file needs no change of
# MAINTAINERS where there is an entry for its directory.
ignored=ENOSYS,FILE_PATH_CHANGES
# A hunk alone has no message.
ignored_hunk=COMMIT_MESSAGE
# What the kernel has for these is not there in userspace and in its headers.
ignored_user=ARCH_DEFINES,ARRAY_SIZE,BIT_MACRO,EMBEDDED_FUNCTION_NAME
ignored_user+=,PREFER_DEFINED_ATTRIBUTE_MACRO,PREFER_KERNEL_TYPES,VOLATILE

# TRACE_EVENT() is laid out as everywhere in the kernel, which this does not know.
ignored_trace=OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT

# checkpatch <more to ignore> <argument>...
checkpatch() {
	local more=$1
	shift
	GIT_DIR=/nonexistent perl "$LINUX/scripts/checkpatch.pl" --root="$LINUX" --strict --terse \
		--show-types --no-summary --quiet --ignore "$ignored${more:+,$more}" "$@" || true
}

userspace() { [[ $1 == tools/* || $1 == samples/* || $1 == include/uapi/* ]]; }

check_files() {
	local path more
	while IFS= read -r path; do
		more=
		! userspace "$path" || more=$ignored_user
		[[ $path != include/trace/* ]] || more=$ignored_trace
		case $path in
		*.patch) checkpatch "$ignored_hunk${more:+,$more}" --no-signoff "$TOP/$path" ;;
		*.c | *.h | *.rs | *.rst | *Makefile | *Kconfig) checkpatch "$more" -f "$TOP/$path" ;;
		esac
	done < <(source_paths; printf 'tools/seccomp-notify/demo/%s\n' demo.c)
}

check_series() {
	local patch path more

	# They are made for one.
	if [[ $(base_version "$BASE") != "$HOME_VERSION" ]]; then
		echo "left out, this is not Linux $HOME_VERSION"
		return
	fi
	if ! "$TOOLS/series/series.sh" proof > "$LOG/series-check.log" 2>&1; then
		cat "$LOG/series-check.log"
		return
	fi
	for patch in "$BUILD/series.proof"/*/*.patch; do
		[[ $patch != */0000-* ]] || continue
		# A patch may have files of several kinds; each is checked above
		# as what it is. Who sends the patches signs them off.
		more=
		while IFS= read -r path; do
			case $path in
			include/trace/*) more+=,$ignored_trace ;;
			*) ! userspace "$path" || more+=,$ignored_user ;;
			esac
		done < <(sed -n 's#^+++ b/##p' "$patch")
		checkpatch "${more#,}" --no-signoff "$patch"
	done
}

check_rustfmt() {
	local path
	local -a files=()
	while IFS= read -r path; do
		[[ ${path%.patch} != *.rs ]] || files+=("$LINUX/${path%.patch}")
	done < <(source_paths)
	while IFS= read -r path; do
		files+=("$path")
	done < <(find "$TOOLS" -name '*.rs' ! -path '*/target/*' ! -path '*/ui/*')
	((${#files[@]})) || return 0
	for path in "${files[@]}"; do
		rustfmt --color never --check --edition 2021 --config-path "$LINUX/.rustfmt.toml" "$path" 2>&1 || true
	done
}

# Clippy, on what the KUnit kernel is made of, which has our tests and samples:
# the commands that make(1) has kept, with clippy for the compiler, and without
# what they write. "make CLIPPY=1" would put other code into that kernel, or
# take one of its own. What clippy says of the base's files is theirs.
check_clippy() {
	local out=$BUILD/kunit log=$LOG/clippy.log ours object command driver

	driver=$(beside_rustc clippy-driver)
	{ "$TOOLS/kernel/kernel.sh" kunit config &&
		kernel_make kunit -j"$(nproc)" rust/kernel.o samples/rust/ kernel/seccomp_notify/; } \
		> "$log" 2>&1 || { tail -n 15 "$log"; return; }
	: > "$log"
	for object in rust/libmacros.so rust/kernel.o samples/rust/rust_{anon_inode,misc_device}.o \
		kernel/seccomp_notify/seccomp_notify.o; do
		command=$(sed -n '1s/^savedcmd_[^ ]* := *//p' "$out/${object%/*}/.${object##*/}.cmd")
		command=$(sed -E "s#;.*##; s# --emit=[^ ]*##g; s#(^| )$RUSTC #\\1$driver #" <<< "$command")
		[[ $command == *"$driver "* ]] || printf 'no command of rustc made %s\n' "$object"
		(cd "$out" && RUSTC_BOOTSTRAP=1 CLIPPY_CONF_DIR=$LINUX \
			bash -c "$command --emit=metadata=$LOG/clippy.rmeta") >> "$log" 2>&1 ||
			printf 'clippy did not get through %s, see %s\n' "$object" "$log"
	done
	rm -f "$LOG/clippy.rmeta"
	ours=$(source_paths | sed -n 's/\.patch$//; /\.rs$/p' | sed 's/[.]/\\./g' | paste -sd'|')
	# A warning is a paragraph; its second line says where.
	awk -v RS= -v ours="(${ours:-none}):[0-9]" '/^(warning|error)/ && $0 ~ ours { print $0 "\n" }' "$log"
}

check_host_clippy() {
	[[ -e $TOOLS/host/Cargo.toml ]] || return 0
	(
		cd "$TOOLS/host"
		cargo_home
		export CARGO_TARGET_DIR=$BUILD/host RUSTC
		cargo clippy --workspace --locked --quiet --all-targets -- -D warnings 2>&1
		for threads in shuttle loom; do
			cargo clippy --package seccomp_notify --features "$threads" --locked --quiet \
				--all-targets -- -D warnings 2>&1
		done
	) || true
}

# What a fuzzer is told of the interface is all of it.
check_description() {
	python3 "$TOOLS/fuzz/compare.py" "$LINUX/include/uapi/linux/seccomp.h" \
		"$TOOLS/fuzz/seccomp_notify.txt" 2>&1 || true
}

# What a lab is given fits what it runs.
check_lab() { python3 "$TOOLS/lab/check.py" "$TOOLS/lab" 2>&1 || true; }

# Who brings a file maintains it: each new one is in our entries of MAINTAINERS, and
# these name no other. A directory has a slash at its end there.
check_maintainers() {
	local path pattern
	local -a patterns
	local -A used=()

	mapfile -t patterns < <(sed -n 's/^+F:\t//p' "$TOP/MAINTAINERS.patch")
	while IFS= read -r path; do
		for pattern in "${patterns[@]}"; do
			# shellcheck disable=SC2053
			[[ $path != ${pattern/%\//\/*} ]] || { used[$pattern]=1; continue 2; }
		done
		printf '%s: in no entry of MAINTAINERS\n' "$path"
	done < <(source_paths | grep -vE '\.patch$')
	for pattern in "${patterns[@]}"; do
		[[ -n ${used[$pattern]:-} ]] || printf 'MAINTAINERS: nothing new is %s\n' "$pattern"
	done
}

# What reviewers are told of `unsafe`: in how many lines of a file it is, comments
# aside.
check_unsafe() {
	local path count document=$TOP/Documentation/security/seccomp-notify.rst

	diff --label documented --label counted -u0 \
		<(awk '/^   \* - ``.*\.rs``$/ { path = $3; gsub("`", "", path); next }
			path && /^     - [0-9]+$/ { print path, $2 } { path = "" }' "$document" | sort) \
		<(source_paths | grep -E '\.rs(\.patch)?$' | while IFS= read -r path; do
			count=$(if [[ $path == *.patch ]]; then
				sed -n '/^+++/d; s/^+//p' "$TOP/$path"
			else
				cat "$TOP/$path"
			fi | grep -vE '^[[:space:]]*//' | grep -cw unsafe) || continue
			printf '%s %d\n' "${path%.patch}" "$count"
		done | sort) || true
}

take_lock
"$TOOLS/setup.sh" build check series
"$TOOLS/tree/apply.sh"
mkdir -p "$LOG/check"
# shellcheck source=/dev/null
. "$LINUX/tools/testing/selftests/kselftest/ktap_helpers.sh"
checks=(spdx shell files series rustfmt clippy host_clippy description lab maintainers unsafe)
ktap_print_header
ktap_set_plan "${#checks[@]}"
for check in "${checks[@]}"; do
	found=$LOG/check/$check.log
	"check_$check" > "$found" 2>&1
	if [[ $(head -n 1 "$found") == 'left out, '* ]]; then
		ktap_test_skip "$check $(cat "$found")"
	elif [[ -s $found ]]; then
		sed 's/^/# /' "$found"
		ktap_test_fail "$check"
	else
		ktap_test_pass "$check"
	fi
done
ktap_finished
