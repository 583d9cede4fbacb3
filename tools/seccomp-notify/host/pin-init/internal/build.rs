// SPDX-License-Identifier: GPL-2.0

#[path = "../base.rs"]
mod base;

fn main() {
    base::copy_crate("pin-init/internal");
}
