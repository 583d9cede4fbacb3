# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which of the project's files are kernel sources, and what they make of the
# base tree.  Sourced, never run.
#
# A new file of the kernel stands at its path there.  A change to X, a file of
# the base, is the unified diff X.patch beside where X would be.  If a version
# of the base has to have it otherwise, <version>/X.patch, here, takes its place.

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
	local stage=$1 path file hunks version fuzz=0 misfits=0
	local log=$LOG/apply.log

	version=$(base_version)
	# What stands around a hunk may differ a little in other versions.
	[[ $version == "$HOME_VERSION" ]] || fuzz=2
	rm -rf "$stage"
	mkdir -p "$stage"
	: > "$log"
	while IFS= read -r path; do
		mkdir -p "$stage/$(dirname "$path")"
		if [[ $path != *.patch ]]; then
			if [[ -e $BASE/$path ]]; then
				warn "$path is a whole file here, but the base tree has it;" \
					"make it a hunk: diff -u $BASE/$path $TOP/$path > $path.patch"
				misfits=$((misfits + 1))
			fi
			cp "$TOP/$path" "$stage/$path"
			continue
		fi
		file=${path%.patch}
		if [[ ! -f $BASE/$file ]]; then
			warn "$path changes $file, which the base tree does not have;" \
				"a new file of the kernel stands whole at its own path"
			misfits=$((misfits + 1))
			continue
		fi
		hunks=$TOOLS/tree/$version/$path
		[[ -e $hunks ]] || hunks=$TOP/$path
		cp "$BASE/$file" "$stage/$file"
		chmod u+w "$stage/$file"
		if ! patch --fuzz="$fuzz" --no-backup-if-mismatch --reject-file=- \
			"$stage/$file" "$hunks" > "$log.patch" 2>&1; then
			warn "${hunks#"$TOP/"} does not fit the base's $file:"
			sed 's/^/  /' "$log.patch" >&2
			misfits=$((misfits + 1))
		fi
		cat "$log.patch" >> "$log"
	done < <(source_paths)
	rm -f "$log.patch"
	((misfits == 0)) || die "$misfits of the files do not fit Linux $version, at $BASE" \
		"bring the hunks to this version: what differs is said above, and is in $log;" \
		"those for a version alone stand in tools/seccomp-notify/tree/$version;" \
		"or use Linux $HOME_VERSION, for which they are made"
}

# Hunks are made and mended beside the base they are for.
require_home() {
	[[ $(base_version) == "$HOME_VERSION" ]] ||
		die "$BASE is Linux $(base_version), and the hunks are made for $HOME_VERSION" \
			"do this with that as the base (without KDIR= and BASE_VERSION=);" \
			"what a version has otherwise is written by hand, in tools/seccomp-notify/tree"
}

staged_paths() { (cd "$1" && find . -type f -printf '%P\n' | sort); }
