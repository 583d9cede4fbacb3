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
pub struct Pidfd(What);

impl Pidfd {
    pub fn new(task: &Task, of: PidfdOf, _caller: &IoctlFile) -> Result<Self> {
        Ok(Self(What::Pidfd(task.pid(), of)))
    }

    pub fn install(self) -> u32 {
        blocking::lock(&current!().fds)
            .install(None, self.0, flags::O_CLOEXEC)
            .expect("there is room")
    }
}
