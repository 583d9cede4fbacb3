// SPDX-License-Identifier: GPL-2.0

//! The implementation as the kernel has it, save for what faces C, and what C and userspace do
//! with it:
//!
//! * `userspace`: filters and fds, by which all is done that is done here.
//! * `world`: a listener with its targets and supervisors, and an account of what became of them.
//! * `model`: has a scenario happen in many ways.
//!
//! `tests` has the scenarios.

#[path = "../../../../../kernel/seccomp_notify/file.rs"]
mod file;
#[path = "../../../../../kernel/seccomp_notify/listener.rs"]
mod listener;
#[path = "../../../../../kernel/seccomp_notify/notification.rs"]
mod notification;
#[path = "../../../../../kernel/seccomp_notify/state.rs"]
mod state;
#[path = "../../../../../kernel/seccomp_notify/supervisor.rs"]
mod supervisor;
#[path = "../../../../../kernel/seccomp_notify/target.rs"]
mod target;

pub mod model;
pub mod userspace;
pub mod world;
