#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside the guest: the installed selftests, by their own runner, from memory (a
# guest reads the host's files slowly, and Landlock does not hold on them).
#
# usage: selftest-guest.sh <where they are> <argument of run_kselftest.sh>...

set -euo pipefail

cp -r "$1" /dev/shm/kselftest
cd /dev/shm/kselftest
shift
exec ./run_kselftest.sh "$@" 2>&1
