// SPDX-License-Identifier: GPL-2.0

//! The base tree's `pin-init`.

#![no_std]

include!(concat!(env!("OUT_DIR"), "/lib.rs"));
