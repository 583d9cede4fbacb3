// SPDX-License-Identifier: GPL-2.0

mod base;

fn main() {
    base::copy_crate("pin-init");
}
