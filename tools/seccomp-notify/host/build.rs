// SPDX-License-Identifier: GPL-2.0

//! What Kconfig says of the sources under test.

fn main() {
    println!("cargo:rustc-cfg=CONFIG_RUST_SYNC_WAITER_KUNIT_TEST");
    println!("cargo:rustc-cfg=CONFIG_SECCOMP_NOTIFY_RUST");
    println!("cargo:rerun-if-changed=build.rs");
}
