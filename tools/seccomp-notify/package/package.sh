#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# make package [CONFIG=file] [IMPL=c]: Debian packages of the kernel, by its own
# bindeb-pkg, in build/package. CONFIG is the configuration of another kernel, as in
# /boot; without, it is the lean one with what Debian in a virtual machine needs.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

[[ -z $DEBUG ]] || die "a package is no kernel to find mistakes with" "make package without DEBUG="
if [[ -n ${CONFIG:-} ]]; then
	[[ -f $CONFIG ]] || die "CONFIG=$CONFIG is no file" "make package CONFIG=/boot/config-\$(uname -r)"
	CONFIG=$(readlink -f "$CONFIG")
	export CONFIG
fi
flavour=$(flavour_of)
flavour=package/$flavour
take_lock
"$TOOLS/setup.sh" build package
rm -f "$BUILD/package"/*.deb
"$TOOLS/kernel/kernel.sh" "$flavour" package
# dpkg-buildpackage says here what it has made.
rm -f "$BUILD/package"/*.buildinfo "$BUILD/package"/*.changes
say "in $BUILD/package:"
(cd "$BUILD/package" && printf '  %s\n' *.deb) >&2
say "the one to boot: dpkg -i $(cd "$BUILD/package" && echo linux-image-*.deb)"
