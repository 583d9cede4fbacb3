#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make report: what the last make test came to, suite by suite and test by test,
# as one file of JUnit's XML.
#
# usage: report.sh

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

report=$BUILD/test/report.xml
[[ -s $BUILD/test/junit/counts ]] || die "there is nothing to report" "run: make test"
python3 "$TOOLS/test/report.py" "$BUILD/test/junit" > "$report.new"
mv "$report.new" "$report"
say "$report"
