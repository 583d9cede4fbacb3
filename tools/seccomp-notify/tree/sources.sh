# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which of the project's files are kernel sources, and what they make of the
# base tree.  Sourced, never run.
#
# A new file of the kernel stands at its path there.  A change to X, a file of
# the base, is the unified diff X.patch beside where X would be.

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
stage_sources() {
	local stage=$1 path file log=$LOG/apply.log

	rm -rf "$stage"
	mkdir -p "$stage"
	while IFS= read -r path; do
		mkdir -p "$stage/$(dirname "$path")"
		if [[ $path != *.patch ]]; then
			[[ ! -e $BASE/$path ]] ||
				die "$path is a whole file here, but the base tree has it" \
					"make it a hunk: diff -u $BASE/$path $TOP/$path > $path.patch"
			cp "$TOP/$path" "$stage/$path"
			continue
		fi
		file=${path%.patch}
		[[ -f $BASE/$file ]] ||
			die "$path changes $file, which the base tree does not have" \
				"a new file of the kernel stands whole at its own path"
		cp "$BASE/$file" "$stage/$file"
		chmod u+w "$stage/$file"
		if ! patch --fuzz=0 --no-backup-if-mismatch --reject-file=- \
			"$stage/$file" "$TOP/$path" > "$log" 2>&1; then
			sed 's/^/  /' "$log" >&2
			die "a hunk of $path does not apply to the base's $file" \
				"the base is $(head -n 5 "$BASE/Makefile" | sed -n 's/^[A-Z]*LEVEL = //p' | paste -sd. | sed 's/^/7./'), at $BASE;" \
				"bring the hunk to this version of the file, or use the base it was made for"
		fi
	done < <(source_paths)
}

staged_paths() { (cd "$1" && find . -type f -printf '%P\n' | sort); }
