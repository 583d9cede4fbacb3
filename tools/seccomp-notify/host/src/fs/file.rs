// SPDX-License-Identifier: GPL-2.0

//! Files, and the fds by which tasks have them.

use crate::{
    blocking,
    fs::pidfd::PidfdOf,
    prelude::*,
    sync::aref::{ARef, AlwaysRefCounted},
    task::SyscallEntry,
};
use std::{collections::BTreeMap, ptr::NonNull, sync::Arc};

pub mod flags {
    pub const O_NONBLOCK: u32 = 0o4000;
    pub const O_CLOEXEC: u32 = 0o2000000;
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The file under test, which was opened with these flags.
    Itself(u32),
    /// Any file, by which it is told from others.
    Other(u32),
    /// A pidfd of the task with this pid.
    Pidfd(i32, PidfdOf),
}

#[derive(Debug)]
pub struct File {
    what: What,
}

impl File {
    pub fn new(what: What) -> ARef<Self> {
        // SAFETY: Every file is in an `Arc`, whose reference this takes over.
        unsafe {
            ARef::from_raw(NonNull::new_unchecked(
                Arc::into_raw(Arc::new(Self { what })).cast_mut(),
            ))
        }
    }

    pub fn what(&self) -> What {
        self.what
    }

    pub fn flags(&self) -> u32 {
        match self.what {
            What::Itself(flags) => flags,
            _ => 0,
        }
    }

    pub fn receive(&self, flags: u32, _target: &SyscallEntry) -> Result<u32> {
        blocking::lock(&current!().fds).install(None, self.what, flags)
    }

    pub fn receive_replace(&self, fd: u32, flags: u32, _target: &SyscallEntry) -> Result<u32> {
        blocking::lock(&current!().fds).install(Some(fd), self.what, flags)
    }
}

// SAFETY: The count is that of the `Arc` that every file is in.
unsafe impl AlwaysRefCounted for File {
    fn inc_ref(&self) {
        // SAFETY: As above.
        unsafe { Arc::increment_strong_count(self) };
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: As above, and by the safety requirements there is a reference.
        let file = unsafe { Arc::from_raw(this.as_ptr()) };

        // The last one is released when a task returns from its system call.
        if Arc::into_inner(file).is_some() {
            current!().put_off_release();
        }
    }
}

/// An fd that a task has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    pub number: u32,
    pub what: What,
    pub flags: u32,
}

/// The fds of a task.
#[derive(Debug, Default)]
pub struct FdTable {
    fds: BTreeMap<u32, What>,
    /// No number is free.
    pub is_full: bool,
    /// What was installed so far, in order.
    pub installed: Vec<Installed>,
}

impl FdTable {
    /// The first number that is given.
    pub const FIRST: u32 = 3;

    pub(crate) fn install(&mut self, number: Option<u32>, what: What, flags: u32) -> Result<u32> {
        if self.is_full {
            return Err(EMFILE);
        }
        let mut numbers = Self::FIRST..;
        let number = number.or_else(|| numbers.find(|number| !self.fds.contains_key(number)));
        let number = number.ok_or(EMFILE)?;

        self.fds.insert(number, what);
        self.installed.push(Installed {
            number,
            what,
            flags,
        });
        Ok(number)
    }

    /// Opens a file. Returns its fd.
    pub fn open(&mut self, what: What) -> u32 {
        self.install(None, what, 0).expect("there is room")
    }

    pub(crate) fn get(&self, fd: u32) -> Option<ARef<File>> {
        self.fds.get(&fd).map(|&what| File::new(what))
    }
}
