// SPDX-License-Identifier: GPL-2.0

//! How an ioctl's argument is taken from and given to userspace.
//!
//! Each type here is one way to use the argument. A handler that is declared with
//! [`ioctls`](macros::ioctls) names the one it wants in its signature.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use super::{
    _IOC_NR,
    _IOC_TYPE, //
};
use crate::{
    page::PAGE_SIZE,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};
use core::{
    marker::PhantomData,
    mem::size_of,
    ops::Deref, //
};

/// A way to take the argument of an ioctl.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a way to take an ioctl's argument",
    label = "not an ioctl argument",
    note = "an ioctl handler takes `In<T>`, `Out<T>`, `ZeroedOut<T>`, `Parts<T>` or `Value<T>`"
)]
pub trait Arg: Sized {
    /// The type that the ioctl number is made with: what the argument is, or points to.
    type Data;

    /// The direction bits that a number for this argument must have, of those that
    /// [`_IOC_DIR`](super::_IOC_DIR) returns.
    const DIR: u32;

    /// Takes the argument, before the handler is called.
    ///
    /// Runs in the context of the calling task and may sleep.
    fn from_user(arg: usize) -> Result<Self>;
}

/// A way to take the argument of an ioctl whose size userspace says in the number.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the argument of an extensible ioctl",
    label = "not an extensible ioctl argument",
    note = "an `extensible` handler takes `In<T>`"
)]
pub trait ExtensibleArg: Arg {
    /// Takes the argument, which userspace says has `size` bytes, before the handler is called.
    ///
    /// Runs in the context of the calling task and may sleep.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: `size` is less than `min`, the size of the first version, or it is a page or
    ///   more.
    /// - Whatever else taking the argument fails with.
    fn from_user_sized(arg: usize, size: usize, min: usize) -> Result<Self>;
}

/// An argument that points to a `T`, which is copied in before the handler is called.
///
/// Taking it fails with [`EFAULT`] if userspace's `T` cannot be read. With `extensible`, also with
/// what [`UserSliceReader::read_extensible`] fails with.
///
/// [`UserSliceReader::read_extensible`]: crate::uaccess::UserSliceReader::read_extensible
///
/// # Examples
///
/// ```
/// use kernel::ioctl::{
///     Arg,
///     ExtensibleArg,
///     In, //
/// };
/// use kernel::page::PAGE_SIZE;
///
/// # // SAFETY: A test may be given an address space at any time.
/// # assert_eq!(unsafe { kernel::bindings::kunit_attach_mm() }, 0);
/// // Nothing is mapped at the null pointer.
/// assert_eq!(In::<u64>::from_user(0).err(), Some(EFAULT));
///
/// // Neither of these sizes is looked at any further.
/// assert_eq!(In::<[u64; 3]>::from_user_sized(0, 8, 16).err(), Some(EINVAL));
/// assert_eq!(In::<[u64; 3]>::from_user_sized(0, PAGE_SIZE, 16).err(), Some(EINVAL));
/// ```
pub struct In<T>(pub T);

impl<T: FromBytes> Arg for In<T> {
    type Data = T;

    const DIR: u32 = uapi::_IOC_WRITE;

    #[inline]
    fn from_user(arg: usize) -> Result<Self> {
        user_slice::<T>(arg).reader().read().map(Self)
    }
}

impl<T: FromBytes> ExtensibleArg for In<T> {
    #[inline]
    fn from_user_sized(arg: usize, size: usize, min: usize) -> Result<Self> {
        if size < min || size >= PAGE_SIZE {
            return Err(EINVAL);
        }
        UserSlice::new(UserPtr::from_addr(arg), size)
            .reader()
            .read_extensible()
            .map(Self)
    }
}

impl<T> Deref for In<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// An argument that points to where userspace wants a `T`.
///
/// Nothing is read from there.
pub struct Out<T> {
    to: UserPtr,
    _data: PhantomData<fn(&T)>,
}

impl<T: AsBytes> Out<T> {
    /// Copies `value` out. May sleep.
    ///
    /// This can be done once. A handler that must not lose what it failed to hand out undoes its
    /// work when this fails.
    ///
    /// # Errors
    ///
    /// [`EFAULT`]: not all of userspace's `T` could be written; some of it may have been.
    #[inline]
    pub fn write(self, value: &T) -> Result {
        UserSlice::new(self.to, size_of::<T>())
            .writer()
            .write(value)
    }
}

impl<T: AsBytes> Arg for Out<T> {
    type Data = T;

    const DIR: u32 = uapi::_IOC_READ;

    #[inline]
    fn from_user(arg: usize) -> Result<Self> {
        Ok(Self {
            to: UserPtr::from_addr(arg),
            _data: PhantomData,
        })
    }
}

/// An argument that points to where userspace wants a `T`, all zero until it is there.
///
/// Insisting on zeroes lets `T` become one that userspace passes something in with. Taking the
/// argument fails with [`EINVAL`] if there is anything but zeroes, and with [`EFAULT`] if that
/// cannot be seen.
pub struct ZeroedOut<T>(Out<T>);

