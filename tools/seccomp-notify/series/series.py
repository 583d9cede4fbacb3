#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Work out what the tree looks like after each patch of the series.

usage: series.py SERIES BASE STAGE OUT

SERIES has a file NN-name.msg for each patch, in order: the subject, a blank
line, the reasons, and at the end the paths it touches:

    Files:
    rust/kernel/fs/anon_inode.rs
    rust/kernel/fs.rs
    rust/kernel/lib.rs /anon_inode/
    rust/Makefile lines /seccomp/

A path is the kernel's, without ".patch".  A file that several patches touch
is told apart by what the changes say: /REGEX/ takes each change (a run of
lines that are next to each other) in which a line matches, "lines /REGEX/"
takes the matching lines alone out of a run that only adds.  A path without
either takes all that no patch before it took.

OUT gets a directory for each patch: "message", and "tree" with each file of
the patch as it is then.  Whatever belongs to no patch is an error.
"""

import pathlib
import re
import subprocess
import sys


class Change:
    """At line `at` of the base file, `removed` lines become `added`."""

    def __init__(self, at, removed, added):
        self.at, self.removed, self.added = at, removed, added
        self.patch = None

    def lines(self):
        return self.removed + self.added


def die(*lines):
    print("error: " + "\n       ".join(lines), file=sys.stderr)
    sys.exit(1)


def read(path):
    return path.read_text().splitlines(keepends=True) if path.exists() else []


def changes(base, stage):
    """The changes of a file, as diff(1) sees them."""
    if not base.exists():
        return [Change(0, [], read(stage))]
    diff = subprocess.run(
        ["diff", "-U0", str(base), str(stage)], stdout=subprocess.PIPE, check=False, text=True
    ).stdout
    found = []
    for line in diff.splitlines(keepends=True):
        match = re.match(r"@@ -(\d+)(?:,(\d+))? \+", line)
        if match:
            # With no line removed, diff names the line before.
            at = int(match.group(1)) - (1 if match.group(2) != "0" else 0)
            found.append(Change(at, [], []))
        elif not found:
            continue
        elif line[0] == "-":
            found[-1].removed.append(line[1:])
        elif line[0] == "+":
            found[-1].added.append(line[1:])
    return found


def split_lines(found, regex):
    """Make a change of its own of each run of added lines that match."""
    out = []
    for change in found:
        if change.patch is not None or change.removed:
            out.append(change)
            continue
        for line in change.added:
            hit = bool(re.search(regex, line))
            if out and out[-1].at == change.at and getattr(out[-1], "hit", None) == hit:
                out[-1].added.append(line)
            else:
                part = Change(change.at, [], [line])
                part.hit = hit
                out.append(part)
    return out


def state(base, found):
    """The file with the changes that a patch has taken so far."""
    lines = read(base)
    out, at = [], 0
    for change in found:
        if change.patch is None:
            continue
        out += lines[at : change.at] + change.added
        at = max(at, change.at) + len(change.removed)
    return "".join(out + lines[at:])


def parse(msg):
    text = msg.read_text()
    if "\nFiles:\n" not in text:
        die(f"{msg.name} has no list of files", 'end it with a line "Files:" and the paths')
    message, files = text.split("\nFiles:\n", 1)
    subject, blank, body = (message.split("\n", 2) + ["", ""])[:3]
    if not subject or blank or not body.strip():
        die(f"{msg.name} is no message", "a subject, a blank line, and the reasons")
    return message.strip() + "\n", [line.strip() for line in files.splitlines() if line.strip()]


def main():
    series, base, stage, out = map(pathlib.Path, sys.argv[1:])
    paths = sorted(str(p.relative_to(stage)) for p in stage.rglob("*") if p.is_file())
    files = {path: changes(base / path, stage / path) for path in paths}

    messages = sorted(series.glob("[0-9]*.msg"))
    if not messages:
        die(f"there is no message in {series}")
    for number, msg in enumerate(messages, 1):
        message, entries = parse(msg)
        target = out / f"{number:04}"
        touched = []
        for entry in entries:
            match = re.fullmatch(r"(\S+)(?:\s+(lines\s+)?/(.*)/)?", entry)
            path = match.group(1) if match else entry
            if path not in files:
                die(f"{msg.name} names {entry}", "the project has no such source of the kernel")
            if match.group(2):
                files[path] = split_lines(files[path], match.group(3))
            taken = [
                change
                for change in files[path]
                if change.patch is None
                and (match.group(3) is None or any(re.search(match.group(3), x) for x in change.lines()))
            ]
            if not taken:
                die(f"{msg.name}: nothing is left in {path} for {entry}")
            for change in taken:
                change.patch = number
            touched.append(path)
        for path in touched:
            (target / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
            (target / "tree" / path).write_text(state(base / path, files[path]))
        (target / "message").write_text(message)

    left = [path for path, found in files.items() if any(c.patch is None for c in found)]
    if left:
        die("in no patch of the series: " + " ".join(left), f"name them in a message of {series}")


main()
