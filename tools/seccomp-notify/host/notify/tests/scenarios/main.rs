// SPDX-License-Identifier: GPL-2.0

//! What can happen at a listener, each scenario in many ways: see `seccomp_notify::model`.

mod arguments;
mod counts;
mod exchange;
mod fds;
mod lifetime;
mod memory;
mod nested;
mod polling;
mod readers;
mod requeue;
mod signals;
