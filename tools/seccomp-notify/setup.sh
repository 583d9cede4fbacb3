#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Brings what building, booting and testing need: Debian packages that are
# missing, bindgen, virtme-ng and a static busybox.  The last three lie under
# build/.
#
# usage: setup.sh [build|guest|test|check|series|docs|menuconfig|lab|arm64|package|boot]...	(build always)

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages_build=(bc bison ca-certificates cargo-web flex gcc libc6-dev libelf-dev
	libssl-dev make patch perl python3 rsync xz-utils)
# Who gives another toolchain has it.
[[ $LLVM != "-$LLVM_VERSION" ]] || packages_build+=("clang-$LLVM_VERSION"
	"libclang-$LLVM_VERSION-dev" "lld-$LLVM_VERSION" "llvm-$LLVM_VERSION")
[[ $RUSTC != /usr/bin/rustc ]] || packages_build+=(rust-web-src rustc-web)
packages_guest=(iproute2 kmod procps python3-venv qemu-system-x86 udev)
packages_test=(binutils gcc-multilib libcap-dev)
packages_check=(git python3-yaml rust-web-clippy rustfmt-web
	shellcheck)
packages_series=(git)
# Not all of what dpkg-checkbuilddeps would ask for: gcc builds nothing here.
packages_package=(debhelper dpkg-dev kmod libdw-dev)
packages_boot=(debootstrap)
packages_arm64=(qemu-system-arm)
packages_menuconfig=(libncurses-dev)
packages_docs=(graphviz groff-base mandoc python3-sphinx python3-yaml)

wanted=("${packages_build[@]}")
guest=
lab=
arm64=
for group in "$@"; do
	case $group in
	build) ;;
	guest) wanted+=("${packages_guest[@]}"); guest=1 ;;
	test) wanted+=("${packages_test[@]}") ;;
	check) wanted+=("${packages_check[@]}") ;;
	series) wanted+=("${packages_series[@]}") ;;
	menuconfig) wanted+=("${packages_menuconfig[@]}") ;;
	docs) wanted+=("${packages_docs[@]}") ;;
	lab) lab=1 ;;
	arm64) wanted+=("${packages_arm64[@]}"); arm64=1 ;;
	boot) wanted+=("${packages_boot[@]}") ;;
	package) wanted+=("${packages_package[@]}") ;;
	*) die "setup.sh knows no group $group" ;;
	esac
done

# What apt would remove to install these.
removed_for() {
	apt-get install -s --no-install-recommends "$@" 2> /dev/null | awk '/^Remv / { print $2 }'
}

install_with_apt() {
	local -a how=(--no-remove)

	apt-get update > "$LOG/apt.log" 2>&1 || return
	# Nothing of others is removed: Debian's two Rusts, and rustup's packages, exclude
	# each other. But QEMU's tools are, if they are of a newer suite than its emulator.
	if [[ $(removed_for "$@") == qemu-utils ]]; then
		say "removing qemu-utils, which does not go with the QEMU that apt installs"
		how=()
	fi
	apt-get install -y "${how[@]}" --no-install-recommends "$@" >> "$LOG/apt.log" 2>&1
}

