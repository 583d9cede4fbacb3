#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judge what tests printed as KTAP, and what the kernel said meanwhile.

Prints one line "<passed> <failed> <skipped>", then one for each thing worth
naming: "failed: <test>", "expected: <test>" (XFAIL, counts as passed),
"skipped: <test>", "broken: <what>" (counts as failed). What a test that failed
said follows it, each line behind a "| ".

With --junit, the same is written to a file as a test suite of JUnit's XML, see
report.py.

The KTAP is parsed by kunit_parser.py of the kernel tree. What it lets pass is
looked for here: "Bail out!", results beyond the plan, a plan that is missing, a
test that was expected to fail and did not, and a skip that nobody expects.
"""

import argparse
import fnmatch
import importlib
import io
import os
import re
import sys
from xml.etree import ElementTree

# A line of the kernel's log that must not be there.
SPLAT = re.compile(r"""
    WARNING: | BUG: | \bBUG\ [\w:-]+\ \( | Oops | Call\ Trace: | general\ protection\ fault
    | KASAN: | UBSAN: | KCSAN: | kmemleak:\ .*new\ suspected | unreferenced\ object
    | INFO:\ task\ .*blocked | INFO:\ .*(lock|RCU|rcu) | soft\ lockup | hard\ LOCKUP
    | self-detected\ stall | detected\ stalls | Kernel\ panic
    | possible\ (circular|recursive|irq)\ lock | inconsistent\ lock\ state | suspicious\ RCU
    | trying\ to\ register\ non-static\ key | turning\ off\ the\ locking\ correctness\ validator
    | sleeping\ function | scheduling\ while\ atomic | refcount_t:
    | list_(add|del)\ corruption | Freezing\ .*\ failed | panicked\ at""", re.VERBOSE)

# An allocation that a test had fail, or a cgroup that it filled. The kernel says so
# with a trace, which is none of a fault.
STARVED = re.compile(
    r"\bnotify_starved_(: vmalloc error|: page allocation failure| invoked oom-killer)")

EXPECTED_TO_FAIL = re.compile(r"^\s*ok \d+ (?:- )?(.*?) ?# (XFAIL|XPASS) ?(.*)$")

# As much as is shown of what a test said; all of it is in its file.
SAID = 20

# run_kselftest.sh's name for a program.
PROGRAM = re.compile(r"^selftests: \S+: (\S+)$")


class Judgement:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.excused = False
        self.notes = []
        self.suite = ElementTree.Element("testsuite")

    def case(self, name, verdict="", message="", said=()):
        case = ElementTree.SubElement(self.suite, "testcase", name=name)
        if verdict:
            ElementTree.SubElement(case, verdict, message=message).text = "\n".join(said)

    def fail(self, note, said=()):
        self.failed += 1
        self.notes.append(note)
        self.notes += [f"| {line}" for line in said[-SAID:]]
        what, _, text = note.partition(": ")
        self.case(text if what == "failed" else what, "failure", note, said)

    def result(self, test, name, options):
        if test.status.name == "SKIPPED":
            self.skipped += 1
            self.notes.append(f"skipped: {name} {test.skip_reason}".rstrip())
            self.case(name, "skipped", test.skip_reason)
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in options.skips):
                self.fail(f"failed: {name} is not among the tests that may be skipped")
        elif test.status.name == "SUCCESS":
            self.passed += 1
            self.case(name)
        elif test.status.name == "FAILURE" and name == options.excuse:
            self.excused = True
        else:
            self.fail(f"failed: {name}" + (" (no result)" if test.status.name != "FAILURE" else ""),
                      [line.strip() for line in test.log])


def leaves(test, suite=""):
    """Yield (suite, name, test) of what has no tests below it."""
    if not test.subtests:
        yield suite, test.name.strip() or "?", test
    for child in test.subtests:
        yield from leaves(child, child.name.strip() if child.subtests else suite)


def parse(lines, judgement):
    """The tree of tests. Errors of the parser and of the plan are told."""
    parser = importlib.import_module("kunit_parser")
    said = io.StringIO()
    stream = parser.extract_tap_lines(lines)
    if not stream:
        judgement.fail("broken: there is no KTAP")
        return parser.Test()
    test = parser.parse_test(stream, 0, [], False, parser.Printer(output=said))
    if test.expected_count is None:
        judgement.fail("broken: there is no plan")
    for line in stream:
        if parser.TEST_RESULT.match(line):
            judgement.fail(f"broken: beyond the plan: {line.strip()}")
    for line in said.getvalue().splitlines():
        _, error, text = line.partition("[ERROR] Test: ")
        if error:
            judgement.fail(f"broken: {text}")
    return test


def judge_tests(lines, options, judgement):
    if options.kselftest:
        # What a program prints comes behind a "# ", and is a level of its own.
        lines = [line.removeprefix("# ") for line in lines]
    main = parse(lines, judgement)
    seen = others = 0
    suites = set()
    for suite, name, test in leaves(main) if main.subtests else ():
        if program := PROGRAM.match(name):
            # A program that ran no test of its own is its only result.
            name = program[1]
            if test.status.name == "SUCCESS":
                judgement.fail(f"broken: {name} printed no result")
                continue
        elif program := PROGRAM.match(suite):
            suite = program[1]
        full = f"{suite}.{name}" if suite and not options.kselftest else name
        if not re.search(options.match, full):
            others += 1
            continue
        seen += 1
        suites.add(suite)
        judgement.result(test, full, options)
    if options.kselftest:
        judge_programs(main, judgement)
    for suite in options.suite:
        if suite not in suites:
            judgement.fail(f"broken: nothing of {suite} ran")
    if not seen and not judgement.failed:
        judgement.fail("broken: there is no result" +
                       (f" that matches {options.match}" if options.match else ""))
    if others:
        judgement.notes.append(f"not counted: {others} tests of others")
    for line in lines:
        if line.lstrip().startswith("Bail out!"):
            judgement.fail(f"broken: {line.strip()}")
        elif expected := EXPECTED_TO_FAIL.match(line):
            name, directive, reason = expected.groups()
            if directive == "XFAIL":
                judgement.notes.append(f"expected: {name} {reason}".rstrip())
            else:
                judgement.passed -= 1
                judgement.fail(f"failed: {name} was expected to fail, and did not")


def judge_programs(main, judgement):
    """A program may fail where none of its tests did: it crashed, or took too long."""
    for program in main.subtests:
        # All that it has may be skipped: whether each may be was judged above.
        if program.subtests and all(test.status.name == "SKIPPED" for _, _, test in leaves(program)):
            continue
        if program.subtests and program.status.name != "SUCCESS" and not any(
                test.status.name == "FAILURE" for _, _, test in leaves(program)):
            judgement.fail(f"broken: {program.name.strip()}, with no test that did")


def judge_log(path, needs, judgement):
    with open(path, errors="replace") as file:
        lines = file.read().splitlines()
    splats = []
    starved = False
    for number, line in enumerate(lines, 1):
        starved = bool(starved or STARVED.search(line)) and "</TASK>" not in line
        if SPLAT.search(line) and not (starved and line.endswith("Call Trace:")):
            splats.append(f"{number}: {line}")
    for line in splats[:5]:
        judgement.fail(f"in the kernel's log, {os.path.basename(path)}, line {line}")
    for need in needs:
        if not any(re.search(need, line) for line in lines):
            judgement.fail(f"broken: the kernel's log has no '{need}'")


def read_skips(path, run):
    """The names that may be skipped in a run: lines of "<run> <name>", both globs."""
    skips = []
    with open(path) as file:
        for line in file:
            where, _, name = line.partition("#")[0].strip().partition(" ")
            if name and fnmatch.fnmatchcase(run, where):
                skips.append(name.strip())
    return skips


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--linux", required=True, help="the kernel tree, whose parser is used")
    parser.add_argument("--run", default="", help="what ran: <suite>/<implementation>/<CPUs>")
    parser.add_argument("--skips", help="the file that names the skips that are expected")
    parser.add_argument("--status", type=int, default=0, help="the exit status of what ran")
    parser.add_argument("--log", help="the kernel's log")
    parser.add_argument("--needs", action="append", default=[], help="what the log must have")
    parser.add_argument("--match", default="", help="only tests whose name this matches count")
    parser.add_argument("--excuse", help="a test that does not count if it fails")
    parser.add_argument("--suite", action="append", default=[], help="a suite that must have run")
    parser.add_argument("--kselftest", action="store_true", help="run_kselftest.sh printed it")
    parser.add_argument("--junit", help="where the results go as XML")
    parser.add_argument("file")
    options = parser.parse_args()
    options.skips = read_skips(options.skips, options.run) if options.skips else []
    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(options.linux, "tools/testing/kunit"))

    judgement = Judgement()
    with open(options.file, errors="replace") as file:
        judge_tests(file.read().splitlines(), options, judgement)
    if options.log:
        judge_log(options.log, options.needs, judgement)
    if options.status in (124, 137):
        judgement.fail("broken: it did not end in time")
    elif options.status and not judgement.failed and not judgement.excused:
        judgement.fail(f"broken: it ended with status {options.status}, and no test failed")
    if options.junit:
        ElementTree.ElementTree(judgement.suite).write(options.junit, encoding="utf-8")
    print(judgement.passed, judgement.failed, judgement.skipped)
    for note in judgement.notes:
        print(note)


if __name__ == "__main__":
    main()
