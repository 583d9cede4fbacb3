// SPDX-License-Identifier: GPL-2.0

//! Seccomp user notification.
//!
//! When a filter says `SECCOMP_RET_USER_NOTIF`, the system call of the task, the *target*, becomes
//! a *notification* that a *supervisor* receives and answers over a *listener*, an fd that came
//! with the filter or that the filter was given. Filters are C's, see
//! [`kernel/seccomp.c`](srctree/kernel/seccomp.c); all from there on is here:
//!
//! * `state`: the states of a notification, and what leads from one to another.
//! * `notification`: what waits: notifications, requests for fds, readers.
//! * `listener`: what the filter and the fd share; everything under its one lock.
//! * `target`, `supervisor`: what either side does with that.
//! * `file`: the fd's ioctls and its poll.
//! * `glue`: the functions that C calls.
//!
//! Each uses those above it alone.
//!
//! `Documentation/userspace-api/seccomp_filter.rst` describes the interface.

mod file;
mod glue;
mod listener;
mod notification;
mod state;
mod supervisor;
mod target;
#[cfg(CONFIG_SECCOMP_NOTIFY_KUNIT_TEST)]
mod tests;

use kernel::{
    prelude::*,
    ModuleMetadata,
    ThisModule, //
};

/// This code is always built in: there is no module to hold while a listener's fd is open.
struct LocalModule;

impl ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"seccomp_notify";

    // SAFETY: `THIS_MODULE` is null in what is built in.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}
