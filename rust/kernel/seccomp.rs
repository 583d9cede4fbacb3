// SPDX-License-Identifier: GPL-2.0

//! Secure computing.
//!
//! The parts of seccomp's interface that its user notification has in common with C and userspace.
//!
//! C headers: [`include/linux/seccomp.h`](srctree/include/linux/seccomp.h),
//! [`include/uapi/linux/seccomp.h`](srctree/include/uapi/linux/seccomp.h).

use crate::{
    bindings,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};
use core::mem::offset_of;

#[cfg(CONFIG_SECCOMP_NOTIFY_RUST)]
pub mod trace;

/// A system call as a filter sees it (`struct seccomp_data`).
pub type Data = bindings::seccomp_data;

/// A notification as the supervisor receives it (`struct seccomp_notif`).
pub type Notif = bindings::seccomp_notif;

/// The supervisor's answer (`struct seccomp_notif_resp`).
pub type NotifResp = bindings::seccomp_notif_resp;

/// The supervisor's request to install an fd (`struct seccomp_notif_addfd`).
pub type NotifAddfd = bindings::seccomp_notif_addfd;

/// Whose pidfd the supervisor asks for (`struct seccomp_notif_pidfd`).
pub type NotifPidfd = bindings::seccomp_notif_pidfd;

/// What the supervisor asks to be copied (`struct seccomp_notif_mem`).
pub type NotifMem = bindings::seccomp_notif_mem;

/// What the supervisor asks to be received once more (`struct seccomp_notif_requeue`).
pub type NotifRequeue = bindings::seccomp_notif_requeue;

/// What the supervisor passes in to answer and receive in one call, before the room for what is
/// received (`struct seccomp_notif_send_recv`).
#[repr(C)]
pub struct SendRecvArgs {
    /// `SECCOMP_NOTIF_SEND_RECV_*`.
    pub flags: u32,
    /// Must be 0.
    pub reserved: u32,
    /// The answer.
    pub resp: NotifResp,
}

impl SendRecvArgs {
    /// The size, in bytes, after which the room for a [`Notif`] begins.
    pub const SIZE: usize = size_of::<Self>();
}

static_assert!(SendRecvArgs::SIZE == offset_of!(bindings::seccomp_notif_send_recv, notif));
static_assert!(
    offset_of!(SendRecvArgs, resp) == offset_of!(bindings::seccomp_notif_send_recv, resp)
);
static_assert!(
    offset_of!(SendRecvArgs, flags) == offset_of!(bindings::seccomp_notif_send_recv, flags)
);

// What follows leaves no room for padding.
static_assert!(size_of::<Data>() == 2 * size_of::<u32>() + 7 * size_of::<u64>());
static_assert!(size_of::<Notif>() == size_of::<u64>() + 2 * size_of::<u32>() + size_of::<Data>());

// SAFETY: All fields are integers, and by the assertions above there is no padding.
unsafe impl AsBytes for Notif {}

// SAFETY: All fields are integers, which may have any value.
unsafe impl FromBytes for NotifResp {}

// SAFETY: All fields are integers, which may have any value.
unsafe impl FromBytes for NotifAddfd {}

// SAFETY: All fields are integers, which may have any value.
unsafe impl FromBytes for NotifPidfd {}

// SAFETY: All fields are integers, which may have any value.
unsafe impl FromBytes for NotifMem {}

// SAFETY: All fields are integers, which may have any value.
unsafe impl FromBytes for NotifRequeue {}

// SAFETY: All fields are integers, or a `NotifResp`, which is `FromBytes` itself.
unsafe impl FromBytes for SendRecvArgs {}
