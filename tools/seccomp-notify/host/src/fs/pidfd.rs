// SPDX-License-Identifier: GPL-2.0

//! Fds that refer to tasks.

use crate::{
    blocking,
    fs::{
        anon_inode::IoctlFile,
        file::{flags, What},
    },
    prelude::*,
    task::Task,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidfdOf {
    Thread,
    Process,
}

/// A pidfd that is not installed yet.
pub struct Pidfd {
    what: What,
    /// It was made of a target that waited then: one that went on may die, and its pid be another's.
    is_of_target: bool,
}

impl Pidfd {
    pub fn new(task: &Task, of: PidfdOf, _caller: &IoctlFile) -> Result<Self> {
        // It allocates: the task may be gone before.
        blocking::thread::yield_now();
        Ok(Self {
            what: What::Pidfd(task.pid(), of),
            is_of_target: task.is_in_entry(),
        })
    }

    pub fn install(self) -> u32 {
        assert!(self.is_of_target);
        blocking::lock(&current!().fds)
            .install(None, self.what, flags::O_CLOEXEC)
            .expect("there is room")
    }
}
