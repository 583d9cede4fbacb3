// SPDX-License-Identifier: GPL-2.0

//! Tracepoints, which are always on.

use crate::{bindings, sync::lock, task::current};

/// A tracepoint was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which one.
    pub name: &'static str,
    /// What it was given.
    pub args: Vec<i64>,
    /// Under which hold of the lock.
    pub hold: usize,
}

#[doc(hidden)]
pub fn hit(name: &'static str, args: Vec<i64>) {
    current().machine().hit(Hit {
        name,
        args,
        hold: lock::hold(),
    });
}

/// What a tracepoint can be given.
#[doc(hidden)]
pub trait Field {
    /// The number that is kept of it.
    ///
    /// # Safety
    ///
    /// A pointer must be valid.
    unsafe fn number(self) -> i64;
}

impl Field for u64 {
    unsafe fn number(self) -> i64 {
        self as i64
    }
}

impl Field for i64 {
    unsafe fn number(self) -> i64 {
        self
    }
}

impl Field for i32 {
    unsafe fn number(self) -> i64 {
        self.into()
    }
}

impl Field for u32 {
    unsafe fn number(self) -> i64 {
        self.into()
    }
}

/// Of a system call, its number.
impl Field for *const bindings::seccomp_data {
    unsafe fn number(self) -> i64 {
        // SAFETY: The caller promises that it is valid.
        unsafe { (*self).nr.into() }
    }
}

/// Of a task, its pid.
impl Field for *mut bindings::task_struct {
    unsafe fn number(self) -> i64 {
        // SAFETY: The caller promises that it is valid.
        unsafe { (*self).pid().into() }
    }
}

#[macro_export]
macro_rules! declare_trace {
    ($($(#[$attr:meta])* $pub:vis unsafe fn $name:ident($($arg:ident: $type:ty),* $(,)?);)*) => {$(
        $(#[$attr])*
        $pub unsafe fn $name($($arg: $type),*) {
            $crate::tracepoint::hit(
                stringify!($name),
                // SAFETY: Whoever hits a tracepoint gives it valid pointers.
                vec![$(unsafe { $crate::tracepoint::Field::number($arg) }),*],
            );
        }
    )*};
}
pub use declare_trace;
