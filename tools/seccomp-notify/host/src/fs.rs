// SPDX-License-Identifier: GPL-2.0

//! Files and fd tables.

pub mod anon_inode;
pub mod file;
pub mod pidfd;

pub use file::{FdTable, File, Installed};
