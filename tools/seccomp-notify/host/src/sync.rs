// SPDX-License-Identifier: GPL-2.0

//! Synchronisation.

pub mod aref;
pub mod atomic;
pub mod lock;
pub mod poll;

#[path = "../../../../rust/kernel/sync"]
mod shipped {
    pub mod waiter;
}
pub use shipped::waiter;

use crate::prelude::*;
use std::mem::MaybeUninit;

pub use crate::{new_mutex, static_lock_class};
pub use lock::{Mutex, MutexGuard};

/// A reference that is counted.
pub struct Arc<T>(std::sync::Arc<T>);

impl<T> Arc<T> {
    pub fn pin_init<E>(init: impl PinInit<T, E>, _flags: ()) -> Result<Self>
    where
        Error: From<E>,
    {
        let mut arc = std::sync::Arc::new(MaybeUninit::<T>::uninit());
        let place = std::sync::Arc::get_mut(&mut arc).expect("nobody else has it");

        // SAFETY: The place is ours, and stays where it is until it is dropped, as what is in it
        // is only ever borrowed. If this fails, it is left uninitialised.
        unsafe { ::pin_init::raw_try_init(place.as_mut_ptr(), init) }?;
        // SAFETY: It is initialised now. A `MaybeUninit` has the layout of what it holds.
        Ok(Self(unsafe {
            std::sync::Arc::from_raw(std::sync::Arc::into_raw(arc).cast::<T>())
        }))
    }

    pub fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        ArcBorrow(self)
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> core::ops::Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A reference that is borrowed from an [`Arc`].
pub struct ArcBorrow<'a, T>(&'a T);

impl<'a, T> ArcBorrow<'a, T> {
    pub fn get_ref(this: Self) -> &'a T {
        this.0
    }
}

impl<T> core::ops::Deref for ArcBorrow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

#[macro_export]
macro_rules! static_lock_class {
    () => {
        ()
    };
}
