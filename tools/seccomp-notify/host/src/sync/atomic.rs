// SPDX-License-Identifier: GPL-2.0

//! Atomic variables.

use crate::blocking::{AtomicBool, Ordering};
use core::marker::PhantomData;

/// The ordering of what is of no use to order anything else.
pub struct Relaxed;

pub struct Atomic<T>(AtomicBool, PhantomData<T>);

impl Atomic<bool> {
    pub fn new(value: bool) -> Self {
        Self(AtomicBool::new(value), PhantomData)
    }

    pub fn load(&self, _: Relaxed) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub fn store(&self, value: bool, _: Relaxed) {
        self.0.store(value, Ordering::Relaxed);
    }
}
