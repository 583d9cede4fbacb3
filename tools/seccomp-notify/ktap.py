#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Count the results in KTAP output.

usage: ktap.py [--nested] [--match REGEX] FILE

Prints one line "<passed> <failed> <skipped>", then one line for each test
that is worth naming: "failed: <name>", "expected: <name>" (XFAIL, counted as
passed), "skipped: <name>", "broken: <what is wrong>" (counted as failed).

A plan that is missing, or longer than its results, is broken.  With --nested
the leaves count, not the suites they belong to.  With --match only results
whose name matches count, and it is broken if none does.
"""

import argparse
import re
import sys

STAMP = re.compile(r"^\[\s*\d+\.\d+\](\[[^]]*\])? ?")
PLAN = re.compile(r"^( *)1\.\.(\d+)")
RESULT = re.compile(r"^( *)(ok|not ok) (\d+) ?(?:- )?(.*)$")
SUBTEST = re.compile(r"^( *)# Subtest: (.*)$")


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []

    def result(self, good, name, directive):
        if directive.startswith("SKIP"):
            self.skipped += 1
            self.notes.append(f"skipped: {name} {directive[4:].strip()}".rstrip())
        elif directive.startswith("XFAIL"):
            self.passed += 1
            self.notes.append(f"expected: {name} {directive[5:].strip()}".rstrip())
        elif good:
            self.passed += 1
        else:
            self.failed += 1
            self.notes.append(f"failed: {name}")

    def broken(self, what):
        self.failed += 1
        self.notes.append(f"broken: {what}")


def results(lines, nested):
    """Yield (good, name, directive) for what counts; strings for what is broken."""
    plans = {}  # indentation: [planned, seen]
    planned = False
    suites = {}
    deeper = {}  # indentation: results came at a deeper one since the last here

    def close(depth):
        for level in sorted(d for d in plans if d >= depth):
            want, seen = plans.pop(level)
            if seen < want:
                yield f"{want - seen} of {want} planned results are missing after {suites.get(level, 'the last one')}"

    for line in lines:
        line = STAMP.sub("", line.rstrip("\r\n"))
        match = SUBTEST.match(line)
        if match:
            suites[len(match.group(1))] = match.group(2)
            continue
        match = PLAN.match(line)
        if match:
            depth = len(match.group(1))
            if depth and not nested:
                continue
            yield from close(depth)
            plans[depth] = [int(match.group(2)), 0]
            planned = True
            continue
        match = RESULT.match(line)
        if not match:
            continue
        depth = len(match.group(1))
        if depth and not nested:
            continue
        yield from close(depth + 1)
        if depth in plans:
            plans[depth][1] += 1
        leaf = not deeper.pop(depth, False)
        for shallower in [d for d in range(0, depth, 4)]:
            deeper[shallower] = True
        name, _, directive = match.group(4).partition(" # ")
        if match.group(4).startswith("# "):
            name, directive = "", match.group(4)[2:]
        if leaf:
            suite = suites.get(depth, "") if nested else ""
            yield (match.group(2) == "ok", f"{suite}.{name}".lstrip("."), directive.strip())
        if not nested and depth == 0:
            suites[0] = name
    yield from close(0)
    if not planned:
        yield "there is no plan"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nested", action="store_true")
    parser.add_argument("--match", default="")
    parser.add_argument("file")
    args = parser.parse_args()

    counts = Counts()
    seen = 0
    with open(args.file, errors="replace") as file:
        for result in results(file, args.nested):
            if isinstance(result, str):
                counts.broken(result)
            elif re.search(args.match, result[1]):
                seen += 1
                counts.result(*result)
    if not seen and not counts.failed:
        counts.broken("there is no result" + (f" that matches {args.match}" if args.match else ""))
    print(counts.passed, counts.failed, counts.skipped)
    for note in counts.notes:
        print(note)


if __name__ == "__main__":
    sys.exit(main())
