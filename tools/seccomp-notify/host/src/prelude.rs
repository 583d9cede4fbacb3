// SPDX-License-Identifier: GPL-2.0

//! What every file has.

pub use crate::{
    current,
    error::{code::*, Error, Result},
    ffi::{c_int, c_uint},
    static_assert, uapi,
};
pub use ::pin_init::{pin_data, pin_init, pinned_drop, Init, PinInit, PinnedDrop};
pub use core::{ffi::CStr, pin::Pin};
pub use macros::vtable;

/// How memory is to be had. On the host, there is one way.
pub const GFP_KERNEL_ACCOUNT: () = ();
