#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# QEMU as virtme-ng calls it, with the guest's console in $CONSOLE: for a guest
# that runs a command, virtme-ng sends it to /dev/null.

exec qemu-system-x86_64 \
	"${@/#file,id=console,path=\/dev\/null/file,id=console,path=${CONSOLE:-/dev/null}}"
