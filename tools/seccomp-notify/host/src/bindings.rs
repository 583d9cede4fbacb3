// SPDX-License-Identifier: GPL-2.0

//! What C declares.

#![allow(non_camel_case_types)]

use crate::{
    ioctl::{_IOR, _IOW, _IOWR},
    task,
};

pub type task_struct = task::Task;

// include/linux/sched.h
pub const TASK_RUNNING: u32 = 0x0;
pub const TASK_INTERRUPTIBLE: u32 = 0x1;
pub const TASK_UNINTERRUPTIBLE: u32 = 0x2;
pub const TASK_WAKEKILL: u32 = 0x100;
pub const TASK_FREEZABLE: u32 = 0x2000;
pub const TASK_FROZEN: u32 = 0x8000;
pub const TASK_NORMAL: u32 = TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE;
pub const TASK_KILLABLE: u32 = TASK_WAKEKILL | TASK_UNINTERRUPTIBLE;

/// # Safety
///
/// See the kernel's.
pub unsafe fn set_current_state(state: u32) {
    task::current().set_state(state);
}

/// # Safety
///
/// See the kernel's.
pub unsafe fn schedule() {
    task::current().schedule();
}

// include/uapi/linux/seccomp.h
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct seccomp_data {
    pub nr: i32,
    pub arch: u32,
    pub instruction_pointer: u64,
    pub args: [u64; 6],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct seccomp_notif {
    pub id: u64,
    pub pid: u32,
    pub flags: u32,
    pub data: seccomp_data,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct seccomp_notif_resp {
    pub id: u64,
    pub val: i64,
    pub error: i32,
    pub flags: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct seccomp_notif_send_recv {
    pub flags: u32,
    pub reserved: u32,
    pub resp: seccomp_notif_resp,
    pub notif: seccomp_notif,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct seccomp_notif_addfd {
    pub id: u64,
    pub flags: u32,
    pub srcfd: u32,
    pub newfd: u32,
    pub newfd_flags: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct seccomp_notif_pidfd {
    pub id: u64,
    pub flags: u32,
    pub reserved: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct seccomp_notif_mem {
    pub id: u64,
    pub addr: u64,
    pub buf: u64,
    pub len: u64,
    pub flags: u32,
    pub reserved: u32,
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct seccomp_notif_requeue {
    pub id: u64,
    pub flags: u32,
    pub reserved: u32,
}

pub const SECCOMP_NOTIF_FLAG_SIGNALED: u32 = 1;
pub const SECCOMP_USER_NOTIF_FLAG_CONTINUE: u32 = 1;
pub const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: u32 = 1;
pub const SECCOMP_USER_NOTIF_FD_SIGNALED: u32 = 2;
pub const SECCOMP_ADDFD_FLAG_SETFD: u32 = 1;
pub const SECCOMP_ADDFD_FLAG_SEND: u32 = 2;
pub const SECCOMP_NOTIFY_ADDFD_SIZE_VER0: u32 = 24;
pub const SECCOMP_NOTIF_SEND_RECV_SEND: u32 = 1;
pub const SECCOMP_NOTIF_SEND_RECV_GONE: u32 = 2;
pub const SECCOMP_NOTIF_PIDFD_PROCESS: u32 = 1;
pub const SECCOMP_NOTIF_MEM_WRITE: u32 = 1;
pub const SECCOMP_NOTIF_REQUEUE_ALL: u32 = 1;

pub const SECCOMP_IOC_MAGIC: u8 = b'!';

const MAGIC: u32 = SECCOMP_IOC_MAGIC as u32;

pub const SECCOMP_IOCTL_NOTIF_RECV: u32 = _IOWR::<seccomp_notif>(MAGIC, 0);
pub const SECCOMP_IOCTL_NOTIF_SEND: u32 = _IOWR::<seccomp_notif_resp>(MAGIC, 1);
pub const SECCOMP_IOCTL_NOTIF_ID_VALID: u32 = _IOW::<u64>(MAGIC, 2);
pub const SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG_DIR: u32 = _IOR::<u64>(MAGIC, 2);
pub const SECCOMP_IOCTL_NOTIF_ADDFD: u32 = _IOW::<seccomp_notif_addfd>(MAGIC, 3);
pub const SECCOMP_IOCTL_NOTIF_SET_FLAGS: u32 = _IOW::<u64>(MAGIC, 4);
pub const SECCOMP_IOCTL_NOTIF_SEND_RECV: u32 = _IOWR::<seccomp_notif_send_recv>(MAGIC, 5);
pub const SECCOMP_IOCTL_NOTIF_PIDFD: u32 = _IOW::<seccomp_notif_pidfd>(MAGIC, 6);
pub const SECCOMP_IOCTL_NOTIF_MEM: u32 = _IOWR::<seccomp_notif_mem>(MAGIC, 7);
pub const SECCOMP_IOCTL_NOTIF_REQUEUE: u32 = _IOW::<seccomp_notif_requeue>(MAGIC, 8);
