// SPDX-License-Identifier: GPL-2.0

//! What the sources under test use of the `kernel` crate.
//!
//! The modules are those of the kernel's crate, with as much in them as is used. Some are the
//! kernel's own sources: those of `shipped`, and a few that others include.
//!
//! What blocks rests on `blocking` alone, which is threads of the host, or of a model checker that
//! decides when each of them runs.

extern crate self as kernel;

pub mod bindings;
pub mod blocking;
pub mod error;
pub mod fs;
pub mod ioctl;
pub mod machine;
pub mod mm;
pub mod prelude;
pub mod random;
pub mod seq_file;
pub mod sync;
pub mod task;
pub mod time;
pub mod tracepoint;
pub mod transmute;
pub mod uaccess;
mod unwinding;

// With a path, this is where the modules in it lie.
#[path = "../../../../rust/kernel"]
mod shipped {
    pub mod seccomp;
}
pub use shipped::seccomp;

pub mod ffi {
    //! As the kernel has it: a `c_ulong` is a `usize`.

    pub use core::ffi::{c_int, c_uint};
}

pub mod page {
    pub const PAGE_SIZE: usize = 4096;
}

pub mod sizes {
    pub const SZ_1M: usize = 1 << 20;
}

pub mod uapi {
    pub const _IOC_WRITE: u32 = 1;
    pub const _IOC_READ: u32 = 2;
}

#[macro_export]
macro_rules! static_assert {
    ($condition:expr) => {
        const _: () = assert!($condition);
    };
}

#[macro_export]
macro_rules! container_of {
    ($field:expr, $Container:ty, $($fields:tt)*) => {
        $field
            .byte_sub(core::mem::offset_of!($Container, $($fields)*))
            .cast::<$Container>()
    };
}
