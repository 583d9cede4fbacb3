#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Inside the guest: one kselftest program, from memory (a guest reads the
# host's files slowly, and Landlock does not hold on them).
#
# usage: selftest-guest.sh <directory of the programs> <program> [argument]...

set -euo pipefail

mkdir -p /dev/shm/selftest
cp -r "$1/." /dev/shm/selftest/
cd /dev/shm/selftest
shift
program=$1
shift
exec "./$program" "$@" 2>&1
