#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print what is wrong with the lab's job, as far as can be told without LAVA.

usage: check.py DIRECTORY

DIRECTORY has job.yaml, lab.sh, which fills it in, and init, whose output the job
reads.
"""

import pathlib
import re
import sys

import yaml

# What LAVA reads off a console, whose line breaks QEMU's terminal adds to: nothing
# of it may depend on where one read ends and the next one begins.
CONSOLE = """\
TAP version 13
1..3
# selftests: seccomp: notify_a_test
# TAP version 13
# 1..5
# # ok 1 said.by_a_test
# ok 1 fixture.passes
# not ok 2 fixture.fails
# ok 3 fixture.looks_up # SKIP no such thing
# ok 4 fixture.cannot # XFAIL C does not
# ok 5 fixture.can_now # XPASS C does not
# # Totals: pass:2 fail:1 xfail:1 xpass:1 skip:1 error:0
not ok 1 selftests: seccomp: notify_a_test # exit=1
not ok 2 selftests: seccomp: notify_b_test # TIMEOUT 180 seconds
ok 3 selftests: seccomp: notify_c_test # SKIP
# Totals: pass:0 fail:2 xfail:0 xpass:0 skip:1 error:0
"""

RESULTS = [
    ("fixture.passes", "pass"),
    ("fixture.fails", "fail"),
    ("fixture.looks_up", "skip"),
    ("fixture.cannot", "pass"),
    ("fixture.can_now", "fail"),
    ("selftests: seccomp: notify_a_test", "fail"),
    ("selftests: seccomp: notify_b_test", "fail"),
    ("selftests: seccomp: notify_c_test", "skip"),
]

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


def seconds(timeout):
    (unit, number), = timeout.items()
    return UNITS[unit] * number


def shape(job):
    """What LAVA requires of a job, of what there is in this one."""
    for key in ("job_name", "device_type", "timeouts", "visibility", "context", "actions"):
        if key not in job:
            yield f"there is no {key}"
            return
    if "arch" not in job["context"]:
        yield "the context has no arch, which QEMU needs"
    if [name for action in job["actions"] for name in action] != ["deploy", "boot", "test"]:
        yield "the actions are not deploy, boot, test"
        return
    limit = seconds(job["timeouts"]["job"])
    deploy, boot, test = (value for action in job["actions"] for value in action.values())
    timeouts = [job["timeouts"].get("action"), *(a.get("timeout") for a in (deploy, boot, test))]
    for timeout in timeouts:
        if timeout and seconds(timeout) > limit:
            yield f"a timeout is longer than the job's: {timeout}"
    for name, image in deploy["images"].items():
        if set(image) != {"url", "sha256sum", "image_arg"}:
            yield f"{name} has no url, sha256sum and image_arg, or more than these"
        elif re.findall(r"\{(\w+)\}", image["image_arg"]) != [name]:
            yield f"{name} is not what its image_arg names"
    if boot["method"] != "qemu":
        yield "it is not QEMU that boots"
    if len(test["monitors"]) != 1:
        yield "there is not one monitor"
        return
    monitor = test["monitors"][0]
    if set(monitor) != {"name", "start", "end", "pattern", "fixupdict"}:
        yield "the monitor has no name, start, end, pattern and fixupdict, or more than these"
        return
    if not re.fullmatch(r"[-\w.]+", monitor["name"]):
        yield f"{monitor['name']} is no name for LAVA"
    for verdict in monitor["fixupdict"].values():
        if verdict not in ("pass", "fail", "skip", "unknown"):
            yield f"{verdict} is no verdict of LAVA's"


def results(monitor, console):
    """What the monitor makes of a console that is read a piece at a time, as LAVA does."""
    pattern = re.compile(monitor["pattern"], re.DOTALL)
    unread = console
    buffer = ""
    while unread:
        buffer, unread = buffer + unread[:7], unread[7:]
        while match := pattern.search(buffer):
            buffer = buffer[match.end():]
            yield match["test_case_id"].strip(), monitor["fixupdict"].get(match["result"])


def reading(monitor, init):
    """Whether what is printed is what is read."""
    said = re.findall(r"echo ['\"](.*)['\"]$", init, re.MULTILINE)
    ends = [line for line in said if line.endswith("with status $status")]
    if len(ends) != 1:
        yield "init does not say how it ended"
        return
    last = ends[0].replace("$status", "1")
    about_kernel = [line for line in said if "ok 1" in line]
    name = "the kernel has nothing to complain of"
    if not re.search(monitor["start"], CONSOLE):
        yield "the monitor does not see the start"
    if not re.search(monitor["end"], last):
        yield f"the monitor does not see the end: {last}"
    for lines in ("\r\n", "\r\r\n"):
        console = "\n".join([CONSOLE + about_kernel[0], about_kernel[1], last, ""])
        if re.search(monitor["end"], console.removesuffix(last + "\n")):
            yield "the monitor sees the end before it is there"
        seen = list(results(monitor, console.replace("\n", lines)))
        if seen != [*RESULTS, (name, "pass"), (name, "fail")]:
            yield f"the monitor reads {seen}"


def main():
    lab = pathlib.Path(sys.argv[1])
    text = (lab / "job.yaml").read_text()
    blanks = set(re.findall(r"@\w+@", text))
    filled = set(re.findall(r"@\w+@", (lab / "lab.sh").read_text()))
    if blanks != filled:
        print(f"lab.sh fills in {sorted(filled)}, and the job has {sorted(blanks)}")
    try:
        job = yaml.safe_load(text)
    except yaml.YAMLError as error:
        print(f"job.yaml is no YAML: {error}")
        return
    wrong = list(shape(job))
    if not wrong:
        wrong = list(reading(job["actions"][2]["test"]["monitors"][0], (lab / "init").read_text()))
    for line in wrong:
        print(line)


main()
