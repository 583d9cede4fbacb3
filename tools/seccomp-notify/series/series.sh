#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make series: the patch sets as they are mailed, one directory a set, in
# build/series. Who they are from is git's user. They are not signed off: that
# is the sender's act, with "git am -s" on a branch, from which "git
# format-patch" or b4 makes what is sent.
#
# Each set N-name has its messages and its cover letter here. The project keeps
# the last state of each file alone, and so do the sets, but for what has to be
# in two of them: the implementation comes at parity with C first, and then
# each of its features by itself. What a feature changes in files that are there
# before it is a diff beside its message. The tree is taken back by these, from
# the last patch to the first that has one, and what is left is split by files
# and hunks; series.py does both. Why so:
#
# - The sources stay what they are: a change to one is a change to a diff only
#   where a feature meets it, within three lines. A branch with a commit for each
#   patch would have the sources twice, and every change would need a rebase.
# - Whatever does not fit any more is found by "make check", by the name of the
#   patch. Nothing is applied with fuzz, and the sum is the project's tree, byte
#   for byte, or it is an error.
#
# usage: series.sh [mail|proof|check|mend [own]|edit PATCH]
#
# mend		makes the diffs fit again. A change beside what a diff says is
#		none of its business, and is settled by that. Where it meets,
#		build/series.edit is the tree as it is before the patch, with
#		conflict markers; when it is as it should be, mend goes on from
#		there. Files that the patch's message lists stay as they are.
#		With "own", what has changed is the feature's own code: what is
#		before it is what the diff says. CHECK=1 tells if it is not.
# edit PATCH	begins that for SET/NN-name whether its diff fits or not. To
#		have a new patch with a diff, begin with an empty one.
# proof		makes and proves the same in build/series.proof; where git knows
#		no user, the patches are from nobody
# check		builds each patch, see check.sh here

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"

goal=${1:-mail}
patch=${2:-}
own=
series=$TOOLS/series
out=$BUILD/series
[[ $goal != proof ]] || out=$BUILD/series.proof
work=$BUILD/series.work
stage=$BUILD/series.stage
edit=$BUILD/series.edit
log=$LOG/series.log

as=(-c user.name=Nobody -c user.email=nobody@example.org -c commit.gpgsign=false
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
	commit_all "$1" --allow-empty -m "Linux $BASE_VERSION"
	git -C "$1" tag base
}

# commit_all <repository> <argument of git commit>...
commit_all() {
	local repo=$1
	shift
	git "${as[@]}" -C "$repo" init -q
	git "${as[@]}" -C "$repo" add -A -f
	git "${as[@]}" -C "$repo" commit -q "$@"
}

# The states of all patches, or the tree after one of them in states/tree.
states() { python3 "$series/series.py" "$series" "$BASE" "$stage" "$work/states" "$@" || exit 1; }

# One branch a set, one commit a patch.
commit_sets() {
	local set state

	new_repo "$work/patches" > "$log" 2>&1
	for set in "$work/states"/*/; do
		set=$(basename "$set")
		git "${as[@]}" -C "$work/patches" checkout -q -b "$set"
		for state in "$work/states/$set"/*/; do
			cp -r "$state/tree/." "$work/patches/"
			git "${as[@]}" -C "$work/patches" add -A -f
			git "${as[@]}" -C "$work/patches" commit -q -F "$state/message" ||
				die "a patch is empty: $(head -n 1 "$state/message")"
		done
	done
}

