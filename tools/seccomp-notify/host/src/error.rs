// SPDX-License-Identifier: GPL-2.0

//! Errors.

#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
pub struct Error(i32);

pub type Result<T = (), E = Error> = core::result::Result<T, E>;

impl Error {
    pub const fn to_errno(self) -> i32 {
        self.0
    }
}

impl From<core::convert::Infallible> for Error {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

pub mod code {
    use super::Error;

    pub const EPERM: Error = Error(-1);
    pub const ENOENT: Error = Error(-2);
    pub const ESRCH: Error = Error(-3);
    pub const EINTR: Error = Error(-4);
    pub const E2BIG: Error = Error(-7);
    pub const EBADF: Error = Error(-9);
    pub const EAGAIN: Error = Error(-11);
    pub const EFAULT: Error = Error(-14);
    pub const EBUSY: Error = Error(-16);
    pub const EINVAL: Error = Error(-22);
    pub const EMFILE: Error = Error(-24);
    pub const ENOTTY: Error = Error(-25);
    pub const ENOSYS: Error = Error(-38);
    pub const EINPROGRESS: Error = Error(-115);
    pub const ERESTARTSYS: Error = Error(-512);
}
