// SPDX-License-Identifier: GPL-2.0

//! What threads block on: all of it, so that this is the one place that says whose threads.
//!
//! With the feature `shuttle`, they are the model checker's. Each operation here is then a point
//! where another thread may go on, and a state in which all wait is an error. The order that it
//! makes of the operations is one for all threads: what only weakly ordered memory shows, it does
//! not.
//!
//! With the feature `loom`, that is shown, and all schedules are tried: of very few threads that do
//! very little. A lock orders what is done under it, as the kernel's do, and nothing else.

#[cfg(feature = "loom")]
use loom as threads;
#[cfg(feature = "shuttle")]
use shuttle as threads;
#[cfg(not(any(feature = "shuttle", feature = "loom")))]
use std as threads;

pub use threads::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Mutex, MutexGuard,
    },
    thread, thread_local,
};

use threads::sync::Condvar;

/// What a thread is known by, among those that a thread of the host runs.
#[cfg(feature = "shuttle")]
pub type ThreadId = shuttle::current::TaskId;
/// What a thread is known by.
#[cfg(not(feature = "shuttle"))]
pub type ThreadId = std::thread::ThreadId;

/// The current thread. What says which one runs is none itself, and panics when they all wait.
#[cfg(feature = "shuttle")]
pub fn this_thread() -> Option<ThreadId> {
    shuttle::current::try_get_current_task()
}

/// The current thread. loom is not to be asked by what panics.
#[cfg(not(feature = "shuttle"))]
pub fn this_thread() -> Option<ThreadId> {
    (!cfg!(feature = "loom")).then(|| std::thread::current().id())
}

/// Takes a lock. A thread that has panicked with it has failed the test, and goes on to drop what
/// it has.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| {
        assert!(std::thread::panicking(), "no thread has panicked");
        poisoned.into_inner()
    })
}

/// Where threads wait for what is under a lock to change.
#[derive(Default)]
pub struct Changed(Condvar);

impl Changed {
    pub fn tell_all(&self) {
        self.0.notify_all();
    }

    /// Waits until `is_met`.
    pub fn wait<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        is_met: impl Fn(&T) -> bool,
    ) -> MutexGuard<'a, T> {
        while !is_met(&guard) {
            guard = self.wait_once(guard);
        }
        guard
    }

    #[cfg(any(feature = "shuttle", feature = "loom"))]
    fn wait_once<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).expect("no thread has panicked")
    }

    /// Nobody tells when all threads wait. No test takes this long otherwise.
    #[cfg(not(any(feature = "shuttle", feature = "loom")))]
    fn wait_once<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        const LONG: std::time::Duration = std::time::Duration::from_secs(60);
        let (guard, timeout) = self
            .0
            .wait_timeout(guard, LONG)
            .expect("no thread has panicked");

        assert!(!timeout.timed_out(), "a thread waits for ever");
        guard
    }
}
