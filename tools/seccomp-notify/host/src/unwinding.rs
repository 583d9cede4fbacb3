// SPDX-License-Identifier: GPL-2.0

//! Waiters are not unwound.
//!
//! A waiter lies on the stack of its thread, where others find it. In the kernel, nothing leaves
//! that stack early. Here a panic would, and what comes of it would depend on what is written there
//! next. So it ends the process.

use crate::blocking::{this_thread, ThreadId};
use std::{
    cell::RefCell,
    io::{self, Write},
    panic, process,
    sync::Once,
};

std::thread_local! {
    /// Those among the threads that this one of the host runs.
    static WAITERS: RefCell<Vec<ThreadId>> = RefCell::default();
}

/// The current thread is a waiter.
pub(crate) struct Waiting(ThreadId);

impl Waiting {
    pub(crate) fn new() -> Option<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(abort_waiters);
        let id = this_thread()?;

        WAITERS.with_borrow_mut(|waiters| waiters.push(id));
        Some(Self(id))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITERS.with_borrow_mut(|waiters| waiters.retain(|id| *id != self.0));
    }
}

/// From now on, waiters that panic end the process.
fn abort_waiters() {
    let report = panic::take_hook();

    panic::set_hook(Box::new(move |info| {
        report(info);
        if this_thread().is_some_and(|id| WAITERS.with_borrow(|waiters| waiters.contains(&id))) {
            // What is printed while a test runs is shown at its end, to which this does not come.
            let _ = writeln!(
                io::stderr(),
                "\n{info}\na waiter must not be unwound; `--nocapture` shows what came before"
            );
            process::abort();
        }
    }));
}
