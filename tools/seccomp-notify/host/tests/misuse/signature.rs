// SPDX-License-Identifier: GPL-2.0

//! Handlers with another signature than an ioctl's.

#![allow(unused_imports)]

use kernel::{
    fs::File,
    ioctl::{ioctls, In, _IO, _IOW},
    prelude::*,
};

const RESET: u32 = _IO(b'!' as u32, 0);
const SET: u32 = _IOW::<u64>(b'!' as u32, 1);

struct Listener;

#[ioctls(magic = b'!')]
impl Listener {
    #[ioctl(_IO(0) = RESET)]
    fn no_receiver(_file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0) = RESET)]
    fn no_parameters() -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0) = RESET)]
    fn exclusive(&mut self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0) = RESET)]
    fn no_file(&self) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET)]
    fn no_argument(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET)]
    fn two_arguments(&self, _file: &File, _a: In<u64>, _b: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0) = RESET)]
    fn no_result(&self, _file: &File) {}

    #[ioctl(_IO(0) = RESET)]
    unsafe fn not_safe(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IO(0) = RESET)]
    async fn not_now(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET)]
    fn generic<T>(&self, _file: &File, _a: In<T>) -> Result<isize> {
        Ok(0)
    }
}

struct Receivers;

#[ioctls(magic = b'!')]
impl Receivers {
    #[ioctl(_IO(0) = RESET)]
    fn reset(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET)]
    fn set(self: Box<Self>, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }
}

struct Files;

#[ioctls(magic = b'!')]
impl Files {
    #[ioctl(_IO(0) = RESET)]
    fn reset(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET)]
    fn set(&self, _file: u32, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }
}

fn main() {}
