#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots a kernel that was built here, on the host's files (read only; /tmp,
# /etc, /usr and the like can be written, and forget), and runs a command or a
# shell in it, as root.
#
# usage: vm.sh [option]... exec <command>
#        vm.sh [option]... shell
#
#   --flavour F    the kernel (rust; or $IMPL and $DEBUG)
#   --rw DIR       DIR is writable inside, and stays written (repeatable)
#   --console F    what the kernel says goes to file F
#   --cpus N, --memory M, --append ARG
#   --pin N        all of the guest runs on N of the CPUs that there are
#   --icount       emulated, with a clock that counts instructions, 1 ns each; with
#                  several CPUs they take turns
#   --gdb          the guest waits for gdb, which attaches to it at port 1234
#   --timeout S    the guest is ended after S seconds, with status 124
#
# The exit status is the command's; 255 if the guest died before it ended.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

flavour=$(flavour_of)
cpus=$(nproc)
((cpus <= 4)) || cpus=4
((cpus >= 2)) || cpus=2
memory=1G
timeout=0
console=$LOG/console.log
options=()
icount=
gdb=
pin=

while (($#)); do
	case $1 in
	--icount) icount=1; cpus=1; shift; continue ;;
	--gdb) options+=("--qemu-opts=-s -S"); gdb=1; shift; continue ;;
	--flavour) flavour=$2 ;;
	--rw) options+=("--rwdir=$(cd "$2" && pwd -P)") ;;
	--console) console=$(readlink -m "$2") ;;
	--cpus) cpus=$2 ;;
	--memory) memory=$2 ;;
	--pin) pin=$2 ;;
	--append) options+=("--append=$2") ;;
	--timeout) timeout=$2 ;;
	exec | shell) break ;;
	*) die "vm.sh knows no option $1" ;;
	esac
	shift 2
done
action=${1:-shell}
command=${2:-}
image=$(image_of "$flavour")
[[ -e $image ]] || die "there is no $image" "build it: make kernel IMPL=${flavour##*-}${DEBUG:+ DEBUG=$DEBUG}"
[[ $flavour != @(debug|kcsan)-* ]] || memory=2G

# KVM may be there and not work.  Believe only a guest that came up with it.
probe_kvm() {
	local answer=$BUILD/kvm.works
	if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
		return 1
	fi
	if [[ ! -e $answer ]]; then
		say "trying whether KVM works here (20 seconds at most; the answer is kept in $answer)"
		if timeout -k 2 20 "${vng[@]}" --cpus 2 --memory 512M --exec 'true' \
			< /dev/null > "$LOG/kvm.log" 2>&1; then
			echo yes > "$answer"
		else
			echo no > "$answer"
		fi
	fi
	[[ $(cat "$answer") == yes ]]
}

# first_cpus <N>: the first N of the CPUs that this process may run on
first_cpus() {
	taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
		awk -F- -v n="$1" '{ for (cpu = $1; cpu <= $NF && n; cpu++) { print cpu; n-- } }' |
		paste -sd,
}

take_lock
PATH=$BUILD/venv/bin:$PATH	# vng calls its own virtme-run
vng=(vng --run "$image" --user root)
if [[ -n $icount ]]; then
	vng+=(--disable-kvm "--qemu-opts=-icount shift=0,sleep=off")
else
	probe_kvm || vng+=(--disable-kvm)
fi
vng+=(--cpus "$cpus" --memory "$memory" "${options[@]}")
[[ $flavour != debug-* ]] || vng+=("--append=$DEBUG_ARGS")
[[ -z $gdb ]] || say "the guest waits for gdb: gdb -ex 'target remote :1234' $BUILD/$flavour/vmlinux"

if [[ $action == shell ]]; then
	[[ -t 0 ]] || die "a shell in the guest needs a terminal" "use make exec CMD='...' instead"
	exec "${vng[@]}"
fi

# The kernel's messages go to a file, so that the command's output is its own.
mkdir -p "$(dirname "$console")"
: > "$console"
export CONSOLE=$console
vng+=(--append=ignore_loglevel "--qemu=$TOOLS/vm/qemu.sh")

mkdir -p "$BUILD/vm"
script=$(mktemp "$BUILD/vm/command.XXXXXX")
trap 'rm -f "$script"' EXIT
{
	printf 'cd %q\n' "$PWD"
	printf 'export TERM=%q HOME=/root\n' "${TERM:-dumb}"
	printf '%s\n' "$command"
} > "$script"

((timeout == 0)) || vng=(timeout -k 5 "$timeout" "${vng[@]}")
[[ -z $pin ]] || vng=(taskset -c "$(first_cpus "$pin")" "${vng[@]}")

# QEMU opens its output anew, which would empty a file: give it pipes.
status=0
if ((timeout)); then
	# timeout(1) has all below it in a process group of its own, which it ends as a
	# whole. The terminal would stop that group if it read, and sends it no ^C.
	"${vng[@]}" --exec "bash $script" < /dev/null 2> >(cat >&2) | cat &
	# Who called this ends by a ^C only if this does.
	trap 'kill "$(jobs -p)"; wait; trap - INT; kill -INT $$' INT
	wait %1 || status=$?
else
	stdin=/dev/null
	[[ ! -t 0 ]] || stdin=/dev/stdin
	"${vng[@]}" --exec "bash $script" < "$stdin" 2> >(cat >&2) | cat || status=$?
fi
if ((status == 255)) && [[ ! -s $console || $(tail -c 4000 "$console") == *'Kernel panic'* ]]; then
	tail -n 40 "$console" >&2 || true
	say "the guest died; all it said is in $console"
fi
exit "$status"
