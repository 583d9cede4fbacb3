// SPDX-License-Identifier: GPL-2.0

//! Ioctl numbers, for which the host needs no bindings, and the kernel's ways to take arguments.

#![allow(non_snake_case)]

#[path = "../../../../rust/kernel/ioctl/args.rs"]
mod args;

pub use self::args::*;
pub use macros::ioctls;

const fn _IOC(dir: u32, ty: u32, nr: u32, size: usize) -> u32 {
    assert!(dir < 1 << 2 && ty < 1 << 8 && nr < 1 << 8 && size < 1 << 14);
    dir << 30 | (size as u32) << 16 | ty << 8 | nr
}

pub const fn _IO(ty: u32, nr: u32) -> u32 {
    _IOC(0, ty, nr, 0)
}

pub const fn _IOR<T>(ty: u32, nr: u32) -> u32 {
    _IOC(crate::uapi::_IOC_READ, ty, nr, size_of::<T>())
}

pub const fn _IOW<T>(ty: u32, nr: u32) -> u32 {
    _IOC(crate::uapi::_IOC_WRITE, ty, nr, size_of::<T>())
}

pub const fn _IOWR<T>(ty: u32, nr: u32) -> u32 {
    _IOC(
        crate::uapi::_IOC_READ | crate::uapi::_IOC_WRITE,
        ty,
        nr,
        size_of::<T>(),
    )
}

pub const fn _IOC_DIR(nr: u32) -> u32 {
    nr >> 30
}

pub const fn _IOC_TYPE(nr: u32) -> u32 {
    nr >> 8 & 0xff
}

pub const fn _IOC_NR(nr: u32) -> u32 {
    nr & 0xff
}

pub const fn _IOC_SIZE(nr: u32) -> usize {
    (nr >> 16 & 0x3fff) as usize
}
