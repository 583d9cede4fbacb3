#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Lays this project's sources into build/linux, a copy of the base tree.  A
# file whose content does not change is not touched, so make(1) rebuilds only
# what it must.  A source taken out of the project is taken out of build/linux.
#
# What was laid is remembered with its checksum.  A file edited in build/linux
# since then is kept if the project's own copy did not change meanwhile
# ("make refresh" brings it back), and stops the run if both changed.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$TOOLS/tree/sources.sh"

manifest=$BUILD/linux.manifest		# lines of: checksum, path
stage=$BUILD/stage			# what has to stand in build/linux

lay_out() {
	if [[ ! -d $LINUX ]]; then
		say "copying the base tree to $LINUX"
		rm -rf "$LINUX.new" "$manifest"
		cp -a --reflink=auto "$BASE" "$LINUX.new"
		rm -rf "$LINUX.new/.git"
		mv "$LINUX.new" "$LINUX"
		base_state > "$BUILD/linux.base"
	elif [[ $(base_state) != "$(cat "$BUILD/linux.base" 2> /dev/null)" ]]; then
		# Another base: everything but our own files follows it.
		say "bringing $LINUX to the base tree $(base_state)"
		: > "$BUILD/linux.keep"
		[[ ! -e $manifest ]] || sed 's/^[^ ]* */\//' "$manifest" > "$BUILD/linux.keep"
		# A file that differs gets the time of now: make(1) has to see it as new.
		rsync -a --no-times --checksum --delete --exclude=/.git \
			--exclude-from="$BUILD/linux.keep" "$BASE/" "$LINUX/" > /dev/null
		rm -f "$BUILD/linux.keep"
		base_state > "$BUILD/linux.base"
	fi
}

base_state() { cat "$BUILD/base.from" 2> /dev/null || echo "linux-source-$BASE_VERSION"; }

checksum() { sha256sum < "$1" | cut -d ' ' -f 1; }

take_lock
"$TOOLS/tree/base.sh"
lay_out
stage_sources "$stage"

declare -A laid=()
if [[ -e $manifest ]]; then
	while read -r sum path; do
		laid[$path]=$sum
	done < "$manifest"
fi

# First look at everything, then write: a conflict leaves build/linux as it was.
conflicts=()
write=()
: > "$manifest.new"
while IFS= read -r path; do
	new=$(checksum "$stage/$path")
	old=${laid[$path]:-}
	current=
	[[ ! -e $LINUX/$path ]] || current=$(checksum "$LINUX/$path")
	if [[ -z $old && -e $BASE/$path ]]; then
		old=$(checksum "$BASE/$path")
	fi
	unset "laid[$path]"
	printf '%s %s\n' "$new" "$path" >> "$manifest.new"
	if [[ $current == "$new" ]]; then
		continue
	elif [[ $current == "$old" || -z $current || -n ${FORCE:-} ]]; then
		write+=("$path")
	elif [[ $old == "$new" ]]; then
		say "kept: $path was edited in $LINUX (make refresh brings it back)"
	else
		conflicts+=("$path")
	fi
done < <(staged_paths "$stage")

if ((${#conflicts[@]})); then
	rm -f "$manifest.new"
	die "edited in $LINUX, and changed in the project since: ${conflicts[*]}" \
		"make refresh puts the built tree's version into the project (compare with git diff);" \
		"make apply FORCE=1 puts the project's version into the built tree"
fi

for path in "${write[@]}"; do
	mkdir -p "$LINUX/$(dirname "$path")"
	cp "$stage/$path" "$LINUX/$path"
	[[ -z $V ]] || say "laid: $path"
done

# What is left was laid once and is no longer part of the project.
for path in "${!laid[@]}"; do
	if [[ -e $BASE/$path ]]; then
		cmp -s "$BASE/$path" "$LINUX/$path" || cp "$BASE/$path" "$LINUX/$path"
	else
		rm -f "$LINUX/$path"
		rmdir -p --ignore-fail-on-non-empty "$LINUX/$(dirname "$path")" 2> /dev/null || true
	fi
	say "taken out: $path"
done
mv "$manifest.new" "$manifest"
[[ -z ${VERBOSE_APPLY:-}${V} ]] || say "$(wc -l < "$manifest") files of this project are in $LINUX, ${#write[@]} of them new or changed"
