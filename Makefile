# SPDX-License-Identifier: GPL-2.0
#
# Entry points.  Each calls one script of tools/seccomp-notify, which brings
# what it needs.  Variables: IMPL=rust|c, DEBUG=1, KDIR=, BASE_VERSION=, BUILD=, V=1,
# and another toolchain's: LLVM=, RUSTC=, BINDGEN=.

TOOLS := tools/seccomp-notify
export IMPL DEBUG KDIR BASE_VERSION BUILD V FORCE CMD RWDIR GDB TEST QUICK CHECK TIME SEED ROUND EVERY SHARD LAB_URL CONFIG ARCH LLVM RUSTC BINDGEN

.PHONY: help
help:
	@echo 'make run          build, boot and show a supervisor at work'
	@echo 'make shell        the same kernel, and a shell in it; GDB=1 waits for gdb first'
	@echo 'make test         everything there is to prove; DEBUG=1 adds KASAN and lockdep'
	@echo "make selftest TEST='…' one program of the selftests, with its arguments"
	@echo 'make report       the last test run as one file of JUnit XML'
	@echo 'make fuzz         everything at once, at random, with DEBUG=1; TIME= seconds, SEED='
	@echo 'make mutants      whether the host tests notice mistakes: an hour or two'
	@echo 'make trace        how long notifications took, from their tracepoints'
	@echo 'make bench        what a round trip costs, C and Rust; QUICK=1 with fewer'
	@echo 'make coverage     which lines the selftests execute'
	@echo 'make lab          the selftests for a kernel lab: kernel, initramfs, job for LAVA'
	@echo 'make kernel       build only; IMPL=rust (default) or IMPL=c'
	@echo 'make package      Debian packages of it; CONFIG=/boot/config-… is another configuration'
	@echo "make exec CMD='…' run a command of yours in the guest; RWDIR= is writable there"
	@echo 'make menuconfig   change the configuration before building'
	@echo 'make check        style: checkpatch, rustfmt, clippy, SPDX'
	@echo 'make series       the mailable patch sets, in build/series; CHECK=1 builds each patch'
	@echo 'make docs         the documentation as HTML, in build/docs; the figures with it'
	@echo 'make rustdoc      that of the abstractions, as rustdoc makes it'
	@echo 'make apply        lay the sources into build/linux'
	@echo 'make refresh      bring edits in build/linux back as hunks and files'
	@echo 'make clean        remove all that was built and fetched'
	@echo 'Variables: KDIR= an unpacked Linux, BASE_VERSION=7.2, BUILD= where to build, V=1 full output'
	@echo 'Another toolchain: LLVM= as for the kernel, RUSTC=, BINDGEN='

# These are about this machine, or boot on its files.
ifneq ($(filter-out x86_64,$(ARCH)),)
ifneq ($(filter run trace shell exec selftest mutants fuzz coverage lab package menuconfig,$(MAKECMDGOALS)),)
$(error ARCH=$(ARCH) is for make kernel, make test and make bench)
endif
endif

.PHONY: run trace shell test report selftest mutants fuzz bench coverage lab kernel package exec menuconfig check series docs rustdoc apply refresh clean
run trace: SCRIPT = demo/$@.sh
shell exec: SCRIPT = vm/$@.sh
test report selftest mutants fuzz check: SCRIPT = test/$@.sh
bench: SCRIPT := bench/bench.sh
coverage: SCRIPT := coverage/coverage.sh
lab: SCRIPT := lab/lab.sh
kernel: SCRIPT := kernel/kernel.sh
package: SCRIPT := package/package.sh
menuconfig: SCRIPT := kernel/kernel.sh '' menuconfig
docs rustdoc: SCRIPT = docs/$@.sh
series: SCRIPT := series/series.sh $(if $(CHECK),check,mail)
apply refresh clean: SCRIPT = tree/$@.sh
run trace shell test report selftest mutants fuzz bench coverage lab kernel package exec menuconfig check series docs rustdoc apply refresh clean:
	@$(TOOLS)/$(SCRIPT)
