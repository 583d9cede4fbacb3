// SPDX-License-Identifier: GPL-2.0

//! Fds that refer to tasks.
//!
//! C headers: [`include/linux/pid.h`](srctree/include/linux/pid.h),
//! [`include/uapi/linux/pidfd.h`](srctree/include/uapi/linux/pidfd.h).

use crate::{
    bindings,
    error::to_result,
    fs::{
        anon_inode::IoctlFile,
        File, //
    },
    prelude::*,
    sync::aref::ARef,
    task::Task,
    types::NotThreadSafe, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    }, //
};

/// What a pidfd of a task refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidfdOf {
    /// The thread that the task is (`PIDFD_THREAD`).
    Thread,
    /// The process that it belongs to.
    Process,
}

/// A pidfd that has a number in the current task's fd table, and is not installed there yet.
///
/// It is close-on-exec. If it is dropped, nothing is left of it.
///
/// # Invariants
///
/// The current task, which no value of this type leaves, is in an ioctl for `'a`, and has reserved
/// `number` in the fd table that it has there.
pub struct Pidfd<'a> {
    number: u32,
    file: ARef<File>,
    _caller: PhantomData<&'a IoctlFile>,
    _not_send: NotThreadSafe,
}

impl<'a> Pidfd<'a> {
    /// Makes a pidfd of the pid that `task`, or its process, has at this moment.
    ///
    /// In an exec by a thread that is not the leader, this thread takes over the leader's pid. So
    /// a caller who is not sure that the task has not been in one asks for that afterwards, and
    /// drops this if need be.
    ///
    /// The caller is in an ioctl, so that the current task has an fd table. May sleep. As in C, it
    /// is not there for modules.
    ///
    /// # Errors
    ///
    /// - [`ESRCH`]: the thread, or the process, has been reaped.
    /// - Whatever making an fd fails with.
    #[doc(alias = "pidfd_prepare")]
    #[inline]
    pub fn new(task: &Task, of: PidfdOf, _caller: &'a IoctlFile) -> Result<Self> {
        let (pid_type, flags) = match of {
            PidfdOf::Thread => (bindings::pid_type_PIDTYPE_PID, bindings::PIDFD_THREAD),
            PidfdOf::Process => (bindings::pid_type_PIDTYPE_TGID, 0),
        };

        // SAFETY: The task is valid, and so is what it shares with its process, where the pid of
        // that is looked up: a task keeps its reference to it until it is freed.
        let pid = unsafe { bindings::get_task_pid(task.as_ptr(), pid_type) };
        if pid.is_null() {
            return Err(ESRCH);
        }

        let mut file = ptr::null_mut();
        // SAFETY: There is a reference to `pid`, and `file` can be written to. By the invariants of
        // `_caller`, the current task has an fd table.
        let number = unsafe { bindings::pidfd_prepare(pid, flags, &mut file) };
        // SAFETY: This is the reference that `get_task_pid()` took, and `pid` is not used any more.
        unsafe { bindings::put_pid(pid) };
        to_result(number)?;

        // INVARIANT: `pidfd_prepare()` has reserved the number, in an ioctl that ends after `'a`.
        Ok(Self {
            // CAST: It is not negative.
            number: number as u32,
            // SAFETY: As it was successful, there is a file, which is new: nobody but us has its
            // reference, and no thread is in `fdget_pos()`.
            file: unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast())) },
            _caller: PhantomData,
            _not_send: NotThreadSafe,
        })
    }

    /// Installs the pidfd. Returns its number.
    #[inline]
    pub fn install(self) -> u32 {
        let this = ManuallyDrop::new(self);

        // SAFETY: By the type invariants, the number is reserved in the current task's fd table,
        // which no task changes for another one within its ioctl. It and the reference to the file
        // are used once, as `this` is not dropped.
        unsafe { bindings::fd_install(this.number, this.file.as_ptr()) };
        this.number
    }
}

impl Drop for Pidfd<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: As in `install()`, the number is reserved in the current task's fd table. It was
        // not installed: that does without this.
        unsafe { bindings::put_unused_fd(self.number) };
    }
}