write_sets() {
	local set before=base

	rm -rf "$out"
	for set in "$work/states"/*/; do
		set=$(basename "$set")
		python3 "$series/cover.py" "$series/$set/cover.msg" "$work/patches" "$before" "$set" \
			"$TOOLS/bench/results.md" > "$work/cover" || exit 1
		git -C "$work/patches" config "branch.$set.description" "$(cat "$work/cover")"
		git "${as[@]}" -C "$work/patches" format-patch -q --cover-letter --cover-from-description=subject \
			--abbrev=12 -o "$out/$set" "$before..$set"
		before=$set
	done
}

# The proof: what is mailed applies to the base and gives what is built.
prove() {
	local -a patches

	new_repo "$work/proof" >> "$log" 2>&1
	mapfile -t patches < <(find "$out" -name '*.patch' ! -name '0000-*' | sort)
	if ! git "${as[@]}" -C "$work/proof" am "${patches[@]}" >> "$log" 2>&1; then
		tail -n 15 "$log" >&2
		die "the patches of $out do not apply with git am" "the log is $log"
	fi
	diff -r --exclude=.git "$work/proof" "$stage" > "$log" ||
		die "the patches do not give what is in the project" "the differences are in $log"
	say "${#patches[@]} patches in $(find "$out" -name '0000-*' | wc -l) sets, each with a cover letter, in $out;" \
		"git am applies them, and they give the built tree"
}

# Nobody is made a maintainer by a script.
name_placeholder() {
	! grep -q '@example\.org>' "$TOP/MAINTAINERS.patch" ||
		say "who sends them maintains them: put a name into MAINTAINERS, in place of sender@example.org"
}

conflicts() { grep -rlE '^(<<<<<<<|>>>>>>>)' --exclude-dir=.git "$edit"; }

# The tree as it is after a patch is committed in $edit, and changed to what it
# is before.
begin_edit() {
	local patch=$1

	rm -rf "$work/states"
	states "$patch"
	mv "$work/states/tree" "$edit"
	commit_all "$edit" -m "after $patch"
	git -C "$edit" config series.patch "$patch"
	# An empty diff is the beginning of a new one.
	[[ ! -s $series/$patch.diff ]] ||
		patch -R -p1 -F0 --merge --no-backup-if-mismatch -d "$edit" \
			-i "$series/$patch.diff" > "$log" || true
	[[ -z $own ]] || { conflicts || true; } | xargs -r sed -i '/^<<<<<<</,/^=======/d; /^>>>>>>>/d'
}

save_edit() {
	local patch
	patch=$(git -C "$edit" config series.patch)

	# From what is there before the patch to what is committed, after it.
	git -C "$edit" diff -R --no-color --no-ext-diff --src-prefix=b/ --dst-prefix=a/ |
		sed -E -e '/^(diff --git|index) /d' -e 's/^(@@ -[0-9,]+ \+[0-9,]+ @@).*/\1/' > "$work/diff"
	mv "$work/diff" "$series/$patch.diff"
	rm -rf "$edit"
	say "mended: $patch"
}

mend() {
	local misfit before=

	while :; do
		if [[ -d $edit ]]; then
			! conflicts >&2 ||
				die "$(git -C "$edit" config series.patch): there are conflict markers in these files" \
					"make $edit the tree without the patch, and mend again"
			save_edit
		fi
		rm -rf "$work/states"
		(states) > "$log" 2>&1 && break
		[[ -e $work/states/misfit ]] || { cat "$log" >&2; exit 1; }
		misfit=$(cat "$work/states/misfit")
		[[ $misfit != "$before" ]] || die "$misfit does not fit when it is mended"
		before=$misfit
		begin_edit "$misfit"
	done
	say "all diffs fit"
}

take_lock
"$TOOLS/setup.sh" build series
if [[ $goal == mail || $goal == proof ]]; then
	name=$(git -C "$TOP" config user.name || true)
	email=$(git -C "$TOP" config user.email || true)
	if [[ -n $name && -n $email ]]; then
		as+=(-c "user.name=$name" -c "user.email=$email")
	elif [[ $goal == mail ]]; then
		die "git does not know who the patches are from" \
			"git config user.name 'Your Name'; git config user.email you@example.org"
	fi
fi
"$TOOLS/tree/base.sh"
require_home
rm -rf "$work"
mkdir -p "$work"
stage_sources "$stage"

case $goal in
mail | proof)
	states
	commit_sets
	write_sets
	prove
	[[ $goal != mail ]] || name_placeholder
	;;
check)
	states
	commit_sets
	"$series/check.sh" "$work/patches"
	;;
mend)
	[[ $patch != own ]] || own=1
	mend
	;;
edit)
	[[ -e $series/$patch.diff ]] || die "${patch:-nothing} is no patch with a diff" \
		"they are $(cd "$series" && printf '%s ' */*.diff | sed 's/\.diff//g')"
	[[ ! -e $edit ]] || die "$edit is there already" "series.sh mend goes on with it; or remove it"
	begin_edit "$patch"
	say "make $edit the tree without $patch, then: tools/seccomp-notify/series/series.sh mend"
	;;
*) die "series.sh knows no goal $goal" "they are: mail proof check mend edit" ;;
esac
rm -rf "$work" "$stage"
