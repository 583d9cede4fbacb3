// SPDX-License-Identifier: GPL-2.0

//! Brings sources of the base tree into a build: the base has no manifests for them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Copies the sources of the crate `rust/<name>/src` to `OUT_DIR`.
///
/// They are included from there. Attributes of the crate have no place in what is included: they
/// are left out, and so is the crate's documentation.
pub fn copy_crate(name: &str) {
    let from = base().join("rust").join(name).join("src");
    let to = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets this"));

    println!("cargo:rerun-if-changed={}", from.display());
    for entry in fs::read_dir(&from).expect("the base has this directory") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("it has a name");
        let text = fs::read_to_string(&path).expect("it is a file of text");

        fs::write(to.join(name), without_attributes(&text)).expect("this can be written");
    }
}

/// The base tree, with what is needed of it.
fn base() -> PathBuf {
    println!("cargo:rerun-if-env-changed=LINUX");
    let base = env::var_os("LINUX").map_or_else(
        || {
            let top = Path::new(env!("CARGO_MANIFEST_DIR"))
                .ancestors()
                .find(|dir| dir.join("kernel/seccomp_notify").is_dir())
                .expect("this is somewhere in the project's tree");
            top.join("build/linux")
        },
        PathBuf::from,
    );

    assert!(
        base.join("rust/pin-init").is_dir(),
        "there is no Linux tree at {}: `make apply` brings one, or LINUX= says where it is",
        base.display()
    );
    base
}

fn without_attributes(text: &str) -> String {
    let mut is_attribute = false;
    let mut kept = String::new();

    for line in text.lines() {
        is_attribute |= line.starts_with("#![");
        if !is_attribute && !line.starts_with("//!") {
            kept.push_str(line);
        }
        kept.push('\n');
        is_attribute &= !line.ends_with(']');
    }
    kept
}
