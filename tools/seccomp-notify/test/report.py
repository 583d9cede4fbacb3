#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Puts together what the suites of the last make test came to, as JUnit's XML.

usage: report.py DIRECTORY

DIRECTORY has a file "counts" with a line for each run of a suite, "<suite>
<implementation> <passed> <failed> <skipped> <seconds>", and what results.py has
written of those whose tests are known one by one. Of another, all that is known
is how many passed.
"""

import pathlib
import sys
from xml.etree import ElementTree


def load(path):
    return ElementTree.parse(path).getroot() if path.exists() else None


def main():
    where = pathlib.Path(sys.argv[1])
    report = ElementTree.Element("testsuites", name="seccomp-notify")
    for number, line in enumerate((where / "counts").read_text().splitlines(), 1):
        suite, impl, passed, failed, skipped, seconds = line.split()
        tests = load(where / f"{number}.xml")
        if tests is None:
            tests = ElementTree.Element("testsuite")
            case = ElementTree.SubElement(tests, "testcase", name=suite)
            said = f"{passed} passed, {failed} failed, {skipped} skipped"
            if int(failed):
                ElementTree.SubElement(case, "failure", message=said)
            else:
                ElementTree.SubElement(case, "system-out").text = said
        name = suite if impl == "-" else f"{suite}.{impl}"
        tests.set("name", name)
        tests.set("time", seconds)
        tests.set("tests", str(len(tests)))
        for kind in ("failure", "skipped"):
            tests.set("failures" if kind == "failure" else kind, str(len(tests.findall(f"*/{kind}"))))
        for case in tests:
            case.set("classname", name)
        report.append(tests)
    ElementTree.indent(report)
    ElementTree.ElementTree(report).write(sys.stdout.buffer, encoding="utf-8", xml_declaration=True)
    print()


if __name__ == "__main__":
    main()
