#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make check: the style of everything that is ours.  Says "clean: <what>" or
# "not clean: <what>" for each.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$TOOLS/sources.sh"

dirty=0

# verdict <what> <file that is empty if it is clean>
verdict() {
	if [[ -s $2 ]]; then
		cat "$2"
		printf 'not clean: %s\n' "$1"
		dirty=$((dirty + 1))
	else
		printf 'clean: %s\n' "$1"
	fi
}

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
		COPYING | LICENSES/* | README.md | .gitignore | *.msg | *.patch | *.lock | *.json | *.svg | *.png | *.stderr) continue ;;
		esac
		head -n 3 "$TOP/$path" | grep -q 'SPDX-License-Identifier: ' ||
			printf '%s: no SPDX-License-Identifier in its first lines\n' "$path"
	done < <(project_files)
}

check_shell() {
	local -a scripts
	mapfile -t scripts < <(cd "$TOP" && find tools/seccomp-notify .ci -type f \
		\( -name '*.sh' -o -path '.ci/*' \) ! -path '*/target/*' | sort)
	(cd "$TOP" && shellcheck -x -P "$TOOLS" -e SC2016,SC2119 "${scripts[@]}") || true
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
		case $path in
		*.patch) checkpatch "$ignored_hunk${more:+,$more}" --no-signoff "$TOP/$path" ;;
		*.c | *.h | *.rs | *.rst | *Makefile | *Kconfig) checkpatch "$more" -f "$TOP/$path" ;;
		esac
	done < <(source_paths; printf 'tools/seccomp-notify/%s\n' demo.c)
}

check_series() {
	local patch path more
	if ! "$TOOLS/series.sh" > "$LOG/series-check.log" 2>&1; then
		cat "$LOG/series-check.log"
		return
	fi
	for patch in "$BUILD/series"/*.patch; do
		[[ $patch != */0000-* ]] || continue
		more=$ignored_user
		while IFS= read -r path; do
			userspace "$path" || more=
		done < <(sed -n 's#^+++ b/##p' "$patch")
		checkpatch "$more" "$patch"
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

# Warnings of clippy in our files; what it says of the base's is theirs.
check_clippy() {
	local out=$BUILD/clippy log=$LOG/clippy.log ours
	local -a goals=(rust/kernel.o samples/rust/)

	if [[ -e $LINUX/kernel/seccomp_notify/Makefile ]]; then
		goals+=(kernel/seccomp_notify/)
	fi
	"$TOOLS/kernel.sh" clippy config > "$log" 2>&1 || { tail -n 5 "$log"; return; }
	# Warnings come when a file is compiled, so one that had some is compiled again.
	[[ -e $out/.clean ]] || rm -f "$out"/rust/*.o "$out"/rust/*.so "$out"/samples/rust/*.o "$out"/kernel/seccomp_notify/*.o
	rm -f "$out/.clean"
	if ! kernel_make clippy -j"$(nproc)" CLIPPY=1 "${goals[@]}" > "$log" 2>&1; then
		grep -A 12 -E '^error' "$log" | head -n 60
		return
	fi
	ours=$(source_paths | sed -n 's/\.patch$//; /\.rs$/p' | sed 's/[.]/\\./g' | paste -sd'|')
	# A warning is a paragraph; its second line says where.
	awk -v RS= -v ours="(${ours:-none}):[0-9]" '/^(warning|error)/ && $0 ~ ours { print $0 "\n" }' "$log" > "$log.ours"
	cat "$log.ours"
	[[ -s $log.ours ]] || : > "$out/.clean"
}

check_host_clippy() {
	[[ -e $TOOLS/host/Cargo.toml ]] || return 0
	(
		cd "$TOOLS/host"
		cargo_home
		export CARGO_TARGET_DIR=$BUILD/host RUSTC=/usr/bin/rustc
		cargo clippy --workspace --locked --quiet --all-targets -- -D warnings 2>&1
	) || true
}

take_lock
"$TOOLS/setup.sh" build check series
"$TOOLS/apply.sh"
mkdir -p "$LOG/check"
for what in spdx shell files series rustfmt clippy host_clippy; do
	"check_$what" > "$LOG/check/$what.log" 2>&1
	verdict "$what" "$LOG/check/$what.log"
done
((dirty == 0)) || die "$dirty of the style checks found something; it is above, and in $LOG/check"
