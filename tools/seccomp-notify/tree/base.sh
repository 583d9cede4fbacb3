#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Puts the base tree, an unpacked Linux as it came, into build/base: from KDIR if
# that is set, otherwise from Debian's package of the source of Linux
# $BASE_VERSION, which apt verifies.  Nothing is written to KDIR, nor to the
# system's apt sources.
#
# build/base.from says which tree it is: the package, or KDIR and a checksum of
# what was copied, as a tree can change under the same path.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# Where Debian may keep it, the likeliest first.
suites=(trixie-backports forky-backports forky sid)
package=linux-source-$BASE_VERSION
stamp=$BUILD/base.from

require_tree() {
	[[ -f $1/Makefile && -f $1/kernel/seccomp.c ]] ||
		die "$1 is not a Linux source tree" "KDIR has to name an unpacked Linux $HOME_VERSION"
	known_version "$(base_version "$1")" ||
		warn "$1 is Linux $(base_version "$1"), which nobody has tried; this patch set is for $HOME_VERSION"
}

copy_kdir() {
	local from
	[[ -d $KDIR ]] || die "KDIR=$KDIR is not a directory"
	from=$(cd "$KDIR" && pwd -P)
	[[ $from != "$BASE" && $from != "$LINUX" ]] ||
		die "KDIR=$KDIR is a tree this project keeps" "leave KDIR unset to use it"
	require_tree "$from"
	if [[ ! -d $BASE || $(cat "$stamp" 2> /dev/null) != "$from "* ]]; then
		say "copying $from to $BASE"
	fi
	echo incomplete > "$stamp"
	# Copies, never links: nothing done here can reach KDIR.
	rsync -a --delete --exclude=/.git --exclude='*.o' --exclude='.*.cmd' "$from/" "$BASE/"
	if [[ -e $BASE/.config || -d $BASE/include/config || -d $BASE/include/generated ]]; then
		make -C "$BASE" ARCH=x86_64 mrproper > "$LOG/mrproper.log" 2>&1 ||
			die "the copy of $from could not be cleaned" "the log is $LOG/mrproper.log"
	fi
	printf '%s %s\n' "$from" "$(listing "$BASE" | sha256sum | cut -c 1-16)" > "$stamp"
}

# What rsync goes by: each file's name, size and time.  mrproper and the copy
# leave the time of a source as it is in KDIR.
listing() { (cd "$1" && find . ! -type d -printf '%P %s %T@\n' | sort); }

fetch() {
	local suite deb

	have apt-get || die "there is no apt to fetch Linux $BASE_VERSION with" \
		"unpack Linux $BASE_VERSION somewhere and set KDIR to it"
	[[ -n $(debian_mirror) ]] || die "apt knows no Debian mirror to fetch Linux $BASE_VERSION from" \
		"run apt-get update, or set KDIR to an unpacked Linux $BASE_VERSION"

	: > "$LOG/base.log"
	for suite in "${suites[@]}"; do
		say "looking for $package in $suite; the log is $LOG/base.log"
		private_apt "$BUILD/apt" "$suite"
		cd "$BUILD/apt"
		"${apt[@]}" update >> "$LOG/base.log" 2>&1 || continue
		say "fetching it"
		# What is not all there is not taken for it by the next run.
		rm -rf fetched "$package"_*.deb
		mkdir fetched
		if (cd fetched && "${apt[@]}" download "$package" >> "$LOG/base.log" 2>&1); then
			mv fetched/*.deb .
			break
		fi
	done
	deb=$(find . -maxdepth 1 -name "${package}_*.deb" | head -n 1)
	[[ -n $deb ]] || die "no suite has $package (any more): ${suites[*]}" \
		"the log is $LOG/base.log; set KDIR to an unpacked Linux $HOME_VERSION," \
		"or BASE_VERSION to what there is: $(known_versions)"

	unpack "$deb"
}

known_versions() {
	printf '%s' "$HOME_VERSION"
	find "$TOOLS/tree" -mindepth 1 -maxdepth 1 -type d -printf ' %f'
}

unpack() {
	say "unpacking $(basename "$1")"
	rm -rf "$BUILD/apt/unpacked" "$BASE.new"
	dpkg-deb -x "$1" "$BUILD/apt/unpacked"
	mkdir "$BASE.new"
	tar -C "$BASE.new" --strip-components=1 -xf "$BUILD/apt/unpacked/usr/src/$package.tar.xz"
	rm -rf "$BUILD/apt/unpacked"
	require_tree "$BASE.new"
	rm -rf "$BASE"
	mv "$BASE.new" "$BASE"
	printf '%s\n' "$package" > "$stamp"
}

known_version "$BASE_VERSION" || die "BASE_VERSION=$BASE_VERSION is no base of this patch set" \
	"there are: $(known_versions); another tree can be tried with KDIR="
take_lock
if [[ -n $KDIR ]]; then
	copy_kdir
	exit
fi
if [[ -d $BASE && $(cat "$stamp" 2> /dev/null) == "$package" ]]; then
	require_tree "$BASE"
	exit
fi
deb=$(find "$BUILD/apt" -maxdepth 1 -name "${package}_*.deb" 2> /dev/null | head -n 1 || true)
if [[ -n $deb ]]; then
	unpack "$deb"
else
	fetch
fi
