// SPDX-License-Identifier: GPL-2.0

//! The tracepoints of user notification.
//!
//! Off, each costs a branch, which is patched out where the architecture can do that.
//!
//! As any tracepoint, they may be called from wherever RCU is watching, and it is wherever Rust
//! runs: what runs without it, at the entry from user mode and in the idle loop, must be `noinstr`
//! (`Documentation/core-api/entry.rst`), which no Rust is. Those who call them are in a system
//! call, after `enter_from_user_mode()`.
//!
//! C header:
//! [`include/trace/events/seccomp_notify.h`](srctree/include/trace/events/seccomp_notify.h)

use super::Data;
use crate::{
    prelude::*,
    task::Task, //
};
use core::ptr;

mod points {
    use crate::{
        bindings,
        prelude::*, //
    };

    crate::tracepoint::declare_trace! {
        /// # Safety
        ///
        /// `sd` must be valid, and RCU be watching.
        pub(super) unsafe fn seccomp_notify_queued(id: u64, sd: *const bindings::seccomp_data);
        /// # Safety
        ///
        /// `target` must be valid, and RCU be watching.
        pub(super) unsafe fn seccomp_notify_delivered(
            id: u64, target: *mut bindings::task_struct, flags: u32
        );
        /// # Safety
        ///
        /// RCU must be watching.
        pub(super) unsafe fn seccomp_notify_answered(
            id: u64, error: c_int, val: i64, flags: u32
        );
        /// # Safety
        ///
        /// RCU must be watching.
        pub(super) unsafe fn seccomp_notify_aborted(id: u64);
        /// # Safety
        ///
        /// RCU must be watching.
        pub(super) unsafe fn seccomp_notify_addfd(id: u64, ret: c_int);
    }
}

/// The current task has notified the supervisor of the system call `data`, as `id`.
#[inline(always)]
pub fn queued(id: u64, data: &Data) {
    // SAFETY: A reference is valid, and RCU watches, see above.
    unsafe { points::seccomp_notify_queued(id, ptr::from_ref(data)) };
}

/// A reader has the notification `id` of `target`, and gets these `SECCOMP_NOTIF_FLAG_*`.
#[inline(always)]
pub fn delivered(id: u64, target: &Task, flags: u32) {
    // SAFETY: A reference is valid, and RCU watches, see above.
    unsafe { points::seccomp_notify_delivered(id, target.as_ptr(), flags) };
}

/// The current task goes on, with this answer to its notification `id`.
#[inline(always)]
pub fn answered(id: u64, error: i32, val: i64, flags: u32) {
    // SAFETY: RCU watches, see above.
    unsafe { points::seccomp_notify_answered(id, error, val, flags) };
}

/// The current task goes on without an answer to its notification `id`.
#[inline(always)]
pub fn aborted(id: u64) {
    // SAFETY: RCU watches, see above.
    unsafe { points::seccomp_notify_aborted(id) };
}

/// The current task has installed an fd for the supervisor that its notification `id` is with, or
/// has failed to.
#[inline(always)]
pub fn addfd(id: u64, result: Result<u32>) {
    let ret = result.map_or_else(|err| err.to_errno(), |fd| fd as c_int);

    // SAFETY: RCU watches, see above.
    unsafe { points::seccomp_notify_addfd(id, ret) };
}
