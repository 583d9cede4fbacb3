#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# QEMU as virtme-ng calls it, with the guest's console in $CONSOLE: for a guest
# that runs a command, virtme-ng sends it to /dev/null. With $MONITOR, QEMU's
# monitor is on a socket of that name.

monitor=()
[[ -z ${MONITOR:-} ]] ||
	monitor=(-chardev "socket,id=monitor,path=$MONITOR,server=on,wait=off" -mon "chardev=monitor")
exec qemu-system-x86_64 \
	"${@/#file,id=console,path=\/dev\/null/file,id=console,path=${CONSOLE:-/dev/null}}" "${monitor[@]}"
