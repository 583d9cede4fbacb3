// SPDX-License-Identifier: GPL-2.0

//! Numbers that more than one handler could mean.

use kernel::{
    fs::File,
    ioctl::{ioctls, In, Out, _IOR, _IOW},
    prelude::*,
};

const MAGIC: u32 = b'!' as u32;
const SET: u32 = _IOW::<u64>(MAGIC, 1);
const GET: u32 = _IOR::<u64>(MAGIC, 1);
const ADDFD: u32 = _IOW::<[u64; 3]>(MAGIC, 5);
const GETFD: u32 = _IOR::<u64>(MAGIC, 5);

struct Twice;

#[ioctls(magic = b'!')]
impl Twice {
    #[ioctl(_IOW(1) = SET)]
    fn set(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET)]
    fn set_again(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }
}

struct Also;

#[ioctls(magic = b'!')]
impl Also {
    #[ioctl(_IOW(1) = SET, also = GET)]
    fn set(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOR(1) = GET)]
    fn get(&self, _file: &File, _to: Out<u64>) -> Result<isize> {
        Ok(0)
    }
}

struct Extensible;

#[ioctls(magic = b'!')]
impl Extensible {
    #[ioctl(_IOW(5) = ADDFD, extensible(min = 16))]
    fn addfd(&self, _file: &File, _value: In<[u64; 3]>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOR(5) = GETFD)]
    fn getfd(&self, _file: &File, _to: Out<u64>) -> Result<isize> {
        Ok(0)
    }
}

fn main() {}