impl<T: AsBytes> ZeroedOut<T> {
    /// Copies `value` out; see [`Out::write`].
    #[inline]
    pub fn write(self, value: &T) -> Result {
        self.0.write(value)
    }
}

impl<T: AsBytes> Arg for ZeroedOut<T> {
    type Data = T;

    const DIR: u32 = uapi::_IOC_READ | uapi::_IOC_WRITE;

    #[inline]
    fn from_user(arg: usize) -> Result<Self> {
        if !user_slice::<T>(arg).reader().is_zeroed::<T>()? {
            return Err(EINVAL);
        }
        Out::from_user(arg).map(Self)
    }
}

/// An argument that points to a `T` of which the handler takes parts, each as an argument of its
/// own.
///
/// Nothing is read or written before that. A part can be taken more than once: what is read again
/// may have changed meanwhile, as with any memory of userspace.
///
/// # Examples
///
/// ```
/// use kernel::ioctl::{
///     Arg,
///     In,
///     Out,
///     Parts, //
/// };
///
/// # // SAFETY: A test may be given an address space at any time.
/// # assert_eq!(unsafe { kernel::bindings::kunit_attach_mm() }, 0);
/// // A number, and room for the answer.
/// let arg = Parts::<[u64; 2]>::from_user(0)?;
///
/// // Nothing is mapped at the null pointer.
/// assert_eq!(arg.part::<In<u64>, 0>().err(), Some(EFAULT));
/// assert_eq!(arg.part::<Out<u64>, 8>()?.write(&0).err(), Some(EFAULT));
/// # Ok::<(), Error>(())
/// ```
pub struct Parts<T> {
    arg: usize,
    // As a pointer of its task: another would find its own memory there.
    _data: PhantomData<*mut T>,
}

impl<T> Parts<T> {
    /// The part at `OFFSET`, in bytes from the start. It must lie within the `T`, and cannot be a
    /// [`Value`], which is pointed to by nothing.
    ///
    /// Fails with whatever taking such an argument fails with.
    #[inline]
    pub fn part<A: Arg, const OFFSET: usize>(&self) -> Result<A> {
        const {
            assert!(A::DIR != 0);
            assert!(OFFSET + size_of::<A::Data>() <= size_of::<T>());
        }

        // What wraps is checked as any address is.
        A::from_user(self.arg.wrapping_add(OFFSET))
    }
}

impl<T> Arg for Parts<T> {
    type Data = T;

    const DIR: u32 = uapi::_IOC_READ | uapi::_IOC_WRITE;

    #[inline]
    fn from_user(arg: usize) -> Result<Self> {
        Ok(Self {
            arg,
            _data: PhantomData,
        })
    }
}

/// An argument that is a value itself and points nowhere, whatever its number says.
///
/// # Examples
///
/// ```
/// use kernel::ioctl::{
///     Arg,
///     Value, //
/// };
///
/// let Value(flags) = Value::<u64>::from_user(3)?;
/// assert_eq!(flags, 3);
/// # Ok::<(), Error>(())
/// ```
pub struct Value<T>(pub T);

impl Arg for Value<u64> {
    type Data = u64;

    const DIR: u32 = 0;

    #[inline]
    fn from_user(arg: usize) -> Result<Self> {
        // CAST: `usize` has 64 bits or fewer.
        Ok(Self(arg as u64))
    }
}

impl Arg for Value<usize> {
    type Data = usize;

    const DIR: u32 = 0;

    #[inline]
    fn from_user(arg: usize) -> Result<Self> {
        Ok(Self(arg))
    }
}

/// The userspace memory that an argument for a `T` points to.
#[inline]
fn user_slice<T>(arg: usize) -> UserSlice {
    UserSlice::new(UserPtr::from_addr(arg), size_of::<T>())
}

/// Returns whether `cmd` and `other` have the same magic and the same command number.
///
/// They can then differ in size and direction, as the versions of an extensible ioctl do. The
/// counterpart is `EA_IOCTL()` of [`kernel/seccomp.c`](srctree/kernel/seccomp.c).
///
/// # Examples
///
/// ```
/// use kernel::ioctl::{
///     is_version_of,
///     _IOR,
///     _IOW, //
/// };
///
/// const NUMBER: u32 = _IOW::<u64>(b'!' as u32, 3);
///
/// assert!(is_version_of(_IOR::<[u64; 9]>(b'!' as u32, 3), NUMBER));
/// assert!(!is_version_of(_IOW::<u64>(b'!' as u32, 4), NUMBER));
/// ```
#[inline]
pub const fn is_version_of(cmd: u32, other: u32) -> bool {
    _IOC_TYPE(cmd) == _IOC_TYPE(other) && _IOC_NR(cmd) == _IOC_NR(other)
}
