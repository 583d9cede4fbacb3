// SPDX-License-Identifier: GPL-2.0

//! Mistakes in what `#[ioctls]` says, and in where it is.

use kernel::ioctl::ioctls;

struct NoMagic;

#[ioctls(unknown = EINVAL)]
impl NoMagic {}

struct Misspelt;

#[ioctls(magik = b'!')]
impl Misspelt {}

struct Twice;

#[ioctls(magic = b'!', magic = b'!')]
impl Twice {}

struct NothingMarked;

#[ioctls(magic = b'!')]
impl NothingMarked {
    fn reset(&self) {}
}

struct OfATrait;

#[ioctls(magic = b'!')]
impl Drop for OfATrait {
    fn drop(&mut self) {}
}

#[ioctls(magic = b'!')]
struct NoImpl;

fn main() {}
