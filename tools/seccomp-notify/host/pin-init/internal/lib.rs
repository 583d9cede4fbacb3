// SPDX-License-Identifier: GPL-2.0

//! The base tree's macros of `pin-init`.

include!(concat!(env!("OUT_DIR"), "/lib.rs"));
