// SPDX-License-Identifier: GPL-2.0

//! What all tasks of a test have in common.
//!
//! None of it blocks: its locks are held for no operation of [`blocking`](crate::blocking).

use crate::tracepoint::Hit;
use std::sync::{
    atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst},
    Arc, Mutex,
};

/// A machine that runs tasks.
#[derive(Default)]
pub struct Machine {
    /// The tracepoints that were hit, in order.
    trace: Mutex<Vec<Hit>>,
    /// The clock.
    pub(crate) jiffies: AtomicUsize,
    /// How many tasks there were.
    pids: AtomicI32,
}

impl Machine {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Sets the clock.
    pub fn set_jiffies(&self, jiffies: usize) {
        self.jiffies.store(jiffies, SeqCst);
    }

    pub(crate) fn next_pid(&self) -> i32 {
        self.pids.fetch_add(1, SeqCst) + 1
    }

    pub(crate) fn hit(&self, hit: Hit) {
        self.trace.lock().expect("nothing panics here").push(hit);
    }

    /// The tracepoints that were hit so far, in order.
    pub fn trace(&self) -> Vec<Hit> {
        self.trace.lock().expect("nothing panics here").clone()
    }
}
