#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Work out what the tree looks like after each patch of the sets.

usage: series.py SERIES BASE STAGE OUT [PATCH]

SERIES has a directory N-name for each set, and in there a file NN-name.msg for
each patch, both in order: the subject, a blank line, the reasons, and at the
end the paths it touches:

    Files:
    rust/kernel/fs/anon_inode.rs
    rust/kernel/fs.rs
    rust/kernel/lib.rs /anon_inode/
    rust/Makefile lines /seccomp/

A path is the kernel's, without ".patch".

The project has the last state of each file only. What it was before comes in
two ways. Up to the first patch that has a NN-name.diff beside its message, the
changes to a file are told apart by what they say: /REGEX/ takes each change (a
run of lines that are next to each other) in which a line matches, "lines
/REGEX/" takes the matching lines alone out of a run that only adds. A path
without either takes all that no patch before it took.

From there on, the patches are taken back, the last one first. The diff is what
the patch does to files that earlier patches have made; a path under "Files:" is
whole: its patch is the only one that touches it. The "Files:" may be missing
then.

OUT gets a directory for each patch, SET/NNNN: "message", and "tree" with each
file of the patch as it is then. Whatever belongs to no patch is an error, and
so is a diff that does not fit, whose patch OUT/misfit then names. With PATCH, a
SET/NN-name, OUT/tree is the tree after that, and there is nothing else.
"""

import pathlib
import re
import shutil
import subprocess
import sys


class Change:
    """At line `at` of the base file, `removed` lines become `added`."""

    def __init__(self, at, removed, added):
        self.at, self.removed, self.added = at, removed, added
        self.patch = None

    def lines(self):
        return self.removed + self.added


class Patch:
    """A message, the paths that it names, and its diff if it has one."""

    def __init__(self, msg):
        self.msg = msg
        self.name = f"{msg.parent.name}/{msg.stem}"
        self.diff = msg.with_suffix(".diff")
        text, _, files = msg.read_text().partition("\nFiles:\n")
        subject, blank, body = (text.split("\n", 2) + ["", ""])[:3]
        if not subject or blank or not body.strip():
            die(f"{self.name}.msg is no message", "a subject, a blank line, and the reasons")
        self.message = text.strip() + "\n"
        self.entries = [line.strip() for line in files.splitlines() if line.strip()]
        if not self.entries and not self.diff.exists():
            die(
                f"{self.name}.msg has no list of files, and there is no diff",
                'end it with a line "Files:" and the paths',
            )


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


def touched_by(diff):
    """The paths that a diff names."""
    return re.findall(r"^\+\+\+ b/(\S+)", diff.read_text(), re.M)


def save(out, number, patch, tree, paths):
    """Write a patch's directory: its message, and `paths` as they are in `tree`."""
    target = out / patch.msg.parent.name / f"{number:04}"
    for path in paths:
        (target / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (target / "tree" / path).write_text(tree(path))
    (target / "message").write_text(patch.message)


def failures(said):
    """What patch(1) says of hunks that fail, each with its file."""
    found, path = [], ""
    for line in said.splitlines():
        if line.startswith("checking file "):
            path = line.removeprefix("checking file ")
        elif re.match(r"Hunk #.* FAILED|patch: ", line):
            found.append(f"{path}: {line}")
    return found


def take_back(patch, base, tree, out, number):
    """Make of `tree` what it was before the patch, and save what it was after."""
    changed = touched_by(patch.diff) if patch.diff.exists() else []
    for path in patch.entries:
        if not (tree / path).exists():
            die(
                f"{patch.name}.msg names {path}",
                "there is no such source then; after the first patch with a diff, a path is whole",
            )
    save(out, number, patch, lambda path: (tree / path).read_text(), changed + patch.entries)

    for path in patch.entries:
        (tree / path).unlink()
        if (base / path).exists():
            shutil.copyfile(base / path, tree / path)
    if not changed:
        return
    command = ["patch", "-R", "-p1", "-F0", "--dry-run", "-d", str(tree), "-i", str(patch.diff)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    if result.returncode:
        (out / "misfit").write_text(patch.name)
        die(
            f"{patch.name}.diff does not fit the project's sources any more:",
            *failures(result.stdout),
            "make it fit with: tools/seccomp-notify/series/series.sh mend",
        )
    command.remove("--dry-run")
    subprocess.run(command + ["-s", "--no-backup-if-mismatch"], check=True)


def split_up(patches, base, stage, out):
    """Tell the changes of a file apart, for the patches without a diff."""
    paths = sorted(str(p.relative_to(stage)) for p in stage.rglob("*") if p.is_file())
    files = {path: changes(base / path, stage / path) for path in paths}

    for number, patch in enumerate(patches, 1):
        touched = []
        for entry in patch.entries:
            match = re.fullmatch(r"(\S+)(?:\s+(lines\s+)?/(.*)/)?", entry)
            path = match.group(1) if match else entry
            if path not in files:
                die(f"{patch.name}.msg names {entry}", "the project has no such source then")
            if match.group(2):
                files[path] = split_lines(files[path], match.group(3))
            taken = [
                change
                for change in files[path]
                if change.patch is None
                and (match.group(3) is None or any(re.search(match.group(3), x) for x in change.lines()))
            ]
            if not taken:
                die(f"{patch.name}.msg: nothing is left in {path} for {entry}")
            for change in taken:
                change.patch = number
            touched.append(path)
        save(out, number, patch, lambda path: state(base / path, files[path]), touched)

    left = [path for path, found in files.items() if any(c.patch is None for c in found)]
    if left:
        die("in no patch of the series: " + " ".join(left), "name them in a message of a set")


def main():
    series, base, stage, out = map(pathlib.Path, sys.argv[1:5])
    wanted = sys.argv[5] if len(sys.argv) > 5 else None
    patches = [Patch(msg) for msg in sorted(series.glob("[0-9]*/[0-9]*.msg"))]
    if not patches:
        die(f"there is no message in {series}")
    first = next((i for i, patch in enumerate(patches) if patch.diff.exists()), len(patches))

    tree = out / "tree"
    shutil.copytree(stage, tree)
    for number in range(len(patches), first, -1):
        if patches[number - 1].name == wanted:
            return
        take_back(patches[number - 1], base, tree, out, number)
    if wanted:
        die(f"{wanted} is no patch with a diff", "it is SET/NN-name, as in the messages' paths")
    split_up(patches[:first], base, tree, out)
    shutil.rmtree(tree)


main()
