// SPDX-License-Identifier: GPL-2.0

//! The memory of other tasks.

use crate::{fs::anon_inode::IoctlFile, prelude::*, task::Task, uaccess::UserPtr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

/// Copies memory, byte by byte, so that much can happen meanwhile.
///
/// # Panics
///
/// If the task goes on with its system call meanwhile.
pub fn copy(
    task: &Task,
    addr: usize,
    buf: UserPtr,
    len: usize,
    direction: Direction,
    _caller: &IoctlFile,
) -> Result<usize> {
    let current = current!();
    let (from, source, to, destination) = match direction {
        Direction::Read => (task, addr, &*current, buf.addr()),
        Direction::Write => (&*current, buf.addr(), task, addr),
    };

    for at in 0..len {
        let copied = from
            .read_memory(source + at, 1)
            .and_then(|byte| to.write_memory(destination + at, &byte));

        assert!(
            task.is_in_entry() || task.fatal_signal_pending(),
            "a target goes on while its memory is copied"
        );
        match copied {
            Err(err) if at == 0 => return Err(err),
            Err(_) => return Ok(at),
            Ok(()) => (),
        }
    }
    Ok(len)
}
