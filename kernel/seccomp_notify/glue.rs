// SPDX-License-Identifier: GPL-2.0

//! What C calls: the functions of
//! [`include/linux/seccomp_notify.h`](srctree/include/linux/seccomp_notify.h).
//!
//! C has a listener as a pointer to `struct seccomp_listener`, of which it knows nothing. It
//! stands for a reference to a [`Listener`] that belongs to the filter.

use crate::{
    listener::Listener,
    state::WaitKillable,
    target, //
};
use kernel::{
    bindings,
    fs::{
        anon_inode::{
            from_file,
            new_file, //
        },
        file::flags,
        File,
        LocalFile, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        ArcBorrow, //
    },
    task::SyscallEntry,
    types::ForeignOwnable, //
};

static_assert!(WaitKillable::NEVER.0 as u32 == bindings::SECCOMP_LISTENER_KILLABLE_NEVER);
static_assert!(WaitKillable::ONCE_RECEIVED.0 as u32 == bindings::SECCOMP_LISTENER_KILLABLE_RECV);
static_assert!(WaitKillable::ALWAYS.0 as u32 == bindings::SECCOMP_LISTENER_KILLABLE_ALWAYS);

fn create() -> Result<ARef<File>> {
    new_file::<Listener>(Listener::new()?, flags::O_RDWR)
}

/// Creates a listener, which no filter has. Returns its file, or an error pointer.
///
/// The caller owns the reference to the file. It may sleep.
#[export]
pub(crate) extern "C" fn seccomp_listener_create() -> *mut bindings::file {
    match create() {
        Ok(file) => ARef::into_raw(file).as_ptr().cast(),
        Err(err) => err.to_ptr(),
    }
}

/// Returns the listener of `file` for a filter, with a reference of its own. If that is not the
/// file of a listener, it is null.
///
/// It may be called from any context.
///
/// # Safety
///
/// The caller must have a reference to `file`, and be the only thread that is in `fdget_pos()` for
/// it without `f_pos_lock`, if one is.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_get(
    file: *mut bindings::file,
) -> *mut bindings::seccomp_listener {
    // SAFETY: The caller has a reference to the file, and promises what is said of `fdget_pos()`.
    let file = unsafe { LocalFile::from_raw_file(file) };

    match from_file::<Listener>(file) {
        Some(listener) => Arc::from(listener).into_foreign().cast(),
        None => core::ptr::null_mut(),
    }
}

/// # Safety
///
/// `listener` must come from [`seccomp_listener_get`], and not be put during `'a`.
#[inline]
unsafe fn borrow<'a>(listener: *const bindings::seccomp_listener) -> &'a Listener {
    // SAFETY: The pointer is what `into_foreign()` returned, whose reference outlasts `'a`, and
    // with it the listener.
    let listener = unsafe { Arc::<Listener>::borrow(listener.cast_mut().cast()) };

    ArcBorrow::get_ref(listener)
}

/// Says whether the listener's fd has not been released.
///
/// It may be called from any context.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_get`], and not have been put.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_is_open(
    listener: *const bindings::seccomp_listener,
) -> bool {
    // SAFETY: The caller promises that the listener is not put before this returns.
    unsafe { borrow(listener) }.is_open()
}

/// Notifies the supervisor of the current task's system call `sd`, and waits for the answer.
///
/// `wait_killable` is one of `SECCOMP_LISTENER_KILLABLE_*`. It writes what the answer is to all of
/// `resp` but its id. It sleeps.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_get`], and not be put before this returns. Until
/// then, `sd` must be valid and not be written to, as other tasks read it, and `resp` must be valid
/// and initialised, and nobody else may use it. The current task must come straight from user mode,
/// with the system call not begun: it has its files, credentials and signals to itself.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_notify(
    listener: *const bindings::seccomp_listener,
    sd: *const bindings::seccomp_data,
    wait_killable: u8,
    resp: *mut bindings::seccomp_notif_resp,
) {
    // SAFETY: The caller promises that all three are valid, that `sd` does not change, and that
    // nobody else uses `resp`.
    let (listener, sd, resp) = unsafe { (borrow(listener), &*sd, &mut *resp) };
    // SAFETY: The caller promises that the task has just left user mode.
    let entry = unsafe { SyscallEntry::assume() };
    let reply = target::notify(listener, &entry, sd, WaitKillable(wait_killable));

    resp.error = reply.error;
    resp.val = reply.val;
    resp.flags = reply.flags;
}

/// A filter is about to be installed with this listener.
///
/// Either [`seccomp_listener_cancel`] or [`seccomp_listener_unused`] has to follow, once. It may
/// sleep.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_get`], and not have been put.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_use(listener: *const bindings::seccomp_listener) {
    // SAFETY: The caller promises that the listener is not put before this returns.
    unsafe { borrow(listener) }.add_filter();
}

/// The filter of [`seccomp_listener_use`] is not installed after all.
///
/// It may sleep.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_get`], and not have been put.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_cancel(
    listener: *const bindings::seccomp_listener,
) {
    // SAFETY: The caller promises that the listener is not put before this returns.
    unsafe { borrow(listener) }.cancel_filter();
}

/// The last task that used a filter with this listener is gone, and there will be none again for
/// this filter.
///
/// It sleeps: it must not be called with the siglock held, nor from an interrupt.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_get`], and not have been put.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_unused(
    listener: *const bindings::seccomp_listener,
) {
    // SAFETY: The caller promises that the listener is not put before this returns.
    unsafe { borrow(listener) }.remove_filter();
}

/// Drops the filter's reference to the listener. It may be called from any context.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_get`], and nobody may use it through this
/// reference any more.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_put(listener: *mut bindings::seccomp_listener) {
    // SAFETY: The pointer is what `into_foreign()` returned, and the caller gives it up.
    drop(unsafe { Arc::<Listener>::from_foreign(listener.cast()) });
}
