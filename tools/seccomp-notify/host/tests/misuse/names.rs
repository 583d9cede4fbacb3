// SPDX-License-Identifier: GPL-2.0

//! Names that there are not.

use kernel::{
    fs::File,
    ioctl::{ioctls, _IO},
    prelude::*,
};

const RESET: u32 = _IO(b'!' as u32, 0);

struct Listener;

#[ioctls(magic = b'!', unknown = ENOERR)]
impl Listener {
    #[ioctl(_IO(0) = RESET, also = REST)]
    fn reset(&self, _file: &File) -> Result<isize> {
        Ok(0)
    }
}

fn main() {}
