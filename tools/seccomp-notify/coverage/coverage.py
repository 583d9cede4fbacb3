#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which lines of the implementation were executed.

lines: from "llvm-dwarfdump --debug-line" on stdin, keeps the rows that are of our
lines, in rows.json, and writes the ranges of their addresses, as QEMU's -dfilter
takes them, to ranges.

report: of these and of what QEMU translated ("-d in_asm"), says for each file
how many of its lines were executed. A line counts if the compiler made code of
it. Fails with fewer than 95 of 100, not counting those that are named, with a
reason, as unreachable.
"""

import argparse
import bisect
import collections
import json
import pathlib
import re
import sys

ENOUGH = 0.95
# Ranges that are closer than this are one.
NEAR = 4096

ROW = re.compile(r"(0x[0-9a-f]{16})\s+(\d+)\s+\d+\s+(\d+)\s+\d+\s+\d+\s+\d+\s*(.*)")
FILE = re.compile(r"file_names\[\s*(\d+)\]:")
DIRECTORY = re.compile(r'include_directories\[\s*(\d+)\] = "(.*)"')
HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")


def our_lines(top, linux, sources):
    """The numbers of the lines that are ours, by file, but for tests."""
    ours = {}
    for path in sources:
        name = path.removesuffix(".patch")
        text = (linux / name).read_text().splitlines()
        # Tests come last.
        end = next((number for number, line in enumerate(text, 1)
                    if re.match(r"#\[(macros::kunit_tests|cfg\(test\))", line)), len(text) + 1)
        if path == name:
            ours[name] = set(range(1, end))
            continue
        lines, number = set(), 0
        for line in (top / path).read_text().splitlines():
            if hunk := HUNK.match(line):
                number = int(hunk[1])
            elif line.startswith("+") and not line.startswith("+++"):
                lines.add(number)
                number += 1
            elif line.startswith(" "):
                number += 1
        ours[name] = {line for line in lines if line < end}
    return ours


def read_rows(lines, linux, ours):
    """(first address, end, file, line) of all code that is of our lines."""
    prefix = f"{linux}/"
    directories, files, names = {}, {}, {}
    file = None
    previous = None
    rows = []
    for line in lines:
        if row := ROW.match(line):
            address = int(row[1], 16)
            if previous and previous[0] < address:
                rows.append((previous[0], address, *previous[1:]))
            previous = None
            name = files.get(int(row[3]))
            number = int(row[2])
            if name in ours and number in ours[name] and "end_sequence" not in row[4]:
                previous = (address, name, number)
        elif line.startswith("debug_line["):
            directories, files, previous = {}, {}, None
        elif match := DIRECTORY.search(line):
            directories[int(match[1])] = match[2]
        elif match := FILE.match(line):
            file = int(match[1])
        elif line.startswith("           name: "):
            names[file] = line.split('"')[1]
        elif line.startswith("      dir_index: "):
            directory = directories.get(int(line.split(": ")[1]), "")
            name = names[file] if names[file].startswith("/") else f"{directory}/{names[file]}"
            # What is relative, is to the kernel's build directory.
            name = name.split("/source/")[-1] if "/source/" in name else name
            name = name.removeprefix(prefix)
            while name.startswith("../"):
                name = name.removeprefix("../")
            files[file] = name
    return rows


def ranges(rows):
    merged = []
    for start, end, *_ in sorted(rows):
        if merged and start - merged[-1][1] < NEAR:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    return ",".join(f"{start:#x}+{end - start:#x}" for start, end in merged)


def read_unreached(path):
    """The texts that cannot be reached, by file. Each group of them has a reason above it."""
    unreached, file, reason = collections.defaultdict(set), None, False
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            reason = True
        elif not line.strip():
            reason = False
        elif line.startswith("\t"):
            if not reason:
                sys.exit(f"{path}: no reason is given for:{line}")
            unreached[file].add(line.strip())
        else:
            file = line.strip()
    return unreached


def report(top, linux, directory, unreached_path):
    rows = json.loads((directory / "rows.json").read_text())
    executed = sorted({int(match[1], 16) for match in
                       re.finditer(r"^0x([0-9a-f]+):", (directory / "translated").read_text(), re.M)})
    unreached = read_unreached(unreached_path)
    hit = collections.defaultdict(dict)
    for start, end, name, number in rows:
        at = bisect.bisect_left(executed, start)
        is_hit = at < len(executed) and executed[at] < end
        hit[name][number] = hit[name].get(number, False) or is_hit

    total = missed_in_all = 0
    missed_lines, stale = [], []
    print(f"{'file':48} {'lines':>6} {'missed':>6} {'named':>6}")
    for name, lines in sorted(hit.items()):
        text = (linux / name).read_text().splitlines()
        missed = [number for number, is_hit in sorted(lines.items()) if not is_hit]
        named = [number for number in missed if text[number - 1].strip() in unreached[name]]
        stale += [f"{name}: {line}" for line in unreached[name]
                  - {text[number - 1].strip() for number in missed}]
        others = [number for number in missed if number not in named]
        missed_lines += [f"{name}:{number}: {text[number - 1]}" for number in others]
        total += len(lines) - len(named)
        missed_in_all += len(others)
        print(f"{name:48} {len(lines):6} {len(missed):6} {len(named):6}")
    (directory / "missed.txt").write_text("".join(f"{line}\n" for line in missed_lines))
    for line in missed_lines:
        print(line)
    for line in stale:
        print(f"named as unreachable, but reached, or gone: {line}")
    share = (total - missed_in_all) / total if total else 0
    print(f"\n{share:.1%} of {total} lines are executed, not counting those that are named; at least {ENOUGH:.0%} is asked")
    return share < ENOUGH or bool(stale)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("lines", "report"))
    parser.add_argument("top", type=pathlib.Path)
    parser.add_argument("linux", type=pathlib.Path)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("unreached", type=pathlib.Path, nargs="?")
    args = parser.parse_args()

    if args.action == "report":
        return report(args.top, args.linux, args.directory, args.unreached)
    sources = (args.directory / "sources").read_text().split()
    rows = read_rows(sys.stdin, args.linux, our_lines(args.top, args.linux, sources))
    if not rows:
        sys.exit("no code is of our lines: has the kernel debug information?")
    (args.directory / "rows.json").write_text(json.dumps(rows))
    (args.directory / "ranges").write_text(ranges(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
