// SPDX-License-Identifier: GPL-2.0

//! The memory of other tasks.
//!
//! C header: [`include/linux/process_vm_access.h`](srctree/include/linux/process_vm_access.h)

use crate::{
    bindings,
    fs::anon_inode::IoctlFile,
    prelude::*,
    task::Task,
    uaccess::UserPtr, //
};

/// Which way memory is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the other task to the current one.
    Read,
    /// From the current task to the other one.
    Write,
}

/// Copies memory between `task`, at `addr`, and the current task, at `buf`: what
/// process_vm_readv(2) and process_vm_writev(2) do for a pid, with their permissions.
///
/// Returns how many of the `len` bytes were copied: fewer if a later page cannot be reached.
///
/// The caller is in an ioctl(2), so that the current task has memory of its own. May sleep, for as
/// long as a page fault of either task takes; a fatal signal ends that, if the file system lets it.
/// As in C, it is not there for modules.
///
/// # Errors
///
/// - [`EPERM`]: the current task may not access the memory of `task`.
/// - [`ESRCH`]: `task` has none any more.
/// - [`EFAULT`]: nothing can be copied.
/// - [`ENOMEM`]; [`EINTR`] or [`EFAULT`] after a fatal signal.
///
/// If `len` is 0, none of this is looked at.
#[doc(alias = "process_vm_copy")]
#[inline]
pub fn copy(
    task: &Task,
    addr: usize,
    buf: UserPtr,
    len: usize,
    direction: Direction,
    _caller: &IoctlFile,
) -> Result<usize> {
    let is_write = direction == Direction::Write;

    // SAFETY: The task is valid. Neither address has to be, nor what follows for any `len`: this is
    // checked, and the memory at both is userspace's. That at `buf` is the current task's own, and
    // not what a kernel thread has borrowed: by the invariants of `_caller`, this is an ioctl(2).
    let copied =
        unsafe { bindings::process_vm_copy(task.as_ptr(), addr, buf.as_mut_ptr(), len, is_write) };

    if copied < 0 {
        // CAST: It is an errno.
        return Err(Error::from_errno(copied as c_int));
    }
    // CAST: It is not negative.
    Ok(copied as usize)
}
