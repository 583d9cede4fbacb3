#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# With the option off, kernel/seccomp.c compiles to what the base's own does:
# both are compiled with the command that built the C kernel, and what they
# hold is compared.  Only sections that record line numbers may differ.
#
# usage: same-object.sh <flavour>

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

flavour=${1:-c}
out=$BUILD/$flavour
cmd=$out/kernel/.seccomp.o.cmd
work=$BUILD/test/object

[[ -e $cmd ]] || die "there is no $cmd" "build the kernel: make kernel IMPL=c"
command=$(sed -n 's/^savedcmd_kernel\/seccomp\.o := //p; s/^cmd_kernel\/seccomp\.o := //p' "$cmd" | head -n 1)
# Make's escapes, and what follows the compiler (objtool and the like).
command=${command//\$\$/\$}
command=${command//\$(pound)/#}
compile=${command%% ; *}
[[ $compile == *' -c -o '* ]] || die "the command in $cmd is not the compiler's" "$compile"

rm -rf "$work"
mkdir -p "$work"
# The source's path is all that differs: -o and the source come last.
flags=${compile% -c -o *}
# Both files see the patched tree's headers, as the kernel does.
for which in base ours; do
	tree=$LINUX
	[[ $which == ours ]] || tree=$BASE
	cp "$tree/kernel/seccomp.c" "$work/seccomp.c"
	(cd "$out" && eval "$flags -I$LINUX/kernel -c -o $work/$which.o $work/seccomp.c")
done

compare() {
	local status=0 section what
	local -a sections

	mapfile -t sections < <("$(llvm llvm-readelf)" -SW "$work/base.o" "$work/ours.o" |
		sed -n 's/^ *\[ *[0-9]*\] *\([^ ]*\) *PROGBITS.*/\1/p' | sort -u)
	for section in "${sections[@]}"; do
		case $section in
		# Line numbers of WARN() and of lockdep's annotations.
		__bug_table | .debug* | .comment | .llvm_addrsig) continue ;;
		esac
		for what in base ours; do
			"$(llvm llvm-objcopy)" -O binary --only-section="$section" --set-section-flags "$section=alloc" \
				"$work/$what.o" "$work/$what.bin" 2> /dev/null || : > "$work/$what.bin"
		done
		if cmp -s "$work/base.bin" "$work/ours.bin"; then
			printf 'same: %s\n' "$section"
		else
			printf 'differs: %s\n' "$section"
			status=1
		fi
	done
	# Bytes leave relocations out: what calls what is in the disassembly.
	for what in base ours; do
		"$(llvm llvm-objdump)" -dr --no-addresses --no-show-raw-insn "$work/$what.o" |
			sed 1,3d > "$work/$what.s"
	done
	diff -u "$work/base.s" "$work/ours.s" > "$work/diff" || {
		echo "the disassembly differs, see $work/diff"
		status=1
	}
	return "$status"
}

compare || die "with the option off, kernel/seccomp.c does not compile to the base's object code" \
	"the objects are in $work"
