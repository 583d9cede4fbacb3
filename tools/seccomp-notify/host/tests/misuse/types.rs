// SPDX-License-Identifier: GPL-2.0

//! Types that do not fit.

use kernel::{
    fs::File,
    ioctl::{ioctls, In, Out, Value, _IO, _IOR, _IOW},
    prelude::*,
};

const RESET: u32 = _IO(b'!' as u32, 0);
const GET: u32 = _IOR::<u64>(b'!' as u32, 1);
const SET: u32 = _IOW::<u64>(b'!' as u32, 1);

/// Has padding, and says nothing of its bytes.
struct Opaque(#[allow(dead_code)] u8, #[allow(dead_code)] u64);

struct NotAnArgument;

#[ioctls(magic = b'!')]
impl NotAnArgument {
    #[ioctl(_IOW(1) = SET)]
    fn set(&self, _file: &File, _value: u64) -> Result<isize> {
        Ok(0)
    }
}

struct NotReadable;

#[ioctls(magic = b'!')]
impl NotReadable {
    #[ioctl(_IOW(1) = SET)]
    fn set(&self, _file: &File, _value: In<Opaque>) -> Result<isize> {
        Ok(0)
    }
}

struct NotWritable;

#[ioctls(magic = b'!')]
impl NotWritable {
    #[ioctl(_IOR(1) = GET)]
    fn get(&self, _file: &File, _to: Out<Opaque>) -> Result<isize> {
        Ok(0)
    }
}

struct NotExtensible;

#[ioctls(magic = b'!')]
impl NotExtensible {
    #[ioctl(_IOW(1) = SET, extensible(min = 8))]
    fn set(&self, _file: &File, _value: Value<u64>) -> Result<isize> {
        Ok(0)
    }
}

struct OtherResult;

#[ioctls(magic = b'!')]
impl OtherResult {
    #[ioctl(_IO(0) = RESET)]
    fn reset(&self, _file: &File) -> Result<u32> {
        Ok(0)
    }
}

fn main() {}
