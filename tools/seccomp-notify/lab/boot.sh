#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots a kernel as a lab does, on that root file system and nothing of this machine,
# and runs a command: for an architecture that this machine's programs are not for.
#
# usage: boot.sh [option]... <root file system> <command>
#
#   --flavour F    the kernel
#   --console F    what the kernel says goes to file F
#   --cpus N, --memory M
#   --icount       with a clock that counts instructions, see vm.sh
#   --timeout S    the guest is ended after S seconds, with status 124
#
# The exit status is the command's; 255 if the guest died before it ended.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

flavour=$(flavour_of)
cpus=2		# unless instructions are counted
console=$LOG/console.log
memory=
timeout=0
options=()
while [[ ${1:-} == --* ]]; do
	case $1 in
	--icount)
		options+=(-icount "shift=0,sleep=off")
		cpus=1
		shift
		continue
		;;
	--memory) memory=$2 ;;
	--flavour) flavour=$2 ;;
	--console) console=$2 ;;
	--cpus) cpus=$2 ;;
	--timeout) timeout=$2 ;;
	*) die "boot.sh knows no option $1" ;;
	esac
	shift 2
done
root=$1
command=$2
append="console=$(console_of "$flavour") ignore_loglevel panic=-1"
case $flavour in
debug-*)
	append+=" $DEBUG_ARGS"
	;;
esac
[[ $flavour != *@(debug|kcsan)-* ]] || memory=${memory:-2G}

said=$(mktemp "$LOG/lab.XXXXXX")
trap 'rm -f "$said"' EXIT
mapfile -t qemu < <(qemu_of "$flavour" | tr ' ' '\n')
take_lock
status=0
# The guest's second terminal is for what the command prints.
timeout --foreground -k 5 "$timeout" "${qemu[@]}" "${options[@]}" -smp "$cpus" -m "${memory:-1G}" -display none \
	-no-reboot -net none -monitor none -serial "file:$console" \
	-device virtio-serial-pci -chardev stdio,id=said,signal=off -device virtconsole,chardev=said \
	-kernel "$(image_of "$flavour")" -initrd "$root" \
	-append "$append COMMAND=\"$command\" OUTPUT=/dev/hvc0" \
	< /dev/null | sed -u 's/\r$//' | tee "$said" | sed -u '/^ended with status [0-9]*$/d' || status=$?
((status == 0)) || exit "$status"
status=$(sed -n 's/^ended with status \([0-9]*\)$/\1/p' "$said")
exit "${status:-255}"
