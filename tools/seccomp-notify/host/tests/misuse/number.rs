// SPDX-License-Identifier: GPL-2.0

//! Numbers that are not those of the UAPI header.

use kernel::{
    fs::File,
    ioctl::{ioctls, In, Out, ZeroedOut, _IOR, _IOW, _IOWR},
    prelude::*,
};

const MAGIC: u32 = b'!' as u32;
const SET: u32 = _IOW::<u64>(MAGIC, 1);
const SET_TOO: u32 = _IOW::<[u64; 2]>(MAGIC, 2);
const GET: u32 = _IOR::<u64>(MAGIC, 3);
const RECV: u32 = _IOWR::<u64>(MAGIC, 4);
const ADDFD: u32 = _IOW::<[u64; 3]>(MAGIC, 5);
const ADDFD_ELSEWHERE: u32 = _IOW::<[u64; 3]>(b'?' as u32, 5);
const GET_SHORT: u32 = _IOR::<u32>(MAGIC, 3);

struct Magic;

#[ioctls(magic = b'?')]
impl Magic {
    #[ioctl(_IOW(1) = SET)]
    fn set(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }
}

struct Listener;

#[ioctls(magic = b'!')]
impl Listener {
    #[ioctl(_IOW(2) = SET)]
    fn nr(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOWR(4) = self::SET_TOO)]
    fn nr_direction_and_size(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOWR(3) = GET)]
    fn direction(&self, _file: &File, _to: Out<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOWR(4) = RECV)]
    fn size(&self, _file: &File, _to: ZeroedOut<[u64; 2]>) -> Result<isize> {
        Ok(0)
    }
}

struct Also;

#[ioctls(magic = b'!')]
impl Also {
    #[ioctl(_IOW(5) = ADDFD, also = ADDFD_ELSEWHERE)]
    fn also_magic(&self, _file: &File, _value: In<[u64; 3]>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(2) = SET_TOO, also = SET)]
    fn also_nr(&self, _file: &File, _value: In<[u64; 2]>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOR(3) = GET, also = GET_SHORT)]
    fn also_size(&self, _file: &File, _to: Out<u64>) -> Result<isize> {
        Ok(0)
    }
}

struct Min;

#[ioctls(magic = b'!')]
impl Min {
    #[ioctl(_IOW(5) = ADDFD, extensible(min = 25))]
    fn more_than_there_is(&self, _file: &File, _value: In<[u64; 3]>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET, extensible(min = 0))]
    fn nothing(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }
}

struct Direction;

#[ioctls(magic = b'!')]
impl Direction {
    #[ioctl(_IOR(3) = GET)]
    fn read_what(&self, _file: &File, _value: In<u64>) -> Result<isize> {
        Ok(0)
    }

    #[ioctl(_IOW(1) = SET)]
    fn written_where(&self, _file: &File, _to: Out<u64>) -> Result<isize> {
        Ok(0)
    }
}

fn main() {}
