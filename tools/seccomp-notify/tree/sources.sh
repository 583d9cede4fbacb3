# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which of the project's files are kernel sources, and what they make of the
# base tree.  Sourced, never run.
#
# A new file of the kernel stands at its path there.  A change to X, a file of
# the base, is the unified diff X.patch beside where X would be.  If a version
# of the base has to have it otherwise, <version>/X.patch, here, takes its place,
# and what that version lacks is in <version>/X.first.patch, which comes before.

# The kernel sources of the project, one path a line: all but its own files.
source_paths() {
	(cd "$TOP" && find . \
		\( -path "./.*" -o -path ./build -o -path ./LICENSES \
		-o -path ./tools/seccomp-notify -o -path "${BUILD/#$TOP/.}" \) -prune -o \
		-type f ! -path ./Makefile ! -path ./README.md ! -path ./CONTRIBUTING.md ! -path ./COPYING \
		! -name '.*.sw?' ! -name '*~' ! -name '*.orig' ! -name '*.rej' -printf '%P\n') |
		sort
}

# stage_sources <dir>: every file that differs from the base, as it has to be.
# All that does not fit is said before it gives up.
stage_sources() {
	local stage=$1 path hunks version fuzz=0 misfits=0 log=$LOG/apply.log

	version=$(base_version "$BASE")
	# What stands around a hunk may differ a little in other versions.
	[[ $version == "$HOME_VERSION" ]] || fuzz=2
	rm -rf "$stage"
	mkdir -p "$stage"
	: > "$log"
	while IFS= read -r path; do
		stage_hunks "${path%.first.patch}" "$TOOLS/tree/$version/$path"
	done < <(cd "$TOOLS/tree/$version" 2> /dev/null && find . -name '*.first.patch' -printf '%P\n')
	while IFS= read -r path; do
		if [[ $path == *.patch ]]; then
			hunks=$TOOLS/tree/$version/$path
			[[ -e $hunks ]] || hunks=$TOP/$path
			stage_hunks "${path%.patch}" "$hunks"
			continue
		fi
		if [[ -e $BASE/$path ]]; then
			misfit "$path is a whole file here, but the base tree has it;" \
				"make it a hunk: diff -u $BASE/$path $TOP/$path > $path.patch"
		fi
		mkdir -p "$stage/$(dirname "$path")"
		cp "$TOP/$path" "$stage/$path"
	done < <(source_paths)
	((misfits == 0)) || die "$misfits of the files do not fit Linux $version, at $BASE" \
		"bring the hunks to this version: what differs is said above, and is in $log;" \
		"those for a version alone stand in tools/seccomp-notify/tree/$version;" \
		"or use Linux $HOME_VERSION, for which they are made"
}

# Those of stage_sources(), for its variables.
misfit() {
	misfits=$((misfits + 1))
	warn "$@"
}

# stage_hunks <file of the base> <hunks>
stage_hunks() {
	local file=$1 hunks=$2 said

	if [[ ! -f $BASE/$file ]]; then
		misfit "${hunks#"$TOP/"} changes $file, which the base tree does not have;" \
			"a new file of the kernel stands whole at its own path"
		return
	fi
	mkdir -p "$stage/$(dirname "$file")"
	[[ -e $stage/$file ]] || cp "$BASE/$file" "$stage/$file"
	chmod u+w "$stage/$file"
	said=$(patch --fuzz="$fuzz" --no-backup-if-mismatch --reject-file=- "$stage/$file" "$hunks" 2>&1) || {
		misfit "${hunks#"$TOP/"} does not fit the base's $file:"
		printf '%s\n' "$said" | sed 's/^/  /' >&2
	}
	printf '%s\n' "$said" >> "$log"
}

# Hunks are made and mended beside the base they are for.
require_home() {
	[[ $(base_version "$BASE") == "$HOME_VERSION" ]] ||
		die "$BASE is Linux $(base_version "$BASE"), and the hunks are made for $HOME_VERSION" \
			"do this with that as the base (without KDIR= and BASE_VERSION=);" \
			"what a version has otherwise is written by hand, in tools/seccomp-notify/tree"
}

staged_paths() { (cd "$1" && find . -type f -printf '%P\n' | sort); }
