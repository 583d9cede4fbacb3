#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make docs: the pages of this project as the base's Sphinx makes them, in
# build/docs. A warning is an error, and so is one of what is added to
# seccomp_unotify(2).
#
# All of the kernel's documentation would take long. So Sphinx gets a directory
# with these pages alone, and the base's configuration and extensions.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"

out=$BUILD/docs
work=$BUILD/docs.work
pages=$work/Documentation		# an extension wants it to be called so
log=$LOG/docs.log

take_lock
"$TOOLS/setup.sh" docs
"$TOOLS/tree/apply.sh"

rm -rf "$out" "$work"
mkdir -p "$pages"
cp "$LINUX/MAINTAINERS" "$work"		# it reads this
ln -s "$LINUX/samples" "$work/samples"	# and what the pages show of these
{
	printf '.. SPDX-License-Identifier: GPL-2.0\n\n'
	printf 'Seccomp user notification in Rust\n=================================\n\n'
	printf '.. toctree::\n   :maxdepth: 2\n\n'
} > "$pages/index.rst"
while IFS= read -r path; do
	path=${path%.patch}
	# An index has nothing of ours but the name of a page.
	[[ $path == Documentation/*.@(rst|dot) && $path != */index.rst ]] || continue
	page=${path#Documentation/}
	mkdir -p "$pages/$(dirname "$page")"
	cp "$LINUX/$path" "$pages/$page"
	[[ $page != *.rst ]] || printf '   %s\n' "${page%.rst}" >> "$pages/index.rst"
done < <(source_paths)

status=0
(cd "$LINUX" && srctree=$LINUX \
	sphinx-build -W --keep-going -q -b html -c Documentation \
	-D "version=$(base_version "$BASE")" \
	-d "$work/doctrees" "$pages" "$out") > "$log" 2>&1 || status=$?

# The manual page is man-pages': what is added is looked at as a page of its own.
page=$work/seccomp_unotify.2
{
	printf '.TH seccomp_unotify 2 2026-01-01 "Linux man-pages"\n'
	printf '.SH NAME\nseccomp_unotify \\- what is added\n.SH DESCRIPTION\n'
	sed -n '/^+++/d; s/^+//p' "$TOOLS/man/seccomp_unotify.2.patch"
} > "$page"
{ groff -ww -man -Tutf8 -z "$page" && mandoc -Tlint -W warning "$page"; } \
	> "$log.man" 2>&1 || status=$?
if [[ -s $log.man ]]; then
	cat "$log.man" >> "$log"
	status=1
fi
rm -rf "$work" "$log.man"
if ((status)); then
	cat "$log" >&2
	die "the pages have warnings" "the log is $log"
fi
say "the pages are in $out/index.html"
