// SPDX-License-Identifier: GPL-2.0

//! Mistakes in what `#[ioctl]` says.

#![allow(unused_imports)]

use kernel::{
    fs::File,
    ioctl::{ioctls, In, Value, _IO, _IOW},
    prelude::*,
};

const RESET: u32 = _IO(b'!' as u32, 0);
const SET: u32 = _IOW::<u64>(b'!' as u32, 1);

struct Listener;

#[ioctls(magic = b'!')]
impl Listener {
    #[ioctl]
    fn nothing(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(RESET)]
    fn constant_only(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOX(0) = RESET)]
    fn no_such_kind(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO() = RESET)]
    fn no_number(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1, u64) = SET)]
    fn as_in_c(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0))]
    fn no_constant(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0) = RESET, aslo = SET)]
    fn misspelt(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET, extensible)]
    fn extensible_from_what(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET, extensible(8))]
    fn extensible_without_min(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET, extensible(min = 8), extensible(min = 8))]
    fn extensible_twice(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0) = RESET, extensible(min = 8))]
    fn extensible_without_size(&self, _file: &File, _value: Value<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0) = RESET)]
    #[ioctl(_IOW(1) = SET)]
    fn two(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }
}

fn main() {}