install_packages() {
	local package
	local -a missing=()

	if ! have dpkg-query || ! have apt-get; then
		say "This is not a Debian system; the tools have to be there already:"
		say "  clang, lld and llvm $LLVM_VERSION, rustc with its sources, cargo, rustfmt, clippy, QEMU"
		say "In Debian's names: ${wanted[*]}"
		say "Others can be given: LLVM= as the kernel's make has it, RUSTC=, BINDGEN="
		return
	fi
	for package in "${wanted[@]}"; do
		[[ $(dpkg-query -W -f '${Status}' "$package" 2> /dev/null) == *' installed' ]] ||
			missing+=("$package")
	done
	((${#missing[@]})) || return 0
	mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

	if ((EUID != 0)); then
		die "packages are missing, and installing them takes root" \
			"run: sudo apt-get install ${missing[*]}" \
			"and then the same command again"
	fi
	say "missing packages: ${missing[*]}"
	say "installing them; the log is $LOG/apt.log"
	export DEBIAN_FRONTEND=noninteractive
	if ! install_with_apt "${missing[@]}"; then
		tail -n 15 "$LOG/apt.log" >&2
		die "apt-get could not install them, or would have removed others" \
			"the whole log is $LOG/apt.log; what stands in the way has to be removed by you"
	fi
}

# is_new_enough <version of bindgen>
is_new_enough() {
	[[ $1 == [0-9]* && $(printf '%s\n' "$BINDGEN_VERSION" "$1" | sort -V | head -n 1) == "$BINDGEN_VERSION" ]]
}

# One that is given, or the system's if it is new enough, or one that is built.
install_bindgen() {
	local version

	version=$("$BINDGEN" --version 2> /dev/null | awk 'NR == 1 { print $2 }') || true
	if is_new_enough "$version"; then
		return
	fi
	[[ $BINDGEN == bindgen ]] || die "BINDGEN=$BINDGEN is version ${version:-unknown}" \
		"what is taken is $BINDGEN_VERSION and later"
	if have apt-cache && ((EUID == 0)); then
		version=$(apt-cache policy bindgen 2> /dev/null | awk '$1 == "Candidate:" { print $2 }')
		if is_new_enough "$version"; then
			wanted=(bindgen)
			install_packages
			return
		fi
	fi
	have cargo || die "there is no cargo to build bindgen with" "install cargo 1.85 or later"
	say "building bindgen $BINDGEN_VERSION; the log is $LOG/bindgen.log"
	cargo_home
	CARGO_TARGET_DIR=$BUILD/tools/bindgen-target RUSTC=$RUSTC \
		cargo install --locked "bindgen-cli@$BINDGEN_VERSION" --root "$BUILD/tools/cargo" \
		> "$LOG/bindgen.log" 2>&1 || {
		tail -n 15 "$LOG/bindgen.log" >&2
		die "bindgen did not build" "the whole log is $LOG/bindgen.log"
	}
	rm -rf "$BUILD/tools/bindgen-target"
}

install_virtme() {
	local venv=$BUILD/venv

	[[ $("$venv/bin/vng" --version 2> /dev/null) != *"$VIRTME_VERSION"* ]] || return 0
	say "installing virtme-ng $VIRTME_VERSION; the log is $LOG/virtme-ng.log"
	rm -rf "$venv"
	{ python3 -m venv "$venv" &&
		"$venv/bin/pip" install --no-cache-dir "virtme-ng==$VIRTME_VERSION"; } \
		> "$LOG/virtme-ng.log" 2>&1 || {
		tail -n 15 "$LOG/virtme-ng.log" >&2
		die "virtme-ng could not be installed" "the whole log is $LOG/virtme-ng.log"
	}
}

# Unpacked, not installed: it would take the place of the system's.
install_busybox() {
	local busybox=$BUILD/tools/busybox unpacked=$BUILD/tools/busybox-static

	[[ ! -x $busybox ]] || return 0
	rm -rf "$unpacked"
	mkdir -p "$unpacked"
	if ! (cd "$unpacked" && apt-get -o "APT::Sandbox::User=$(id -un)" download busybox-static &&
		dpkg-deb -x busybox-static_*.deb . && mv bin/busybox "$busybox") \
		> "$LOG/busybox.log" 2>&1; then
		tail -n 15 "$LOG/busybox.log" >&2
		die "there is no static busybox" "put one at $busybox; the log is $LOG/busybox.log"
	fi
	rm -rf "$unpacked"
}

# Those that are given may be others than the kernel can be built with, which the
# kernel says; not even to be there is said here.
require_toolchain() {
	local program

	for program in "$(llvm clang)" "$(llvm ld.lld)" "$(llvm llvm-config)" "$RUSTC"; do
		have "$program" || die "there is no $program" \
			"LLVM=$LLVM and RUSTC=$RUSTC say where the toolchain is: LLVM= is a suffix" \
			"of its programs' names, or their directory, with a slash behind"
	done
}

# What programs for another architecture are built with and linked to, and the
# busybox for it: unpacked, as nothing of it runs here.
install_sysroot() {
	local suite libgcc deb
	local -a apt

	[[ ! -e $ARM64_ROOT/usr/bin/timeout ]] || return 0
	say "fetching what programs for arm64 need; the log is $LOG/arm64.log"
	suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	private_apt "$BUILD/apt-arm64" "$suite"
	apt+=(-o APT::Architecture=arm64 -o APT::Architectures::=arm64)
	if ! (
		cd "$BUILD/apt-arm64" && rm -rf ./*.deb "$ARM64_ROOT.new" && "${apt[@]}" update &&
			libgcc=$(apt-cache "${apt[@]:1}" pkgnames libgcc- |
				grep -E '^libgcc-[0-9]+-dev$' | sort -V | tail -n 1) &&
			"${apt[@]}" download busybox-static coreutils "$libgcc" libc6 libc6-dev libcap2 \
				libcap-dev linux-libc-dev libgcc-s1 || exit
		for deb in *.deb; do
			dpkg-deb -x "$deb" "$ARM64_ROOT.new" || exit
		done
		# Where all is under /usr, libc.so still says /lib.
		[[ -e $ARM64_ROOT.new/lib ]] || ln -s usr/lib "$ARM64_ROOT.new/lib"
		mv "$ARM64_ROOT.new" "$ARM64_ROOT"
	) > "$LOG/arm64.log" 2>&1; then
		tail -n 15 "$LOG/arm64.log" >&2
		die "what programs for arm64 need could not be fetched" "the whole log is $LOG/arm64.log"
	fi
}

take_lock
install_packages
require_toolchain
install_bindgen
[[ -z $guest ]] || install_virtme
[[ -z $lab ]] || install_busybox
[[ -z $arm64 ]] || install_sysroot
