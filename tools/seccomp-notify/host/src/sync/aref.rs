// SPDX-License-Identifier: GPL-2.0

//! References to what counts them itself.

use std::{ops::Deref, ptr::NonNull};

/// # Safety
///
/// See the kernel's.
pub unsafe trait AlwaysRefCounted {
    fn inc_ref(&self);

    /// # Safety
    ///
    /// See the kernel's.
    unsafe fn dec_ref(this: NonNull<Self>);
}

/// A reference of one's own.
pub struct ARef<T: AlwaysRefCounted>(NonNull<T>);

// SAFETY: It is a shared reference, and with the last of them, what it refers to is dropped.
unsafe impl<T: AlwaysRefCounted + Send + Sync> Send for ARef<T> {}
// SAFETY: As above.
unsafe impl<T: AlwaysRefCounted + Send + Sync> Sync for ARef<T> {}

impl<T: AlwaysRefCounted> ARef<T> {
    /// # Safety
    ///
    /// There must be a reference, which is given up.
    pub unsafe fn from_raw(ptr: NonNull<T>) -> Self {
        Self(ptr)
    }
}

impl<T: AlwaysRefCounted> From<&T> for ARef<T> {
    fn from(of: &T) -> Self {
        of.inc_ref();
        Self(NonNull::from(of))
    }
}

impl<T: AlwaysRefCounted> Deref for ARef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: There is a reference.
        unsafe { self.0.as_ref() }
    }
}

impl<T: AlwaysRefCounted> Drop for ARef<T> {
    fn drop(&mut self) {
        // SAFETY: There is a reference, which is not used any more.
        unsafe { T::dec_ref(self.0) };
    }
}
