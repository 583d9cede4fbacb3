#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Installs the package of "make package" in a minimal Debian, boots that in QEMU, logs
# in, and has crun run a container whose mkdir(2) a supervisor answers. Takes root, for
# debootstrap; the kernel has to have 9p built in, as the lean one has.
#
# usage: boot.sh

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

debian=$BUILD/package/debian
log=$LOG/package-boot.log
suite=bookworm

make_debian() {
	local mirror
	mirror=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -n 1)
	rm -rf "$debian"
	say "installing Debian in $debian; the log is $log"
	debootstrap --variant=minbase --include=systemd-sysv,udev,crun,python3 \
		"$suite" "$debian" "$mirror"
}

install_kernel() {
	cp "$1" "$debian/root/kernel.deb"
	chroot "$debian" dpkg -i /root/kernel.deb
	chroot "$debian" passwd -d root
	echo debian > "$debian/etc/hostname"
	mkdir -p "$debian/root/bundle/rootfs/bin"
	cp "$BUILD/tools/busybox" "$debian/root/bundle/rootfs/bin/sh"
	cp "$TOOLS/package/container.py" "$debian/root"
}

((EUID == 0)) || die "debootstrap takes root"
mapfile -t images < <(find "$BUILD/package" -maxdepth 1 -name 'linux-image-*.deb')
((${#images[@]} == 1)) || die "there is no package of a kernel in $BUILD/package" "make package"
take_lock
"$TOOLS/setup.sh" build guest lab boot
{ make_debian && install_kernel "${images[0]}"; } > "$log" 2>&1 || {
	tail -n 15 "$log" >&2
	die "the package could not be installed" "the log is $log"
}
kernel=$(find "$debian/boot" -name 'vmlinuz-*')
release=${kernel##*/vmlinuz-}
grep -qx CONFIG_9P_FS=y "$debian/boot/config-$release" ||
	die "$release has no 9p built in, so it cannot be booted here" "make package without CONFIG="
# Emulated on a busy machine, the timer's interrupts may come too late for the kernel to
# believe in them: it is told not to check.
options='console=ttyS0 panic=-1 no_timer_check'
say "booting $release; what it says is in $LOG/package-console.log"
python3 "$TOOLS/package/console.py" "$LOG/package-console.log" "$release" \
	qemu-system-x86_64 -kernel "$kernel" -M q35 -cpu max -smp 2 -m 1G -nographic -no-reboot \
	-nic none -monitor none \
	-fsdev "local,id=root,path=$debian,security_model=none" \
	-device virtio-9p-pci,fsdev=root,mount_tag=root \
	-append "root=root rootfstype=9p rootflags=trans=virtio,version=9p2000.L rw $options"
