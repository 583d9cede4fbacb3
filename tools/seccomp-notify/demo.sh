#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What make run shows, inside the guest.  The argument is where the programs are.

set -euo pipefail

programs=$1

implementation=C
if zcat /proc/config.gz | grep -q '^CONFIG_SECCOMP_NOTIFY_RUST=y'; then
	implementation=Rust
fi
printf '\nLinux %s, user notification in %s\n\n' "$(uname -r)" "$implementation"

mkdir -p /dev/shm/demo
cp "$programs"/{demo,user-trap,user-trap-signaled} /dev/shm/demo/
cd /dev/shm/demo
./demo

printf '\nsamples/seccomp/user-trap, as it is (a supervisor that mounts for a child\n'
printf 'that may not; it stops when RECV says that its last target is gone):\n\n'
status=0
./user-trap 2>&1 || status=$?
printf '\nuser-trap ended with status %d\n' "$status"
((status == 0))

printf '\nsamples/seccomp/user-trap-signaled (slow work, dropped when its target is\n'
printf 'signalled; without SECCOMP_USER_NOTIF_FD_SIGNALED nobody would know):\n\n'
./user-trap-signaled

printf '\nwarnings in the kernel log: %d\n' "$(dmesg | grep -cE 'WARNING:|BUG:|Oops' || true)"
