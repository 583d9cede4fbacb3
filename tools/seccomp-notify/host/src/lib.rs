// SPDX-License-Identifier: GPL-2.0

//! What the sources under test use of the `kernel` crate.

pub mod ioctl;
pub mod uaccess;

pub mod error {
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct Error(i32);

    pub type Result<T = (), E = Error> = core::result::Result<T, E>;

    pub mod code {
        use super::Error;

        pub const E2BIG: Error = Error(-7);
        pub const EFAULT: Error = Error(-14);
        pub const EINVAL: Error = Error(-22);
        pub const ENOTTY: Error = Error(-25);
    }
}

pub mod fs {
    pub struct File;
}

pub mod page {
    pub const PAGE_SIZE: usize = 4096;
}

pub mod prelude {
    pub use crate::{
        error::{code::*, Error, Result},
        uapi,
    };
}

pub mod transmute {
    /// # Safety
    ///
    /// See the kernel's.
    pub unsafe trait FromBytes {}

    /// # Safety
    ///
    /// See the kernel's.
    pub unsafe trait AsBytes {}

    // SAFETY: Integers have neither padding nor bit patterns that are not valid.
    unsafe impl FromBytes for u64 {}
    // SAFETY: See above.
    unsafe impl AsBytes for u64 {}
    // SAFETY: Arrays are no more than their items.
    unsafe impl<T: FromBytes, const N: usize> FromBytes for [T; N] {}
    // SAFETY: See above.
    unsafe impl<T: AsBytes, const N: usize> AsBytes for [T; N] {}
}

pub mod uapi {
    pub const _IOC_WRITE: u32 = 1;
    pub const _IOC_READ: u32 = 2;
}
