# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts of this directory share: where things lie, how they speak,
# the lock that keeps builds and guests apart.  Sourced, never run.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
TOOLS=$TOP/tools/seccomp-notify
BUILD=${BUILD:-$TOP/build}
# All in it can be written over, and is deleted by "make clean": whose it is says a
# mark.
if [[ ! -e $BUILD/.seccomp-notify && -n $(ls -A "$BUILD" 2> /dev/null) ]]; then
	printf 'error: %s\n' "BUILD=$BUILD has something in it, and is no build directory of this project" >&2
	exit 1
fi
if [[ $BUILD == *[[:space:]:]* ]]; then
	printf 'error: %s\n' "BUILD=$BUILD has a space or a colon in it, which make(1) cannot have" >&2
	exit 1
fi
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd -P)
[[ -e $BUILD/.seccomp-notify ]] || : > "$BUILD/.seccomp-notify"
# Variables of our make(1) mean something else to that of the kernel.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES

BASE=$BUILD/base		# the base tree as it came, never changed
LINUX=$BUILD/linux		# the base tree with this project's sources
LOG=$BUILD/log
ARM64_ROOT=$BUILD/tools/arm64	# what programs for arm64 are built with, and run on
IMPL=${IMPL:-rust}
ARCH=${ARCH:-x86_64}
KDIR=${KDIR:-}
DEBUG=${DEBUG:-}
V=${V:-}

HOME_VERSION=7.3		# the kernel this patch set is made for
BASE_VERSION=${BASE_VERSION:-$HOME_VERSION}	# and what is fetched for it
LLVM_VERSION=22
# What is built where the system's is older: those take structures of libclang 22
# for opaque ones.
BINDGEN_VERSION=0.72.1
VIRTME_VERSION=1.42
MUTANTS_VERSION=27.1.0
# The toolchain, by the names that the kernel's make has for it: LLVM is a suffix
# of its programs, or the path of their directory, with a slash; or 1.
LLVM=${LLVM:--$LLVM_VERSION}
RUSTC=${RUSTC:-/usr/bin/rustc}
BINDGEN=${BINDGEN:-bindgen}
export BASE LINUX ARM64_ROOT BASE_VERSION BINDGEN_VERSION MUTANTS_VERSION VIRTME_VERSION KDIR DEBUG V IMPL ARCH

# Tools this project built come first, then the system's: a toolchain in
# someone's home directory is not the one the kernel was tried with.
PATH=$BUILD/tools/cargo/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH
export LC_ALL=C.UTF-8

mkdir -p "$LOG"

# base_version <tree>: as 7.3
base_version() {
	awk '$1 == "VERSION" { v = $3 } $1 == "PATCHLEVEL" { print v "." $3; exit }' "$1/Makefile"
}

# What a base differs in from the one the hunks are made for: hunks of its own.
known_version() { [[ $1 == "$HOME_VERSION" || -d $TOOLS/tree/$1 ]]; }

say() { printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# llvm <program>: of the toolchain, as clang
llvm() {
	case $LLVM in
	*/) printf '%s%s\n' "$LLVM" "$1" ;;
	-*) printf '%s%s\n' "$1" "$LLVM" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# beside_rustc <program>: what comes with the compiler
