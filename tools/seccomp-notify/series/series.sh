#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make series: the patch set as it is mailed, in build/series.  The messages
# and what belongs to which patch are in series/*.msg; see series.py.
#
# A scratch repository holds the files of the base that are touched, which is
# all git needs to make the patches and to prove that they apply.
#
# usage: series.sh [proof]
#
# What is mailed is signed off, and only git's user can do that. "proof" makes
# and proves the same patches in build/series.proof; where git knows no user, it
# signs them off as nobody.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"

goal=${1:-mail}
out=$BUILD/series
[[ $goal != proof ]] || out=$BUILD/series.proof
work=$BUILD/series.work
stage=$BUILD/series.stage
log=$LOG/series.log

take_lock
"$TOOLS/setup.sh" build series
"$TOOLS/tree/base.sh"
stage_sources "$stage"

name=$(git -C "$TOP" config user.name || true)
email=$(git -C "$TOP" config user.email || true)
if [[ -z $name || -z $email ]]; then
	[[ $goal == proof ]] || die "git does not know who signs the patches off" \
		"git config user.name 'Your Name'; git config user.email you@example.org"
	name=Nobody
	email=nobody@example.org
fi
as=(-c "user.name=$name" -c "user.email=$email" -c commit.gpgsign=false
	-c core.hooksPath=/dev/null -c core.autocrlf=false -c init.defaultBranch=series)

# A repository with the touched files of the base, as they came.
new_repo() {
	rm -rf "$1"
	mkdir -p "$1"
	while IFS= read -r path; do
		[[ -e $BASE/$path ]] || continue
		mkdir -p "$1/$(dirname "$path")"
		cp "$BASE/$path" "$1/$path"
	done < <(staged_paths "$stage")
	git "${as[@]}" -C "$1" init -q
	git "${as[@]}" -C "$1" add -A -f
	git "${as[@]}" -C "$1" commit -q --allow-empty -m "Linux $BASE_VERSION"
	git -C "$1" tag base
}

rm -rf "$work"
new_repo "$work/patches" > "$log" 2>&1

# One directory a patch: its message, and the files as they are after it.
python3 "$TOOLS/series/series.py" "$TOOLS/series" "$BASE" "$stage" "$work/states" || exit 1

for state in "$work/states"/*/; do
	cp -r "$state/tree/." "$work/patches/"
	git "${as[@]}" -C "$work/patches" add -A -f
	git "${as[@]}" -C "$work/patches" commit -q -s -F "$state/message" || die "a patch is empty: $state"
done
git -C "$work/patches" config branch.series.description "$(cat "$TOOLS/series/cover.msg")"

rm -rf "$out"
git "${as[@]}" -C "$work/patches" format-patch -q --cover-letter --cover-from-description=subject \
	--abbrev=12 --base=base -o "$out" base..series
# What it applies to is a release, not the scratch repository's commit.
sed -i '/^base-commit: /d' "$out"/*.patch

# The proof: what is mailed applies to the base and gives what is built.
new_repo "$work/proof" >> "$log" 2>&1
mapfile -t patches < <(find "$out" -name '*.patch' ! -name '0000-*' | sort)
if ! git "${as[@]}" -C "$work/proof" am "${patches[@]}" >> "$log" 2>&1; then
	tail -n 15 "$log" >&2
	die "the patches of $out do not apply with git am" "the log is $log"
fi
diff -r --exclude=.git "$work/proof" "$stage" > "$log" ||
	die "the patches do not give what is in the project" "the differences are in $log"
say "${#patches[@]} patches and a cover letter in $out; git am applies them, and they give the built tree"
rm -rf "$work" "$stage"
