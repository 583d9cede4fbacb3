#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Brings what was edited in build/linux back into the project: a changed file
# of the base as its hunk X.patch, a new file whole.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"

manifest=$BUILD/linux.manifest
stage=$BUILD/stage
[[ -d $LINUX && -e $manifest ]] || die "there is no $LINUX to bring edits back from" "make apply lays it"

# What make(1) and editors leave behind is nobody's source.
leftover() {
	case $1 in
	*.o | *.cmd | *.d | *.pyc | */__pycache__/* | *~ | *.orig | *.rej | *.swp | .git/* | *.rlib | *.rmeta) return 0 ;;
	esac
	return 1
}

write_hunk() {
	mkdir -p "$(dirname "$TOP/$1.patch")"
	diff -up --label "a/$1" --label "b/$1" "$BASE/$1" "$LINUX/$1" > "$TOP/$1.patch.new" || true
	mv "$TOP/$1.patch.new" "$TOP/$1.patch"
}

require_home
take_lock
changed=0
stage_sources "$stage"

while read -r sum path; do
	if [[ ! -e $LINUX/$path ]]; then
		say "kept: $path is gone from $LINUX; remove it here too if that is meant"
		continue
	fi
	[[ $(sha256sum < "$LINUX/$path") != "$sum  -" ]] || continue	# as laid
	! cmp -s "$LINUX/$path" "$stage/$path" || continue
	changed=$((changed + 1))
	if [[ ! -e $BASE/$path ]]; then
		cp "$LINUX/$path" "$TOP/$path"
		say "file: $path"
	elif cmp -s "$BASE/$path" "$LINUX/$path"; then
		rm -f "$TOP/$path.patch"
		say "no longer changed: $path"
	else
		write_hunk "$path"
		say "hunk: $path.patch"
	fi
done < "$manifest"

# Files of the base that changed, and files that are new, unknown so far.
while IFS= read -r line; do
	path=${line#* }
	[[ $line != *'/' ]] || continue
	! leftover "$path" || continue
	! grep -q "^[^ ]* $path\$" "$manifest" || continue
	if [[ -e $BASE/$path ]]; then
		! cmp -s "$BASE/$path" "$LINUX/$path" || continue
		write_hunk "$path"
		say "new hunk: $path.patch"
	else
		mkdir -p "$(dirname "$TOP/$path")"
		cp "$LINUX/$path" "$TOP/$path"
		say "new file: $path"
	fi
	changed=$((changed + 1))
done < <(rsync -rltn --out-format='%i %n' --exclude=/.git "$LINUX/" "$BASE/" | grep '^[<>]f')

# What was brought back is now what was laid.
stage_sources "$stage"
while IFS= read -r path; do
	if cmp -s "$stage/$path" "$LINUX/$path"; then
		printf '%s %s\n' "$(sha256sum < "$stage/$path" | cut -d ' ' -f 1)" "$path"
	else
		grep "^[^ ]* $path\$" "$manifest" || true
	fi
done < <(staged_paths "$stage") > "$manifest.new"
mv "$manifest.new" "$manifest"
say "$changed brought back from $LINUX"
