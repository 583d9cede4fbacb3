// SPDX-License-Identifier: GPL-2.0

//! What C calls: the functions of
//! [`include/linux/seccomp_notify.h`](srctree/include/linux/seccomp_notify.h).
//!
//! C has a listener as a pointer to `struct seccomp_listener`, of which it knows nothing. It stands
//! for a reference to a [`Listener`] that belongs to the filter.

use crate::listener::Listener;
use kernel::{
    bindings,
    fs::{
        anon_inode::new_file,
        file::flags,
        File, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    task::SyscallEntry,
    types::ForeignOwnable,
    ModuleMetadata,
    ThisModule, //
};

/// This code is always built in: there is no module to hold while a listener's fd is open.
pub(crate) struct LocalModule;

impl ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"seccomp_notify";

    // SAFETY: `THIS_MODULE` is null in what is built in.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}

fn create() -> Result<(Arc<Listener>, ARef<File>)> {
    let listener = Listener::new()?;
    let file = new_file::<Listener>(listener.clone(), flags::O_RDWR)?;

    Ok((listener, file))
}

/// Creates a listener and its file.
///
/// Returns the file, or an error pointer. The caller owns both references. It may sleep.
///
/// # Safety
///
/// `listener` must be valid for writing a pointer.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_create(
    listener: *mut *mut bindings::seccomp_listener,
) -> *mut bindings::file {
    match create() {
        Ok((this, file)) => {
            // SAFETY: The caller promises that this can be written to.
            unsafe { *listener = this.into_foreign().cast() };
            ARef::into_raw(file).as_ptr().cast()
        }
        Err(err) => err.to_ptr(),
    }
}

/// # Safety
///
/// `listener` must come from [`seccomp_listener_create`], and not be put during `'a`.
#[inline]
unsafe fn borrow<'a>(listener: *const bindings::seccomp_listener) -> &'a Listener {
    // SAFETY: The pointer is what `into_foreign()` returned, whose reference outlasts `'a`, and
    // with it the listener.
    unsafe { &*core::ptr::from_ref(&*Arc::<Listener>::borrow(listener.cast_mut().cast())) }
}

/// Says whether the listener's fd has not been released.
///
/// It may be called from any context.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_create`], and not have been put.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_is_open(
    listener: *const bindings::seccomp_listener,
) -> bool {
    // SAFETY: The caller promises that the listener is not put before this returns.
    unsafe { borrow(listener) }.is_open()
}

/// Notifies the supervisor of the current task's system call `sd`, and waits for the answer.
///
/// It writes what the answer is to all of `resp` but its id. It sleeps.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_create`], and not be put before this returns. `sd`
/// must be valid for reading, and `resp` for writing. The current task must be at the entry of the
/// system call.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_notify(
    listener: *const bindings::seccomp_listener,
    sd: *const bindings::seccomp_data,
    wait_killable_recv: bool,
    resp: *mut bindings::seccomp_notif_resp,
) {
    // SAFETY: The caller promises that all three are valid, and nobody else uses `resp`.
    let (listener, sd, resp) = unsafe { (borrow(listener), &*sd, &mut *resp) };
    // SAFETY: The caller promises that the system call has not begun.
    let target = unsafe { SyscallEntry::assume() };
    let reply = listener.notify(&target, sd, wait_killable_recv);

    resp.error = reply.error;
    resp.val = reply.val;
    resp.flags = reply.flags;
}

/// The last task that used the filter is gone, and there will be none again.
///
/// It must not be called with the siglock held, nor from an interrupt.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_create`], and not have been put.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_unused(
    listener: *const bindings::seccomp_listener,
) {
    // SAFETY: The caller promises that the listener is not put before this returns.
    unsafe { borrow(listener) }.unused();
}

/// Drops the filter's reference to the listener. It may be called from any context.
///
/// # Safety
///
/// `listener` must come from [`seccomp_listener_create`], and nobody may use it through this
/// reference any more.
#[export]
pub(crate) unsafe extern "C" fn seccomp_listener_put(listener: *mut bindings::seccomp_listener) {
    // SAFETY: The pointer is what `into_foreign()` returned, and the caller gives it up.
    drop(unsafe { Arc::<Listener>::from_foreign(listener.cast()) });
}
