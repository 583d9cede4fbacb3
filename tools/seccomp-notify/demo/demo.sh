#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What make run shows, inside the guest.  The argument is where the programs are.

set -euo pipefail

programs=$1

implementation=C
if grep -q '^CONFIG_SECCOMP_NOTIFY_RUST=y' <(zcat /proc/config.gz); then
	implementation=Rust
fi
printf '\nLinux %s, user notification in %s\n\n' "$(uname -r)" "$implementation"

mkdir -p /dev/shm/demo
cp "$programs"/{demo,user-trap,user-trap-signaled,user-trap-launcher,user-trap-send-recv} /dev/shm/demo/
cd /dev/shm/demo
./demo

printf '\nA supervisor inside another: what it lets through, the one outside may deny.\n\n'
./demo nested

printf '\nA listener that is there before its target: nothing is sent, so anything may be\n'
printf 'trapped.\n\n'
./demo born

printf '\nsamples/seccomp/user-trap, as it is (a supervisor that mounts for a child\n'
printf 'that may not; it stops when RECV says that its last target is gone):\n\n'
status=0
./user-trap 2>&1 || status=$?
printf '\nuser-trap ended with status %d\n' "$status"
((status == 0))

printf '\nsamples/seccomp/user-trap-signaled (slow work, dropped when its target is\n'
printf 'signalled; without SECCOMP_USER_NOTIF_FD_SIGNALED nobody would know):\n\n'
./user-trap-signaled

printf '\nsamples/seccomp/user-trap-launcher (runs a command, and makes its listener first\n'
printf 'if the kernel can; the command cannot rename the machine, and does not notice):\n\n'
name=$(uname -n)
status=0
./user-trap-launcher sh -c 'hostname elsewhere && echo "it is renamed, but to $(uname -n)" && exit 3' 2>&1 || status=$?
printf '\nuser-trap-launcher ended with status %d, as the command did\n' "$status"
((status == 3))
[[ $(uname -n) == "$name" ]]

printf '\nThe same, when it is killed again and again, and another one takes over:\n\n'
./demo takeover ./user-trap-launcher "${TAKEOVERS:-30}"
[[ $(uname -n) == "$name" ]]

printf '\nsamples/seccomp/user-trap-send-recv (answers and receives in one call if the\n'
printf 'kernel can, for three targets that draw numbers):\n\n'
./user-trap-send-recv

printf '\nwarnings in the kernel log: %d\n' "$(dmesg | grep -cE 'WARNING:|BUG:|Oops' || true)"
