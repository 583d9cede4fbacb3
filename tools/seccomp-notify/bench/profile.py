#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Where the instructions of a round trip go, by function of the kernel.

Has QEMU step through a guest that does nothing but round trips, and counts the
instructions that it executes in each function between one occurrence of a
function, the marker, and the next.

usage: profile.py trace <monitor socket> <log file>   (steps for some seconds)
       profile.py table <figure> <file for the areas> \\
               <title>:<vmlinux>:<log file>:<marker>[/<times>]...
"""

import bisect
import collections
import os
import re
import socket
import subprocess
import sys
import time

# Enough for hundreds of round trips.
TRACE_BYTES = 60 << 20

# "Trace 0: <host address> [<cs base>/<guest address>/<flags>/<cflags>] <symbol>"
STEP = re.compile(rb"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/")


# What the functions are for. Whatever is in none of these is the rest: two context
# switches, and the entry to the system calls.
AREAS = [
    ("the filter, the notification, wake-ups and locks",
     r"seccomp|bpf_prog|__wake_up|autoremove_wake|complete|wait_for|prepare_to_wait|finish_wait"
     r"|mutex_|_raw_spin|task_pid_nr_ns|wake_up_process|schedule_timeout"),
    ("`ioctl()`, or `read()` and `write()`", r"ioctl|security_|fdget|eventfd|vfs_|ksys_|rw_verify"),
    ("copies and checks of what userspace passes", r"copy_|rep_movs|check_zeroed_user|_iter"),
]
REST = "scheduler, two switches, system call entry, userspace"


def trace(monitor, log):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(monitor)

        def command(text):
            sock.sendall(text.encode() + b"\n")
            time.sleep(0.2)

        # What steps by instruction has had two names.
        command("singlestep on")
        command("one-insn-per-tb on")
        command(f"logfile {log}")
        command("log nochain,exec")
        while not os.path.exists(log) or os.path.getsize(log) < TRACE_BYTES:
            time.sleep(0.2)
        command("log none")
        command("quit")


def symbols(vmlinux):
    nm = subprocess.run(["llvm-nm-" + os.environ.get("LLVM_VERSION", "22"), "-nC", vmlinux],
                        check=True, capture_output=True, text=True)
    found = []
    for line in nm.stdout.splitlines():
        address, kind, name = line.split(maxsplit=2)
        if kind in "tTwW" and int(address, 16) >> 63:
            found.append((int(address, 16), name))
    return found


def profile(vmlinux, log, marker):
    marker, _, times = marker.partition("/")
    table = symbols(vmlinux)
    starts = [address for address, _ in table]
    counts = collections.Counter()
    with open(log, "rb") as lines:
        for line in lines:
            if step := STEP.match(line):
                counts[int(step.group(1), 16)] += 1
    begin = next(address for address, name in table if name == marker)
    trips = counts[begin] / int(times or 1)
    if not trips:
        sys.exit(f"profile.py: {marker} was never called, see {log}")
    functions = collections.Counter()
    for address, count in counts.items():
        if not address >> 63:
            functions["(userspace)"] += count
            continue
        index = bisect.bisect_right(starts, address) - 1
        functions[table[index][1] if index >= 0 else "?"] += count
    return {name: count / trips for name, count in functions.items()}


def table(figure, areas, columns):
    titles, profiles = [], []
    for column in columns:
        title, vmlinux, log, marker = column.split(":")
        titles.append(title)
        profiles.append(profile(vmlinux, log, marker))
    names = sorted(set().union(*profiles), key=lambda n: -max(p.get(n, 0) for p in profiles))
    print("".join(f"{title:>10}" for title in titles) + "  function")
    for name in names:
        if max(p.get(name, 0) for p in profiles) >= 0.95:
            print("".join(f"{p.get(name, 0):>10.1f}" for p in profiles) + f"  {name}")
    print("".join(f"{sum(p.values()):>10.1f}" for p in profiles) + "  in all")
    write_areas(figure, areas, titles, profiles)


def area_of(name):
    return next((area for area, pattern in AREAS if re.search(pattern, name)), REST)


def write_areas(figure, path, titles, profiles):
    lines = [f"Where the instructions of `{figure}` are:", "",
             f"| where | {' | '.join(titles)} |", "| --- |" + " ---: |" * len(titles)]
    for area in [REST, *(area for area, _ in AREAS), "in all"]:
        sums = [sum(count for name, count in functions.items() if area in ("in all", area_of(name)))
                for functions in profiles]
        lines.append(f"| {area} | {' | '.join(f'{total:,.0f}' for total in sums)} |")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["trace"] and len(sys.argv) == 4:
        trace(sys.argv[2], sys.argv[3])
    elif sys.argv[1:2] == ["table"] and len(sys.argv) > 4:
        table(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        sys.exit(__doc__)
