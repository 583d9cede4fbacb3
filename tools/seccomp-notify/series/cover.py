#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print the cover letter of a set, with what is generated in its place.

usage: cover.py COVER REPO BEFORE AFTER RESULTS

In COVER, a line that is one of these alone is replaced: "@figures NAME...@" by
these figures of the bench, out of its RESULTS; "@files@" by how many lines and
how many `unsafe` each Rust file of the set has when the set is applied.
"""

import pathlib
import re
import subprocess
import sys
import textwrap


def die(*lines):
    print("error: " + "\n       ".join(lines), file=sys.stderr)
    sys.exit(1)


def git(repo, *args):
    return subprocess.run(
        ["git", "-C", repo, *args], stdout=subprocess.PIPE, check=True, text=True
    ).stdout


def figures(results, names):
    """Of the bench's first table, instructions, which do not vary."""
    text = pathlib.Path(results).read_text()
    measured = re.search(r"^Guest instructions .*$", text, re.M)
    if not measured:
        die(f"{results} has no guest instructions", "make bench writes it")
    rows = {}
    for line in text[measured.end() :].lstrip().splitlines():
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[cells[0]] = cells
    missing = [name for name in names if name not in rows]
    if missing:
        die(f"{results} has no figure {' '.join(missing)}", "make bench writes it")
    lines = textwrap.wrap("With all sets applied. " + measured.group().rstrip(":") + ":", 72)
    lines += ["", f"  {'':24}{'C':>10}{'Rust':>10}{'Rust / C':>10}"]
    for name in names:
        _, c, rust, _, ratio = rows[name][:5]
        lines.append(f"  {name:24}{c:>10}{rust:>10}{ratio:>10}".rstrip())
    return lines


def files(repo, before, after):
    """The Rust files that the set adds."""
    lines = [f"  {'':46}{'lines':>8}{'unsafe':>8}"]
    for path in git(repo, "diff", "--name-only", before, after, "--", "*.rs").splitlines():
        text = git(repo, "show", f"{after}:{path}")
        code = re.sub(r"//.*", "", text)
        unsafe = len(re.findall(r"\bunsafe\s*(?:\{|impl\b|trait\b)", code))
        lines.append(f"  {path:46}{len(text.splitlines()):>8}{unsafe:>8}")
    return lines


def main():
    cover, repo, before, after, results = sys.argv[1:]
    path = pathlib.Path(cover)
    if not path.exists():
        die(f"{cover} is missing", "each set has a cover letter: a subject, a blank line, the text")
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"@figures (.*)@", line):
            print("\n".join(figures(results, match.group(1).split())))
        elif line == "@files@":
            print("\n".join(files(repo, before, after)))
        else:
            print(line)


main()
