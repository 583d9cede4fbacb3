// SPDX-License-Identifier: GPL-2.0

//! Locks.

use crate::{
    blocking::{self, thread_local},
    prelude::*,
    task,
    unwinding::Waiting,
};
use core::{
    cell::{Cell, UnsafeCell},
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

thread_local! {
    static HELD: Cell<usize> = Cell::default();
    static HOLD: Cell<usize> = Cell::default();
    static FIRST_HOLD: Cell<Option<usize>> = Cell::default();
    static BECOMES_WAITER: Cell<bool> = Cell::default();
}

/// How many locks the current thread holds.
pub fn held() -> usize {
    HELD.with(Cell::get)
}

/// The number of the current thread's hold of a lock, or of its last: how often anybody has taken
/// that lock so far.
pub fn hold() -> usize {
    HOLD.with(Cell::get)
}

/// Calls `f`. Returns as well the number of the first hold of a lock that this took, if any.
pub fn first_hold<R>(f: impl FnOnce() -> R) -> (R, Option<usize>) {
    FIRST_HOLD.with(Cell::take);
    let result = f();

    (result, FIRST_HOLD.with(Cell::take))
}

/// The current thread becomes a waiter, with the guard that it accesses next.
pub(crate) fn becomes_waiter() {
    BECOMES_WAITER.with(|becomes| becomes.set(true));
}

/// A lock that is counted as such while it is held.
struct Holding<'a>(#[expect(dead_code)] blocking::MutexGuard<'a, usize>);

impl<'a> Holding<'a> {
    fn new(raw: &'a blocking::Mutex<usize>) -> Self {
        task::current().might_sleep();
        let mut guard = blocking::lock(raw);

        *guard += 1;
        HELD.with(|held| held.set(held.get() + 1));
        HOLD.with(|hold| hold.set(*guard));
        FIRST_HOLD.with(|first| first.set(first.get().or(Some(*guard))));
        Self(guard)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        HELD.with(|held| held.set(held.get() - 1));
    }
}

/// How a lock waits.
pub trait Backend {}

pub mod mutex {
    pub struct MutexBackend;

    impl super::Backend for MutexBackend {}
}

#[pin_data]
pub struct Mutex<T> {
    /// How often it was taken.
    raw: blocking::Mutex<usize>,
    #[pin]
    data: UnsafeCell<T>,
}

// SAFETY: As for the host's.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub fn new<E>(init: impl PinInit<T, E>) -> impl PinInit<Self, E> {
        pin_init!(Self {
            raw: blocking::Mutex::new(0),
            // SAFETY: An `UnsafeCell` has the layout of what it holds.
            data <- unsafe {
                ::pin_init::pin_init_from_closure::<_, E>(move |place: *mut UnsafeCell<T>| {
                    ::pin_init::raw_try_init(place.cast(), init)
                })
            },
        }? E)
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        Guard {
            raw: &self.raw,
            held: Some(Holding::new(&self.raw)),
            waiting: None,
            data: self.data.get(),
            _backend: PhantomData,
        }
    }
}

/// A lock that is held.
pub struct Guard<'a, T: ?Sized, B: Backend> {
    raw: &'a blocking::Mutex<usize>,
    held: Option<Holding<'a>>,
    waiting: Option<Waiting>,
    data: *mut T,
    _backend: PhantomData<B>,
}

pub type MutexGuard<'a, T> = Guard<'a, T, mutex::MutexBackend>;

impl<T: ?Sized, B: Backend> Guard<'_, T, B> {
    pub fn as_mut(&mut self) -> Pin<&mut T> {
        if BECOMES_WAITER.with(Cell::take) {
            self.waiting = Waiting::new();
        }
        // SAFETY: The lock is held, and what it protects is pinned.
        unsafe { Pin::new_unchecked(&mut *self.data) }
    }

    pub(crate) fn do_unlocked<R>(&mut self, f: impl FnOnce() -> R) -> R {
        self.held = None;
        let result = f();

        self.held = Some(Holding::new(self.raw));
        result
    }
}

impl<T: ?Sized, B: Backend> Deref for Guard<'_, T, B> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The lock is held.
        unsafe { &*self.data }
    }
}

impl<T: Unpin, B: Backend> DerefMut for Guard<'_, T, B> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The lock is held.
        unsafe { &mut *self.data }
    }
}

#[macro_export]
macro_rules! new_mutex {
    ($init:expr) => {
        $crate::sync::Mutex::new($init)
    };
}
