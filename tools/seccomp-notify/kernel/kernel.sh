#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds one flavour of the kernel: lays the sources, configures, makes.
#
# usage: kernel.sh [[arm64-][debug-|kcsan-|rt-|cov-](rust|c|kunit|rust-outline)] [config|menuconfig]
#        kernel.sh package/(rust|c) [package|config]
#
# The full log is build/log/kernel-<flavour>.log.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

flavour=${1:-}
flavour=${flavour:-$(flavour_of)}
name=${flavour//\//-}
goal=${2:-build}
[[ $goal != menuconfig ]] || menuconfig=1
out=$BUILD/$flavour
log=$LOG/kernel-$name.log
jobs=$(nproc)

# Start from a built neighbour, so that only what the configuration changes is
# built again.
seed() {
	local from kind=''

	[[ ! -e $out/vmlinux ]] || return 0
	# Of somebody's configuration, next to nothing is the same.
	[[ $flavour != package/* || -z ${CONFIG:-} ]] || return 0
	[[ ! $flavour =~ ^(arm64-)?((debug|kcsan|rt|cov)-)? ]] || kind=${BASH_REMATCH[0]}
	case ${flavour#"$kind"} in
	rust) from=${kind}c ;;
	*) from=${kind}rust ;;
	esac
	[[ -e $BUILD/$from/vmlinux && -e $BUILD/$from/.fragments ]] || return 0
	say "$flavour: starting from the $from kernel's objects"
	rm -rf "$out"
	mkdir -p "$(dirname "$out")"
	adopt_objects "$BUILD/$from" "$out" "$LINUX"
	rm -f "$out/.fragments"
	touch "$out/.seeded"
}

# merge_config.sh tells what the fragments ask for and do not get. What somebody's
# configuration has is for another kernel, and not all of it is asked for.
configure() {
	local log=$LOG/config-$name.log refused asked
	local -a ours=("${fragments[@]}") rest=(-n)

	if [[ -n ${CONFIG:-} && ${fragments[0]} == "$CONFIG" ]]; then
		ours=("${fragments[@]:1}")
		rest=()
	fi
	# A string that is to be empty may as well not be there.
	asked=$(sed -n '/=""$/d; s/^\(CONFIG_[A-Z0-9_]*\)=.*/\1/p' "${ours[@]}" | sort -u | paste -sd'|')

	mkdir -p "$out"
	cat "${fragments[@]}" > "$out/.fragments.new"
	if [[ -e $out/.config ]] && cmp -s "$out/.fragments" "$out/.fragments.new"; then
		rm "$out/.fragments.new"
		# A new option of ours takes its default quietly.
		return
	fi
	kernel_make "$flavour" rustavailable > "$log" 2>&1 || {
		grep '\*\*\*' "$log" >&2 || tail -n 5 "$log" >&2
		die "this toolchain cannot build Rust for the kernel" "the log is $log"
	}
	rm -f "$out/.fragments"
	(cd "$LINUX" && ARCH="$(arch_of "$flavour")" LLVM="$LLVM" \
		MAKEFLAGS=" -- RUSTC=$RUSTC BINDGEN=$BINDGEN" \
		scripts/kconfig/merge_config.sh "${rest[@]}" -Q -O "$out" "${fragments[@]}") > "$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "the $flavour kernel could not be configured" "the log is $log"
	}
	refused="(Value requested for ($asked) not in final|($asked) differs)"
	refused=$(grep -A 2 -E "^WARNING: $refused" "$log" || true)
	[[ -z $refused ]] || die "the $flavour kernel's configuration does not have what was asked for" \
		"$refused" \
		"such options do not exist, or depend on something that is off;" \
		"the fragments are ${fragments[*]}"
	mv "$out/.fragments.new" "$out/.fragments"
}

# From make's output to the log, and to the terminal how far it is.
progress() {
	local total done=0 line start=$SECONDS last=$SECONDS
	local -r what=$1

	total=$(cat "$LOG/objects-$name-$how" 2> /dev/null || echo "$guess")
	while IFS= read -r line; do
		printf '%s\n' "$line"
		[[ -z $V ]] || printf '%s\n' "$line" >&2
		[[ $line == '  '[A-Z]* ]] || continue
		done=$((done + 1))
		[[ -z $V ]] || continue
		if [[ -t 2 ]]; then
			printf '\r\033[K%s: %s, %s' "$what" "$(state)" "$(clock $((SECONDS - start)))" >&2
		elif ((SECONDS - last >= 30)); then
			last=$SECONDS
			say "$what: $(state), $(clock $((SECONDS - start)))"
		fi
	done
	[[ -z $V && -t 2 ]] && printf '\r\033[K' >&2
	printf '%s\n' "$done" > "$out/.done"
}

state() {
	if [[ $how == again ]]; then
		printf '%d objects built again' "$done"
	else
		((total >= done)) || total=$done
		printf '%d of about %d objects' "$done" "$total"
	fi
}

# From the first error to the target that failed by it.
first_error() {
	awk '
		/^error(\[|:)|: (fatal )?error: |^ld\.lld: error|^ERROR: |: undefined |\*\*\* \[.*Error/ { hit = 1 }
		hit && !/^  [A-Z]+ / { print; if (++n == 100) exit }
		hit && /\*\*\* \[.*Error/ { exit }' "$log"
}

# build <target of make>
build() {
	local start=$SECONDS status=0 how=fresh guess=2120

	# How many objects there are to build is known from the last time, or
	# from someone else's.  A build that only follows an edit does not know.
	if [[ -e $out/.seeded ]]; then
		how=seeded
		guess=45
	elif [[ -e $out/vmlinux ]]; then
		how=again
	fi
	kernel_make "$flavour" -j"$jobs" -Otarget "$1" 2>&1 < /dev/null |
		progress "$flavour kernel" > "$log" || status=$?
	if ((status)); then
		# Nobody shall boot an older one in its place.
		rm -f "$(image_of "$flavour")"
		first_error >&2
		die "the $flavour kernel did not build; what failed first is above" \
			"the whole log is $log"
	fi
	rm -f "$out/.seeded"
	mv "$out/.done" "$LOG/objects-$name-$how"
	say "$flavour kernel: $(cat "$LOG/objects-$name-$how") objects built, $(clock $((SECONDS - start))); $(image_of "$flavour")"
}

menuconfig() {
	[[ -t 0 && -t 1 ]] || die "menuconfig needs a terminal" \
		"or write the options to $BUILD/local.config: it is added to every kernel's"
	cp "$out/.config" "$out/.config.before"
	kernel_make "$flavour" menuconfig
	# Kept as a fragment, so that every flavour gets it, now and later.
	"$LINUX/scripts/diffconfig" -m "$out/.config.before" "$out/.config" |
		grep -v CONFIG_SECCOMP_NOTIFY_RUST >> "$BUILD/local.config" || true
	rm -f "$out/.config.before"
	mapfile -t fragments < <(flavour_fragments "$flavour")
	cat "${fragments[@]}" > "$out/.fragments"
	say "your changes are kept in $BUILD/local.config, for the kernels of both implementations"
}

take_lock
"$TOOLS/setup.sh" build ${menuconfig:+menuconfig}
"$TOOLS/tree/apply.sh"
mapfile -t fragments < <(flavour_fragments "$flavour")
((${#fragments[@]})) || exit 1
seed
configure
case $goal in
config) ;;
menuconfig) menuconfig ;;
build) build "$(basename "$(image_of "$flavour")")" ;;
package)
	# Without the package that has debug information.
	export LOCALVERSION=-seccomp-${flavour#package/}
	export DEB_BUILD_PROFILES=pkg.linux-upstream.nokerneldbg DEB_BUILD_OPTIONS=terse
	build bindeb-pkg
	;;
*) die "kernel.sh knows no goal $goal" ;;
esac
