#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# QEMU as virtme-ng calls it, with the guest's console in $CONSOLE: for a guest
# that runs a command, virtme-ng sends it to /dev/null. With $MONITOR, QEMU's
# monitor is on a socket of that name. With $TRANSLATED, it writes to that file what
# code it translates, of the ranges in $TRANSLATED_RANGES.

monitor=()
[[ -z ${MONITOR:-} ]] ||
	monitor=(-chardev "socket,id=monitor,path=$MONITOR,server=on,wait=off" -mon "chardev=monitor")
translated=()
[[ -z ${TRANSLATED:-} ]] ||
	translated=(-d in_asm -dfilter "$TRANSLATED_RANGES" -D "$TRANSLATED")
exec qemu-system-x86_64 \
	"${@/#file,id=console,path=\/dev\/null/file,id=console,path=${CONSOLE:-/dev/null}}" "${monitor[@]}" "${translated[@]}"
