#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Log in on the console of a guest, and run a container there.

usage: console.py LOG RELEASE QEMU ARGUMENT...

Fails if the guest does not come to a login in time, is no RELEASE of the kernel, or
if the container was not what it has to be; see container.py. LOG gets the console.
"""

import os
import pty
import select
import subprocess
import sys
import time

# Debian starts slowly where it is emulated.
SECONDS = 900

PROMPT = "root@debian:~# "


def main():
    log, release, *command = sys.argv[1:]
    console, theirs = pty.openpty()
    guest = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    deadline = time.monotonic() + SECONDS
    said = ""

    # The answers are in words that the commands do not have, as these are echoed.
    dialogue = [
        ("login: ", "root\n"),
        (PROMPT, "echo running:$(uname -r):\n"),
        (f"running:{release}:", ""),
        (PROMPT, "python3 /root/container.py; poweroff\n"),
        ("container: answered\r", ""),
        ("reboot: Power down", ""),
    ]
    with open(log, "wb") as file:
        for wanted, answer in dialogue:
            while wanted not in said:
                left = max(0, deadline - time.monotonic())
                readable, _, _ = select.select([console], [], [], left)
                try:
                    piece = os.read(console, 4096) if readable else b""
                except OSError:  # the guest is gone
                    piece = b""
                if not piece:
                    guest.kill()
                    sys.exit(f"error: the guest did not say {wanted!r}; all it said is in {log}")
                file.write(piece)
                file.flush()
                said += piece.decode(errors="replace")
            said = said.partition(wanted)[2]
            os.write(console, answer.encode())
    guest.wait()
    print(f"{release}: login, container, power off")


main()