beside_rustc() {
	case $RUSTC in
	*/*) printf '%s/%s\n' "${RUSTC%/*}" "$1" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# die <what happened> [<what to do>]...
die() {
	printf 'error: %s\n' "$1" >&2
	shift
	while (($#)); do
		printf '       %s\n' "$1" >&2
		shift
	done
	exit 1
}

have() { command -v "$1" > /dev/null 2>&1; }

clock() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# One guest or one build at a time: a guest beside a build fails its timing
# tests.  Held until the script that took it ends; scripts it calls share it.
take_lock() {
	[[ -z ${SECCOMP_NOTIFY_LOCKED:-} ]] || return 0
	exec {LOCK_FD}> "$BUILD/.lock"
	if ! flock -n "$LOCK_FD"; then
		say "waiting for another build or guest in $BUILD to end"
		flock "$LOCK_FD"
	fi
	export SECCOMP_NOTIFY_LOCKED=1
}

# The flavours of kernel: one output directory each, one list of fragments.
flavour_of() {
	local prefix

	prefix=$(flavour_prefix) || exit
	case ${1:-$IMPL} in
	rust | c) ;;
	*) die "IMPL=${1:-$IMPL} is not an implementation" "use IMPL=rust or IMPL=c" ;;
	esac
	printf '%s%s\n' "$prefix" "${1:-$IMPL}"
}

# What is before the implementation in the name of a flavour: the architecture that
# ARCH says, and the kind of kernel that finds what others do not, by what DEBUG says.
# The fragments of each have its name.
flavour_prefix() {
	case $ARCH in
	x86_64) ;;
	arm64) printf 'arm64-' ;;
	*) die "ARCH=$ARCH is no architecture this was tried on" "use ARCH=x86_64 or ARCH=arm64" ;;
	esac
	case $DEBUG in
	'') ;;
	1) printf 'debug-' ;;
	kcsan | rt) printf '%s-' "$DEBUG" ;;
	*) die "DEBUG=$DEBUG is no kind of kernel" "use DEBUG=1, DEBUG=kcsan or DEBUG=rt" ;;
	esac
}

# The fragments a flavour is configured from. Two of them belong to the tests
# that need them, and lie there. The first one of a package may be a whole
# configuration, of somebody's.
flavour_fragments() {
	local config=$TOOLS/kernel name=$1 kind
	local -a list=("$config/lean.config" "$LINUX/tools/testing/selftests/seccomp/config"
		"$config/$(arch_of "$name").config")

	if [[ $name == package/* && -n ${CONFIG:-} ]]; then
		list=("$CONFIG" "$config/package.config")
	elif [[ $name == package/* ]]; then
		list+=("$config/debian.config")
	fi
	name=${name#package/}
	name=${name#arm64-}
	for kind in debug kcsan rt cov; do
		[[ $name != "$kind"-* ]] || list+=("$config/$kind.config")
		name=${name#"$kind"-}
	done
	case $name in
	rust) list+=("$config/rust.config") ;;
	rust-outline) list+=("$config/rust.config" "$config/outline.config") ;;
	c) list+=("$config/c.config") ;;
	kunit) list+=("$LINUX/kernel/seccomp_notify/.kunitconfig" "$config/kunit.config") ;;
	*) die "no kernel is called $1" "there are: rust c kunit rust-outline, and all of them with debug- kcsan- rt- cov- or package/ before, and arm64- before that" ;;
	esac
	[[ ! -e $TOOLS/tree/$(base_version "$BASE")/config ]] || list+=("$TOOLS/tree/$(base_version "$BASE")/config")
	# What "make menuconfig" changed.
	[[ ! -e $BUILD/local.config ]] || list+=("$BUILD/local.config")
	printf '%s\n' "${list[@]}"
}

# What a debug kernel is told. While the boot CPU is identified, its features are
# unknown for a moment; if an interrupt comes just then, KASAN takes 5-level page
# tables for 4-level ones, reports a fault, and checks nothing from then on.
# shellcheck disable=SC2034
DEBUG_ARGS=no5lvl

arch_of() {
	case $1 in
	arm64-*) echo arm64 ;;
	*) echo x86_64 ;;
	esac
}

image_of() {
	case $(arch_of "$1") in
	arm64) printf '%s/%s/arch/arm64/boot/Image\n' "$BUILD" "$1" ;;
	*) printf '%s/%s/arch/x86/boot/bzImage\n' "$BUILD" "$1" ;;
	esac
}

# qemu_of <flavour>: QEMU's program and the machine, and where the kernel's console
# is there
qemu_of() {
	case $(arch_of "$1") in
	arm64) echo qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on ;;
	*) echo qemu-system-x86_64 -M q35 -cpu max ;;
	esac
}

console_of() {
	case $(arch_of "$1") in
	arm64) echo ttyAMA0 ;;
	*) echo ttyS0 ;;
	esac
}

# make(1) in the kernel tree, as every build here calls it.
kernel_make() {
	local flavour=$1
	shift
	# To the libraries under tools/, DEBUG means something else, and to what compiles for
	# this machine, CROSS_COMPILE means another. Of several versions of
	# libclang, bindgen shall take that of the compiler.
	env -u DEBUG -u CROSS_COMPILE LIBCLANG_PATH="${LIBCLANG_PATH:-$("$(llvm llvm-config)" --libdir)}" \
		KBUILD_BUILD_TIMESTAMP='2026-01-01' KBUILD_BUILD_USER=seccomp-notify \
		KBUILD_BUILD_HOST=build KBUILD_BUILD_VERSION=1 \
		make -C "$LINUX" O="$BUILD/$flavour" ARCH="$(arch_of "$flavour")" LLVM="$LLVM" \
		RUSTC="$RUSTC" RUSTDOC="$(beside_rustc rustdoc)" RUSTFMT="$(beside_rustc rustfmt)" \
		CLIPPY_DRIVER="$(beside_rustc clippy-driver)" BINDGEN="$BINDGEN" ${V:+V=1} "$@"
}

# adopt_objects <directory> <copy> <tree>: objects that were built of a tree, for
# another directory and $LINUX. make(1) compares commands, too, and some name both.
adopt_objects() {
	rm -rf "$2.new"
	cp -a --reflink=auto "$1" "$2.new"
	find "$2.new" -name '.*.cmd' -exec sed -i -E \
		-e "s#$1([^-[:alnum:]]|\$)#$2\\1#g" -e "s#$3([^-[:alnum:]]|\$)#$LINUX\\1#g" {} +
	mv "$2.new" "$2"
}

# What cargo downloads stays under build/; where it downloads from is the
# user's setting.
cargo_home() {
	local user=${CARGO_HOME:-${HOME:-}/.cargo} name
	export CARGO_HOME=$BUILD/tools/cargo-home
	mkdir -p "$CARGO_HOME"
	for name in config.toml credentials.toml; do
		[[ ! -e $user/$name || $user -ef $CARGO_HOME ]] || ln -sf "$user/$name" "$CARGO_HOME/$name"
	done
}

# Where apt gets Debian from.
debian_mirror() {
	local -a targets=(apt-get indextargets --format '$(REPO_URI)'
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian')
	local mirror

	mirror=$("${targets[@]}" | sort -u | head -n 1)
	if [[ -z $mirror ]] && ((EUID == 0)); then
		apt-get update > "$LOG/apt.log" 2>&1 || true
		mirror=$("${targets[@]}" | sort -u | head -n 1)
	fi
	printf '%s\n' "$mirror"
}

# private_apt <directory> <suite>: leaves in the array apt a command that knows that
# suite alone, and keeps what it knows in that directory
private_apt() {
	# shellcheck disable=SC2034
	apt=(apt-get -o "Dir::Etc::sourcelist=$1/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::lists=$1/lists" -o "Dir::Cache=$1/cache"
		-o "APT::Sandbox::User=$(id -un)" -q)
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
	printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
		"$(debian_mirror)" "$2" > "$1/sources.list"
}
